//! What fusion needs of a graph: each operand of an elementwise node is one that a fused loop can address.
//!
//! This is no rule that could be switched off: a loop reads an operand element by element, as a row or as a column
//! ([`access`]). Any other, such as (B, 1, C) within (B, T, C), is broadcast beforehand.

use super::fuse::access;
use super::rewrite::{Rewriter, Rule, Start, rewrite};
use crate::error::Result;
use crate::graph::{Graph, Node, Value};
use crate::tensor::TensorType;

/// The same graph and roots, with the broadcasts that fused loops need.
pub fn make_addressable(graph: Graph, roots: Vec<Value>) -> Result<(Graph, Vec<Value>)> {
    if !graph.nodes().iter().any(|node| has_other_operand(&graph, node)) {
        return Ok((graph, roots));
    }
    rewrite(&graph, &roots, &[&Broadcast])
}

/// Whether `node` is elementwise and a fused loop could not address one of its operands.
fn has_other_operand(graph: &Graph, node: &Node) -> bool {
    let types: Vec<&TensorType> = node.inputs.iter().map(|&input| graph.ty(input)).collect();
    // Only an elementwise node has an output for certain.
    let fits = |ty: &&TensorType| access(&ty.shape, graph.shape(node.outputs[0])).is_some();
    node.op.instruction(&types).is_some() && !types.iter().all(fits)
}

struct Broadcast;

impl Rule for Broadcast {
    fn name(&self) -> &'static str {
        "addressable"
    }

    fn starts_from(&self) -> Start {
        Start::Property(has_other_operand)
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let shape = rewriter.old().shape(node.outputs[0]);
        let mut inputs = inputs.to_vec();
        for input in &mut inputs {
            if access(rewriter.shape(*input), shape).is_none() {
                *input = rewriter.broadcast_to(*input, shape)?;
            }
        }
        rewriter.add(&node.op, &inputs).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::elementwise::add;
    use crate::ops::testing::{elements, evaluate, uniform};
    use crate::tensor::DType;

    #[test]
    fn an_operand_that_no_loop_addresses_is_broadcast() {
        for (shape, expected) in
            [(&[2, 1, 4][..], &["broadcast_to", "add"][..]), (&[3, 4], &["add"]), (&[2, 3, 1], &["add"])]
        {
            let mut graph = Graph::new();
            let x = graph.input(0, TensorType::new(DType::F64, [2, 3, 4]));
            let y = graph.input(1, TensorType::new(DType::F64, shape));
            let sum = add(&mut graph, x, y).unwrap();
            let feed = [uniform(&[2, 3, 4], 1, -1.0, 1.0), uniform(shape, 2, -1.0, 1.0)];
            let before = elements(&evaluate(&graph, &feed, &[sum]).unwrap()[0]);
            let (graph, roots) = make_addressable(graph, vec![sum]).unwrap();
            let names: Vec<_> = graph.nodes().iter().map(|node| node.op.name()).collect();
            assert_eq!(names, expected);
            assert_eq!(elements(&evaluate(&graph, &feed, &roots).unwrap()[0]), before);
        }
    }
}
