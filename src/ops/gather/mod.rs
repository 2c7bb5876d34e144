//! Reading and adding by index.

mod along_axis;
mod index;
mod one_hot;
mod whole;

use std::any::Any;
use std::sync::Arc;

use super::entry::Entry;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, OpRef, TensorView, Value};
use crate::ops::check::expect_dtype;
use crate::tensor::{DType, TensorType};

pub const OPS: &[Entry] = &[
    Entry { name: "gather", build: whole::Gather::build },
    Entry { name: "scatter_add", build: whole::ScatterAdd::build },
    Entry { name: "take_along_axis", build: along_axis::TakeAlongAxis::build },
    Entry { name: "scatter_along_axis", build: along_axis::ScatterAlongAxis::build },
    Entry { name: "index", build: index::Index::build },
    Entry { name: "one_hot", build: one_hot::OneHot::build },
];

/// The elements of x at `indices` along `axis`, which has the rank of x.
pub fn take_along_axis(graph: &mut Graph, x: Value, indices: Value, axis: usize) -> Result<Value> {
    graph.apply1(Arc::new(along_axis::TakeAlongAxis { axis }), &[x, indices])
}

/// Zeros, `size` of them along `axis`, to whose elements at `indices` the updates are added.
pub fn scatter_along_axis(
    graph: &mut Graph,
    indices: Value,
    updates: Value,
    size: usize,
    axis: usize,
) -> Result<Value> {
    graph.apply1(Arc::new(along_axis::ScatterAlongAxis { size, axis }), &[indices, updates])
}

/// The op that gathers rows of a table (V, …row).
pub fn row_gather() -> OpRef {
    Arc::new(whole::Gather { axis: 0 })
}

/// The op that adds rows to those of a table (`size`, …row) of zeros.
pub fn row_scatter(size: usize) -> OpRef {
    Arc::new(whole::ScatterAdd { size, axis: 0 })
}

/// The axis that `op` gathers slices from or adds slices to, if it does.
pub fn sliced_axis(op: &dyn Op) -> Option<usize> {
    let op = op as &dyn Any;
    let gathered = op.downcast_ref::<whole::Gather>().map(|gather| gather.axis);
    gathered.or_else(|| op.downcast_ref::<whole::ScatterAdd>().map(|scatter| scatter.axis))
}

fn expect_indices(op: &dyn Op, indices: &TensorType) -> Result<()> {
    expect_dtype(op, "indices", indices, &[DType::I32])
}

/// The indices, all of which lie in `0..size`.
pub fn checked_indices<'a>(indices: &TensorView<'a>, size: usize) -> Result<&'a [i32]> {
    let elements = indices.slice::<i32>();
    let is_bad = |&index: &i32| usize::try_from(index).map_or(true, |index| index >= size);
    match elements.iter().position(is_bad) {
        None => Ok(elements),
        Some(at) => {
            let position = position(at, indices.shape());
            let index = elements[at];
            Err(Error::Data(format!("index {index} at position {position:?}; expected 0 <= index < {size}")))
        }
    }
}

/// The position in a tensor of `shape` of the element at `flat` in row-major order.
pub(super) fn position(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut position: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let at = flat % size;
            flat /= size;
            at
        })
        .collect();
    position.reverse();
    position
}
