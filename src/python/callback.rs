//! A function of Python as an op.

use std::fmt;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use super::arrays::{Bytes, copy_of};
use super::errors::{InternalError, ShapeError};
use crate::error::{Error, Raised, Result};
use crate::graph::{Call, Differentiated, Effect, Graph, Op, OpRef, Value};
use crate::tensor::{Tensor, TensorType};

/// A function that programs call, and its gradient.
///
/// Graphs and programs own it and show it to the garbage collector; the op itself, which they share, refers to it weakly.
/// So a model goes although a program of it calls a function that knows the model.
#[pyclass(frozen, weakref, module = "rustnet._core")]
pub struct Callback {
    function: Py<PyAny>,
    gradient: Option<Py<PyAny>>,
}

#[pymethods]
impl Callback {
    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.gradient)
    }
}

/// Inputs, copied to new arrays → what the function returns, which must be a list of arrays of the outputs' types.
pub struct CallPython {
    /// To a [`Callback`].
    callback: Arc<Py<PyWeakrefReference>>,
    what: What,
    outputs: Vec<TensorType>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Function { has_gradient: bool },
    Gradient,
}

impl CallPython {
    /// The op, and what must live as long as it is run.
    pub fn op(
        py: Python<'_>,
        function: Py<PyAny>,
        gradient: Option<Py<PyAny>>,
        outputs: Vec<TensorType>,
    ) -> PyResult<(OpRef, Py<Callback>)> {
        let what = What::Function { has_gradient: gradient.is_some() };
        let callback = Bound::new(py, Callback { function, gradient })?;
        let reference = Arc::new(PyWeakrefReference::new(&callback)?.unbind());
        Ok((Arc::new(Self { callback: reference, what, outputs }), callback.unbind()))
    }

    fn call(&self, py: Python<'_>, call: &mut Call<'_>) -> PyResult<()> {
        let callback = self.callback.bind(py).upgrade_as::<Callback>()?;
        let callback = callback.ok_or_else(|| InternalError::new_err("a program has lost its function"))?;
        let function = match self.what {
            What::Function { .. } => &callback.get().function,
            What::Gradient => callback.get().gradient.as_ref().expect("only ops that have one ask for it"),
        };
        let arrays = call.inputs.iter().map(|input| copy_of(py, input)).collect::<PyResult<Vec<_>>>()?;
        let results = function.bind(py).call1((PyList::new(py, arrays)?,))?;
        let results = results.extract::<Vec<Bound<'_, numpy::PyUntypedArray>>>()?;
        if results.len() != self.outputs.len() {
            let expected = self.outputs.len();
            return Err(ShapeError::new_err(format!(
                "expected {expected} arrays. Received: {}",
                results.len()
            )));
        }
        for (output, array) in call.outputs.iter_mut().zip(&results) {
            let bytes = Bytes::of_type(array, output.tensor_type())?;
            // SAFETY: both hold so many bytes, and the array is not of the engine's memory.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), output.as_mut_ptr(), bytes.ty.bytes()) };
        }
        Ok(())
    }
}

impl fmt::Debug for CallPython {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPython").field("what", &self.what).field("outputs", &self.outputs).finish()
    }
}

impl Op for CallPython {
    fn name(&self) -> &'static str {
        match self.what {
            What::Function { .. } => "call_python",
            What::Gradient => "call_python_backward",
        }
    }

    fn output_types(&self, _: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(self.outputs.clone())
    }

    fn effect(&self) -> Effect {
        Effect::CallsOut
    }

    /// inputs, outputs, gradients of the float outputs → gradients of the float inputs.
    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        if self.what != (What::Function { has_gradient: true }) {
            return Err(Error::Configuration(format!(
                "expected a function with a gradient, or ops.stop_gradient before or after it. Received: a {} that the loss \
                 depends on, with gradient=None",
                self.name()
            )));
        }
        let is_float = |graph: &Graph, value: &Value| graph.ty(*value).dtype.is_float();
        let mut inputs = [node.inputs, node.outputs].concat();
        for (output, doutput) in node.outputs.iter().zip(node.doutputs) {
            if is_float(graph, output) {
                let zeros = |graph: &mut Graph| {
                    let zeros = Tensor::zeros(graph.ty(*output));
                    graph.constant(zeros)
                };
                inputs.push(doutput.unwrap_or_else(|| zeros(graph)));
            }
        }
        let floats: Vec<bool> = node.inputs.iter().map(|input| is_float(graph, input)).collect();
        let outputs = node.inputs.iter().zip(&floats).filter(|(_, is_float)| **is_float);
        let outputs = outputs.map(|(input, _)| graph.ty(*input).clone()).collect();
        let op = Self { callback: self.callback.clone(), what: What::Gradient, outputs };
        let mut dinputs = graph.apply(Arc::new(op), &inputs)?.into_iter();
        Ok(floats.into_iter().map(|is_float| is_float.then(|| dinputs.next()).flatten()).collect())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        Python::attach(|py| self.call(py, call)).map_err(|error| Error::Raised(Raised(Arc::new(error))))
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}
