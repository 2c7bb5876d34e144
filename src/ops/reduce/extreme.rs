//! The gradient of a maximum or minimum.

use super::reduce_sum;
use super::reduction::Reduced;
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::elementwise::{cast, divide, equal, multiply};

/// Equal extremes share the gradient.
pub fn gradient(reduced: &Reduced<'_>, graph: &mut Graph) -> Result<Value> {
    let is_extreme = equal(graph, reduced.x, reduced.y)?;
    let dtype = graph.ty(reduced.x).dtype;
    let is_extreme = cast(graph, is_extreme, dtype)?;
    let count = reduce_sum(graph, is_extreme, reduced.axes, true)?;
    let share = divide(graph, reduced.dy, count)?;
    multiply(graph, is_extreme, share)
}
