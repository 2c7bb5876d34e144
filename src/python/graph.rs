//! `rustnet._core.Graph`: what a trace records into.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use super::arenas::PyArenas;
use super::arrays::tensor;
use super::errors::{ConfigurationError, detached, entry};
use super::program::PyProgram;
use super::variable::PyVariable;
use crate::compile::{Request, gradients};
use crate::error::{Error, Result};
use crate::graph::{Attribute, Attributes, Graph, Source, Value};
use crate::ops::registry;
use crate::runtime::{Program, Variable};
use crate::tensor::{DType, TensorType};

/// A graph in the making. Values are small ints.
#[pyclass(frozen, name = "Graph", module = "rustnet._core")]
pub struct PyGraph(Mutex<Recording>);

#[derive(Default)]
struct Recording {
    graph: Graph,
    inputs: Vec<TensorType>,
    variables: Vec<Arc<Variable>>,
    /// The values of `variables`, by a variable's address.
    value_of: HashMap<usize, Value>,
}

impl PyGraph {
    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    fn value(&self, id: u32) -> Result<Value> {
        if (id as usize) < self.graph.value_count() {
            Ok(Value(id))
        } else {
            Err(Error::Configuration(format!("expected a value of this graph. Received: value={id}")))
        }
    }

    fn values(&self, ids: &[u32]) -> Result<Vec<Value>> {
        ids.iter().map(|&id| self.value(id)).collect()
    }
}

#[pymethods]
impl PyGraph {
    #[new]
    fn new() -> PyResult<Self> {
        entry(|| Ok(Self(Mutex::default())))
    }

    /// The program's next argument.
    fn input(&self, dtype: &str, shape: Vec<usize>) -> PyResult<u32> {
        entry(|| {
            let ty = TensorType::new(DType::from_name(dtype)?, shape).checked()?;
            let mut recording = self.recording();
            let index = recording.inputs.len();
            recording.inputs.push(ty.clone());
            Ok(recording.graph.input(index, ty).0)
        })
    }

    /// The content of a variable at the start of the step; the same value for the same variable.
    fn variable(&self, variable: &PyVariable) -> PyResult<u32> {
        entry(|| {
            let mut recording = self.recording();
            let address = Arc::as_ptr(&variable.0).addr();
            if let Some(value) = recording.value_of.get(&address) {
                return Ok(value.0);
            }
            let index = recording.variables.len();
            let value = recording.graph.variable(index, variable.0.ty().clone());
            recording.variables.push(variable.0.clone());
            recording.value_of.insert(address, value);
            Ok(value.0)
        })
    }

    fn constant(&self, array: &Bound<'_, PyUntypedArray>) -> PyResult<u32> {
        entry(|| Ok(self.recording().graph.constant(tensor(array)?).0))
    }

    /// Appends a node and returns its outputs.
    fn apply(&self, name: &str, inputs: Vec<u32>, attributes: &Bound<'_, PyDict>) -> PyResult<Vec<u32>> {
        entry(|| {
            let attributes = convert_attributes(attributes)?;
            let mut recording = self.recording();
            let inputs = recording.values(&inputs)?;
            let scope = recording.graph.scope();
            let op = registry::build(name, &attributes).map_err(|error| error.within(&scope))?;
            let outputs = recording.graph.apply(op, &inputs)?;
            Ok(outputs.into_iter().map(|value| value.0).collect())
        })
    }

    /// `(dtype, shape)` of a value.
    fn type_of(&self, value: u32) -> PyResult<(&'static str, Vec<usize>)> {
        entry(|| {
            let recording = self.recording();
            let ty = recording.graph.ty(recording.value(value)?);
            Ok((ty.dtype.name(), ty.shape.clone()))
        })
    }

    /// Names the layer, loss or metric that the next nodes belong to.
    fn set_scope(&self, scope: &str) -> PyResult<()> {
        entry(|| {
            self.recording().graph.set_scope(scope);
            Ok(())
        })
    }

    /// d loss / d wrt, `None` where the loss does not depend on a value.
    fn gradients(&self, loss: u32, wrt: Vec<u32>) -> PyResult<Vec<Option<u32>>> {
        entry(|| {
            let mut recording = self.recording();
            let (loss, wrt) = (recording.value(loss)?, recording.values(&wrt)?);
            let gradients = gradients(&mut recording.graph, loss, &wrt)?;
            Ok(gradients.into_iter().map(|value| value.map(|value| value.0)).collect())
        })
    }

    /// Compiles the part of the graph that `outputs` and `updates` need. The program's arguments are the graph's
    /// inputs, in the order in which they were made; `updates` are `(variable, new content)` pairs. Its runs take their
    /// memory from `arenas`; without, the program has its own.
    #[pyo3(signature = (outputs, updates, arenas=None))]
    fn compile(
        &self,
        py: Python<'_>,
        outputs: Vec<u32>,
        updates: Vec<(Bound<'_, PyVariable>, u32)>,
        arenas: Option<&Bound<'_, PyArenas>>,
    ) -> PyResult<PyProgram> {
        entry(|| {
            let arenas = arenas.map(|arenas| arenas.get().0.clone()).unwrap_or_default();
            let updates: Vec<(u32, u32)> = updates
                .into_iter()
                .map(|(variable, value)| Ok((self.variable(variable.get())?, value)))
                .collect::<PyResult<_>>()?;
            let program = detached(py, || {
                let recording = self.recording();
                let updates = updates
                    .iter()
                    .map(|&(variable, value)| {
                        let Source::Variable(index) = *recording.graph.source(Value(variable)) else {
                            unreachable!("the variable was recorded above");
                        };
                        let (new, old) = (
                            recording.graph.ty(recording.value(value)?),
                            recording.graph.ty(Value(variable)),
                        );
                        if new != old {
                            return Err(Error::Shape(format!(
                                "expected {old} to assign to a variable. Received: {new}"
                            )));
                        }
                        Ok((index, Value(value)))
                    })
                    .collect::<Result<Vec<_>>>()?;
                let request = Request {
                    graph: &recording.graph,
                    inputs: recording.inputs.clone(),
                    outputs: recording.values(&outputs)?,
                    updates,
                };
                Program::new(&request, recording.variables.clone(), arenas)
            })?;
            Ok(PyProgram::new(program))
        })
    }
}

fn convert_attributes(attributes: &Bound<'_, PyDict>) -> PyResult<Attributes> {
    let entries = attributes
        .iter()
        .map(|(name, value)| Ok((name.extract()?, convert_attribute(&value)?)))
        .collect::<PyResult<Vec<(String, Attribute)>>>()?;
    Ok(Attributes::new(entries))
}

fn convert_attribute(value: &Bound<'_, PyAny>) -> PyResult<Attribute> {
    // A bool is an int to Python: it comes first.
    if value.is_instance_of::<PyBool>() {
        Ok(Attribute::Bool(value.extract()?))
    } else if value.is_instance_of::<PyInt>() {
        Ok(Attribute::Int(value.extract()?))
    } else if value.is_instance_of::<PyFloat>() {
        Ok(Attribute::Float(value.extract()?))
    } else if value.is_instance_of::<PyString>() {
        Ok(Attribute::String(value.extract()?))
    } else {
        value.extract().map(Attribute::Ints).map_err(|_| {
            ConfigurationError::new_err(format!(
                "expected an attribute that is a bool, int, float, string or list of ints. Received: {value}"
            ))
        })
    }
}
