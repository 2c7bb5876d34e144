//! Reductions over axes.

mod arg;
mod fold;

use std::any::Any;
use std::sync::Arc;

use fold::{Fold, Kind};

use super::entry::Entry;
use super::shape::reshape;
use crate::error::Result;
use crate::graph::{Graph, Op, Value};

pub const OPS: &[Entry] = &[
    Entry { name: "reduce_sum", build: |attributes| Fold::build(Kind::Sum, attributes) },
    Entry { name: "reduce_mean", build: |attributes| Fold::build(Kind::Mean, attributes) },
    Entry { name: "reduce_max", build: |attributes| Fold::build(Kind::Max, attributes) },
    Entry { name: "reduce_min", build: |attributes| Fold::build(Kind::Min, attributes) },
    Entry { name: "reduce_prod", build: |attributes| Fold::build(Kind::Product, attributes) },
    Entry { name: "argmax", build: |attributes| arg::Arg::build(arg::Best::Largest, attributes) },
    Entry { name: "argmin", build: |attributes| arg::Arg::build(arg::Best::Smallest, attributes) },
];

/// Sum over `axes`.
pub fn reduce_sum(graph: &mut Graph, value: Value, axes: &[usize], keepdims: bool) -> Result<Value> {
    graph.apply1(Arc::new(Fold { kind: Kind::Sum, axes: axes.to_vec(), keepdims }), &[value])
}

/// The axes that `op` sums over, if it is a sum.
pub fn summed_axes(op: &dyn Op) -> Option<&[usize]> {
    let fold = (op as &dyn Any).downcast_ref::<Fold>()?;
    (fold.kind == Kind::Sum).then_some(&fold.axes)
}

/// Sums `value` over the axes along which `shape` was broadcast to reach `value`'s shape.
pub fn sum_to(graph: &mut Graph, value: Value, shape: &[usize]) -> Result<Value> {
    let from = graph.shape(value).to_vec();
    if from == shape {
        return Ok(value);
    }
    let added = from.len() - shape.len();
    let axes: Vec<usize> = (0..from.len())
        .filter(|&axis| axis < added || (shape[axis - added] == 1 && from[axis] != 1))
        .collect();
    let sum = if axes.is_empty() { value } else { reduce_sum(graph, value, &axes, false)? };
    reshape(graph, sum, shape)
}
