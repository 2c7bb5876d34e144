//! `rustnet._core.Program`.

use std::time::Duration;

use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::arrays::{Bytes, NewBytes, column, zeros};
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

    /// New arrays for `run_batches` to write `rows` rows of each output to.
    fn new_outputs<'py>(&self, py: Python<'py>, rows: usize) -> PyResult<Vec<Bound<'py, PyUntypedArray>>> {
        entry(|| {
            let with_rows = |ty: &TensorType| {
                let mut ty = ty.clone();
                if let Some(first) = ty.shape.first_mut() {
                    *first = rows;
                }
                ty.checked()
            };
            self.program.output_types().map(|ty| Ok(zeros(py, &with_rows(ty)?)?.0)).collect()
        })
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
    /// (all rows, or `None` for as they lie) and cast. Each of `outputs` is a C-contiguous array with a row for every
    /// row up to the end, or the list is empty.
    #[pyo3(signature = (columns, order, rows, outputs, max_seconds))]
    fn run_batches<'py>(
        &self,
        py: Python<'py>,
        columns: Vec<Bound<'py, PyUntypedArray>>,
        order: Option<&Bound<'py, PyOrder>>,
        rows: (usize, usize),
        outputs: Vec<Bound<'py, PyUntypedArray>>,
        max_seconds: f64,
    ) -> PyResult<usize> {
        entry(|| {
            let (start, stop) = rows;
            let columns = columns.iter().map(column).collect::<PyResult<Vec<_>>>()?;
            let order = order.map(|order| &order.get().0);
            let mut targets = Vec::with_capacity(outputs.len());
            if !outputs.is_empty() {
                for (array, ty) in outputs.iter().zip(self.program.output_types()) {
                    let bytes = Bytes::of(array)?;
                    let fits = bytes.ty.dtype == ty.dtype
                        && bytes.ty.shape.get(1..) == ty.shape.get(1..)
                        && bytes.ty.shape.first().is_some_and(|&rows| rows >= stop);
                    if !fits {
                        let message = format!("expected {stop} rows of {ty}. Received: {}", bytes.ty);
                        return Err(ShapeError::new_err(message));
                    }
                    targets.push(bytes);
                }
                if outputs.len() != self.program.output_types().count() {
                    return Err(ShapeError::new_err(format!(
                        "expected an array for each output. Received: {}",
                        outputs.len()
                    )));
                }
            }
            let time_limit = Duration::try_from_secs_f64(max_seconds).map_err(|_| {
                ConfigurationError::new_err(format!(
                    "expected 0 or more seconds. Received: max_seconds={max_seconds}"
                ))
            })?;
            detached(py, || {
                let targets: Vec<*mut u8> = targets.iter().map(|bytes| bytes.as_ptr().cast_mut()).collect();
                let batches = Batches { columns: &columns, order, start, stop, time_limit };
                // SAFETY: the columns and outputs are kept alive by the caller's references; the outputs have the rows.
                unsafe { self.program.run_batches(&batches, &targets) }
            })
        })
    }
}

fn describe(ty: &TensorType) -> (&'static str, Vec<usize>) {
    (ty.dtype.name(), ty.shape.clone())
}
