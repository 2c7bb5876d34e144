//! `rustnet._core.Program`.

use std::time::Duration;

use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::arrays::{self, Bytes, NewBytes, column, zeros};
use super::callback::Callback;
use super::errors::{ConfigurationError, ShapeError, detached, entry};
use super::order::PyOrder;
use crate::runtime::{Batches, Program};
use crate::tensor::TensorType;

/// A compiled step for fixed shapes.
#[pyclass(frozen, name = "Program", module = "rustnet._core")]
pub struct PyProgram {
    program: Program,
    /// What its steps call.
    callbacks: Vec<Py<Callback>>,
}

impl PyProgram {
    pub fn new(program: Program, callbacks: Vec<Py<Callback>>) -> Self {
        Self { program, callbacks }
    }
}

#[pymethods]
impl PyProgram {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callbacks.iter().try_for_each(|callback| visit.call(callback))
    }

    /// `(dtype, shape)` of each argument.
    #[getter]
    fn input_types(&self) -> PyResult<Vec<(&'static str, Vec<usize>)>> {
        entry(|| Ok(self.program.input_types().iter().map(describe).collect()))
    }

    /// `(dtype, shape)` of each output.
    #[getter]
    fn output_types(&self) -> PyResult<Vec<(&'static str, Vec<usize>)>> {
        entry(|| Ok(self.program.output_types().map(describe).collect()))
    }

    /// The size of the arena that one run uses, in bytes.
    #[getter]
    fn arena_bytes(&self) -> PyResult<usize> {
        entry(|| Ok(self.program.arena_bytes()))
    }

    /// New arrays for the outputs of one batch.
    fn new_outputs<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
        entry(|| self.program.output_types().map(|ty| Ok(zeros(py, ty)?.0)).collect())
    }

    /// Runs once on whole, C-contiguous arrays of the arguments' types, and returns the outputs as new arrays.
    fn run<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<Bound<'py, PyUntypedArray>>,
    ) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
        entry(|| {
            let types = self.program.input_types();
            if inputs.len() != types.len() {
                let message = format!("expected {} arguments. Received: {}", types.len(), inputs.len());
                return Err(ShapeError::new_err(message));
            }
            let arguments = inputs
                .iter()
                .zip(types)
                .map(|(array, ty)| Bytes::of_type(array, ty))
                .collect::<PyResult<Vec<_>>>()?;
            let (arrays, outputs): (Vec<_>, Vec<NewBytes>) = self
                .program
                .output_types()
                .map(|ty| zeros(py, ty))
                .collect::<PyResult<Vec<_>>>()?
                .into_iter()
                .unzip();
            detached(py, || {
                let arguments: Vec<*const u8> = arguments.iter().map(|bytes| bytes.as_ptr()).collect();
                let outputs: Vec<*mut u8> = outputs.iter().map(NewBytes::as_mut_ptr).collect();
                // SAFETY: `Bytes` checked types and layout; the outputs are new, the inputs are kept alive by the caller.
                unsafe { self.program.run(&arguments, &outputs) }
            })?;
            Ok(arrays)
        })
    }

    /// Runs the whole batches of `rows` (first, end) until `max_seconds` are over, and returns the next row.
    ///
    /// `columns` are arrays of any strides and of any numeric dtype, whose rows are gathered in the order `order`
    /// (all rows, or `None` for as they lie) and cast. Those at the positions `whole` are arguments that every batch has as
    /// they are; where all are, there is one batch. `outputs` are C-contiguous arrays for the outputs of the last batch, or
    /// with `keeps_all` for those of all batches, joined along the first axis (scalars in a list); or there are none.
    #[pyo3(signature = (columns, order, rows, outputs, max_seconds, whole=Vec::new(), *, keeps_all=false))]
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn run_batches<'py>(
        &self,
        py: Python<'py>,
        columns: Vec<Bound<'py, PyUntypedArray>>,
        order: Option<&Bound<'py, PyOrder>>,
        rows: (usize, usize),
        outputs: Vec<Bound<'py, PyUntypedArray>>,
        max_seconds: f64,
        whole: Vec<usize>,
        keeps_all: bool,
    ) -> PyResult<usize> {
        entry(|| {
            let (start, stop) = rows;
            let columns = (columns.iter().enumerate())
                .map(
                    |(index, array)| {
                        if whole.contains(&index) { arrays::whole(array) } else { column(array) }
                    },
                )
                .collect::<PyResult<Vec<_>>>()?;
            let order = order.map(|order| &order.get().0);
            let time_limit = Duration::try_from_secs_f64(max_seconds).map_err(|_| {
                ConfigurationError::new_err(format!(
                    "expected 0 or more seconds. Received: max_seconds={max_seconds}"
                ))
            })?;
            let batches = Batches { columns: &columns, order, start, stop, time_limit, keeps_all };
            if !outputs.is_empty() && outputs.len() != self.program.output_types().count() {
                return Err(ShapeError::new_err(format!(
                    "expected an array for each output. Received: {}",
                    outputs.len()
                )));
            }
            let kept = if keeps_all { (stop - start) / self.program.batch_size(&batches)? } else { 1 };
            let mut targets = Vec::with_capacity(outputs.len());
            for (array, ty) in outputs.iter().zip(self.program.output_types()) {
                let bytes = Bytes::of(array)?;
                if bytes.ty.dtype != ty.dtype || !holds(&bytes.ty.shape, kept, &ty.shape) {
                    let message = format!("expected {kept} times {ty}. Received: {}", bytes.ty);
                    return Err(ShapeError::new_err(message));
                }
                targets.push(bytes);
            }
            detached(py, || {
                let targets: Vec<*mut u8> = targets.iter().map(|bytes| bytes.as_ptr().cast_mut()).collect();
                // SAFETY: the columns and outputs are kept alive by the caller's references; the outputs have room.
                unsafe { self.program.run_batches(&batches, &targets) }
            })
        })
    }
}

/// Whether an array of shape `array` has room for `count` tensors of shape `ty`, one after the other.
fn holds(array: &[usize], count: usize, ty: &[usize]) -> bool {
    match ty.split_first() {
        None if array.is_empty() => count <= 1,
        None => array.len() == 1 && array[0] >= count,
        Some((&first, rest)) => {
            array.split_first().is_some_and(|(&rows, row_shape)| row_shape == rest && rows >= count * first)
        }
    }
}

fn describe(ty: &TensorType) -> (&'static str, Vec<usize>) {
    (ty.dtype.name(), ty.shape.clone())
}
