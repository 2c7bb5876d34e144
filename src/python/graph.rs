//! `rustnet._core.Graph`: what a trace records into.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use numpy::PyUntypedArray;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};
use pyo3::{PyTraverseError, PyVisit};

use super::arenas::PyArenas;
use super::arrays::tensor;
use super::callback::{CallPython, Callback};
use super::errors::{ConfigurationError, detached, entry};
use super::listing::{Listing, listing};
use super::program::PyProgram;
use super::variable::PyVariable;
use crate::compile::{Request, gradients, planned, rewritten, rules};
use crate::error::{Error, Result};
use crate::graph::{Attribute, Attributes, Graph, Value};
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
    /// The places in `variables`, by a variable's address.
    index_of: HashMap<usize, usize>,
    /// What the program must keep alive.
    callbacks: Vec<Py<Callback>>,
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

    /// The number of a variable, which it gets here where it has none.
    fn index(&mut self, variable: &Arc<Variable>) -> usize {
        *self.index_of.entry(Arc::as_ptr(variable).addr()).or_insert_with(|| {
            let index = self.variables.len();
            self.graph.variable(index, variable.ty().clone());
            self.variables.push(variable.clone());
            index
        })
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
            let index = recording.index(&variable.0);
            Ok(recording.graph.variable(index, variable.0.ty().clone()).0)
        })
    }

    /// The content of a variable at this point of the program: that of the last `assign`, if there was one.
    fn read(&self, variable: &PyVariable) -> PyResult<u32> {
        entry(|| {
            let mut recording = self.recording();
            let index = recording.index(&variable.0);
            Ok(recording.graph.read(index).0)
        })
    }

    /// Gives a variable a new content: `read` returns it from here on, and the step writes it when it ends.
    fn assign(&self, variable: &PyVariable, value: u32) -> PyResult<()> {
        entry(|| {
            let mut recording = self.recording();
            let (index, value) = (recording.index(&variable.0), recording.value(value)?);
            Ok(recording.graph.assign(index, value)?)
        })
    }

    /// Whether the program does more than compute outputs.
    #[getter]
    fn has_effects(&self) -> PyResult<bool> {
        entry(|| Ok(self.recording().graph.has_effects()))
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

    /// Appends a call of `function(arrays) -> arrays`, which takes copies of the inputs and returns a list of arrays of the
    /// `(dtype, shape)`s `outputs`. `gradient` takes inputs, outputs and the gradients of the float outputs in one list,
    /// and returns the gradients of the float inputs.
    fn call_python(
        &self,
        py: Python<'_>,
        function: Py<PyAny>,
        gradient: Option<Py<PyAny>>,
        inputs: Vec<u32>,
        outputs: Vec<(String, Vec<usize>)>,
    ) -> PyResult<Vec<u32>> {
        entry(|| {
            let outputs = outputs
                .into_iter()
                .map(|(dtype, shape)| TensorType::new(DType::from_name(&dtype)?, shape).checked())
                .collect::<Result<_>>()?;
            let (op, callback) = CallPython::op(py, function, gradient, outputs)?;
            let mut recording = self.recording();
            let inputs = recording.values(&inputs)?;
            let outputs = recording.graph.apply(op, &inputs)?;
            recording.callbacks.push(callback);
            Ok(outputs.into_iter().map(|value| value.0).collect())
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> std::result::Result<(), PyTraverseError> {
        // Whoever has the lock is at work on the graph, which is then no garbage.
        match self.0.try_lock() {
            Ok(recording) => recording.callbacks.iter().try_for_each(|callback| visit.call(callback)),
            Err(_) => Ok(()),
        }
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

    /// Compiles the part of the graph that `outputs`, assignments and calls need. The program's arguments are the graph's
    /// inputs, in the order in which they were made. Its runs take their memory from `arenas`; without, the program has
    /// its own. Rewrites named in `disabled_rules` are left out.
    #[pyo3(signature = (outputs, arenas=None, disabled_rules=Vec::new()))]
    fn compile(
        &self,
        py: Python<'_>,
        outputs: Vec<u32>,
        arenas: Option<&Bound<'_, PyArenas>>,
        disabled_rules: Vec<String>,
    ) -> PyResult<PyProgram> {
        entry(|| {
            let rules = rules::without(&disabled_rules)?;
            let arenas = arenas.map(|arenas| arenas.get().0.clone()).unwrap_or_default();
            let program = detached(py, || {
                let recording = self.recording();
                let request = Request {
                    graph: &recording.graph,
                    inputs: recording.inputs.clone(),
                    outputs: recording.values(&outputs)?,
                    rules: &rules,
                };
                Program::new(&request, recording.variables.clone(), arenas)
            })?;
            let callbacks = self.recording().callbacks.iter().map(|one| one.clone_ref(py)).collect();
            Ok(PyProgram::new(program, callbacks))
        })
    }

    /// How the graph reads, as `listing.rs` says: as it was recorded, or `is_rewritten`, which also lists what runs.
    #[pyo3(signature = (outputs, is_rewritten, disabled_rules=vec![]))]
    fn listing<'py>(
        &self,
        py: Python<'py>,
        outputs: Vec<u32>,
        is_rewritten: bool,
        disabled_rules: Vec<String>,
    ) -> PyResult<Listing<'py>> {
        entry(|| {
            let recording = self.recording();
            let outputs = recording.values(&outputs)?;
            if !is_rewritten {
                let writes = recording.graph.writes().iter();
                let writes: Vec<_> =
                    writes.map(|write| (write.variable, write.value, write.position)).collect();
                return listing(py, &recording.graph, &outputs, &writes, None);
            }
            let rules = rules::without(&disabled_rules)?;
            let inputs = recording.inputs.clone();
            let request = Request { graph: &recording.graph, inputs, outputs, rules: &rules };
            let rewritten = rewritten(&request)?;
            let plan = planned(&rewritten, &request.inputs)?;
            let end = rewritten.graph.nodes().len();
            let updates: Vec<_> =
                rewritten.updates.iter().map(|&(variable, value)| (variable, value, end)).collect();
            listing(py, &rewritten.graph, &rewritten.outputs, &updates, Some(&plan))
        })
    }

    /// The number by which listings call a variable, `None` where the graph has not met it.
    fn variable_index(&self, variable: &PyVariable) -> PyResult<Option<usize>> {
        entry(|| Ok(self.recording().index_of.get(&Arc::as_ptr(&variable.0).addr()).copied()))
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
