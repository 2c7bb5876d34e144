//! What a graph looks like from Python: plain tuples, which `rustnet.core.listing` makes objects of.

use std::ops::Deref;

use numpy::PyUntypedArray;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::arrays::zeros;
use crate::compile::{Plan, Work};
use crate::graph::{Attribute, Graph, Source, Value};
use crate::tensor::Tensor;
use crate::with_array;

/// `(kind, number, dtype, shape, content)`: the number of an input, a variable or the node that computes it; the content of
/// a constant.
type ListedValue<'py> = (&'static str, usize, &'static str, Vec<usize>, Option<Bound<'py, PyUntypedArray>>);

/// `(name, op, attributes, inputs, outputs, scope, origin)`
type ListedNode<'py> = (String, &'static str, Bound<'py, PyDict>, Vec<u32>, Vec<u32>, String, String);

/// `(what runs, nodes)`
type ListedStep = (String, Vec<u32>);

/// Values, nodes, the values that are results, assignments as `(variable, value, nodes recorded before)`, and steps.
pub type Listing<'py> =
    (Vec<ListedValue<'py>>, Vec<ListedNode<'py>>, Vec<u32>, Vec<(usize, u32, usize)>, Vec<ListedStep>);

pub fn listing<'py>(
    py: Python<'py>,
    graph: &Graph,
    outputs: &[Value],
    updates: &[(usize, Value, usize)],
    plan: Option<&Plan>,
) -> PyResult<Listing<'py>> {
    let values =
        (0..graph.value_count() as u32).map(|id| value(py, graph, Value(id))).collect::<PyResult<_>>()?;
    let nodes = graph.nodes().iter().zip(graph.names());
    let nodes = nodes
        .map(|(node, name)| {
            let attributes = PyDict::new(py);
            for (key, attribute) in node.op.attributes().iter() {
                attributes.set_item(key, attribute_value(py, attribute)?)?;
            }
            let ids = |values: &[Value]| values.iter().map(|value| value.0).collect::<Vec<_>>();
            let (inputs, outputs) = (ids(&node.inputs), ids(&node.outputs));
            let scope = node.scope.deref().to_owned();
            Ok((name, node.op.name(), attributes, inputs, outputs, scope, node.origin.to_string()))
        })
        .collect::<PyResult<_>>()?;
    let outputs = outputs.iter().map(|value| value.0).collect();
    let updates = updates.iter().map(|&(variable, value, position)| (variable, value.0, position)).collect();
    let steps = plan.map(|plan| plan.steps.iter().map(step).collect()).unwrap_or_default();
    Ok((values, nodes, outputs, updates, steps))
}

fn value<'py>(py: Python<'py>, graph: &Graph, value: Value) -> PyResult<ListedValue<'py>> {
    let ty = graph.ty(value);
    let (kind, number, content) = match graph.source(value) {
        Source::Input(index) => ("input", *index, None),
        Source::Variable(index) => ("variable", *index, None),
        Source::Constant(tensor) => ("constant", 0, Some(array(py, tensor)?)),
        Source::Output { node, .. } => ("output", node.0 as usize, None),
    };
    Ok((kind, number, ty.dtype.name(), ty.shape.clone(), content))
}

/// A copy of a constant.
fn array<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyUntypedArray>> {
    let (array, mut bytes) = zeros(py, &tensor.tensor_type())?;
    let target = bytes.as_mut_slice();
    with_array!(tensor, elements => {
        for (target, element) in target.chunks_exact_mut(tensor.dtype().size()).zip(elements) {
            target.copy_from_slice(&element.to_ne_bytes());
        }
    });
    Ok(array)
}

fn attribute_value<'py>(py: Python<'py>, attribute: &Attribute) -> PyResult<Bound<'py, PyAny>> {
    match attribute {
        Attribute::Bool(value) => value.into_bound_py_any(py),
        Attribute::Int(value) => value.into_bound_py_any(py),
        Attribute::Float(value) => value.into_bound_py_any(py),
        Attribute::String(value) => value.into_bound_py_any(py),
        Attribute::Ints(values) => values.clone().into_bound_py_any(py),
    }
}

fn step(step: &crate::compile::Step) -> ListedStep {
    let what = match &step.work {
        Work::Loop(body) => format!("loop of {}", body.operations),
        Work::Kernel { op, epilogue: None, .. } => op.name().to_owned(),
        Work::Kernel { op, epilogue: Some(body), .. } => {
            format!("{} + loop of {}", op.name(), body.operations)
        }
    };
    (what, step.nodes.iter().map(|node| node.0).collect())
}
