//! What rules ask of nodes and values: properties, and not the names of layers or the sizes of models.

use super::rewrite::Rewriter;
use crate::error::Result;
use crate::graph::{Graph, Node, Value};
use crate::ops::gather::sliced_axis;
use crate::tensor::TensorType;

/// Whether output 0 of the node is computed element by element of its broadcast inputs.
pub fn is_elementwise(graph: &Graph, node: &Node) -> bool {
    let types: Vec<&TensorType> = node.inputs.iter().map(|&input| graph.ty(input)).collect();
    node.op.instruction(&types).is_some()
}

/// Whether an operand of this shape is one number for all pixels of a channel, where it broadcasts to images (B, H, W, C).
pub fn is_same_for_all_pixels(shape: &[usize]) -> bool {
    let from_end = |axis: usize| shape.len().checked_sub(axis).map_or(1, |axis| shape[axis]);
    shape.len() <= 4 && from_end(2) == 1 && from_end(3) == 1
}

/// Rows of a table: gather(table (V, …row), ids (…k)) of shape (…k, …row).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatheredRows {
    pub table: Value,
    pub ids: Value,
}

impl GatheredRows {
    /// What a value of the new graph is gathered from, if it consists of rows of a table.
    pub fn of(rewriter: &Rewriter<'_>, value: Value) -> Option<Self> {
        let gather = rewriter.produced_by(value, "gather")?;
        match gather.inputs[..] {
            [table, ids] if sliced_axis(&*gather.op) == Some(0) => Some(Self { table, ids }),
            _ => None,
        }
    }

    /// [`GatheredRows::of`] of a value or of the one that it is a view of, if each row of either is one of the other.
    pub fn of_view(rewriter: &Rewriter<'_>, value: Value) -> Option<Self> {
        let above = rewriter.producer(value).filter(|above| above.op.is_view());
        let behind = above.map_or(value, |above| above.inputs[0]);
        let has_rows = rewriter.shape(behind).last() == rewriter.shape(value).last();
        Self::of(rewriter, behind).filter(|rows| has_rows && rewriter.shape(rows.table).len() == 2)
    }
}

/// The share that one of its readers has in the cost of the node that computes a value of the old graph: what is saved if
/// that reader can do without, provided that the others can as well.
pub fn share_of_cost(rewriter: &mut Rewriter<'_>, old: Value) -> Result<u64> {
    let readers = rewriter.readers().count(old).max(1) as u64;
    let new = rewriter.map(old);
    match rewriter.producer(new) {
        Some(node) => Ok(rewriter.cost(&node.op, &node.inputs)? / readers),
        None => Ok(0),
    }
}
