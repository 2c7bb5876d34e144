//! Reductions over axes.

mod arg;
mod extreme;
mod reduction;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;

use reduction::{Reduce, Reduction};
use sum::Sum;

use super::entry::Entry;
use super::shape::reshape;
use crate::error::Result;
use crate::graph::{Graph, Op, Value};

macro_rules! reductions {
    ($($module:ident::$Reduction:ident,)*) => {
        $(mod $module;)*

        pub const OPS: &[Entry] = &[
            $($module::$Reduction::ENTRY,)*
            Entry { name: "argmax", build: |attributes| arg::Arg::build(arg::Best::Largest, attributes) },
            Entry { name: "argmin", build: |attributes| arg::Arg::build(arg::Best::Smallest, attributes) },
        ];
    };
}

reductions! {
    maximum::Maximum,
    mean::Mean,
    minimum::Minimum,
    product::Product,
    sum::Sum,
    sum_of_squares::SumOfSquares,
}

/// Sum over `axes`.
pub fn reduce_sum(graph: &mut Graph, value: Value, axes: &[usize], keepdims: bool) -> Result<Value> {
    graph.apply1(Arc::new(Reduce::<Sum>::new(axes, keepdims)), &[value])
}

/// The axes that `op` sums over, if it is a sum.
pub fn summed_axes(op: &dyn Op) -> Option<&[usize]> {
    let sum = (op as &dyn Any).downcast_ref::<Reduce<Sum>>()?;
    Some(&sum.axes)
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
