//! Elementwise ops broadcast their operands: an operand that was broadcast before is read where it was, f(broadcast(x), y)
//! = f(x, y). A single number has no shape to keep, whatever views it went through after it was broadcast. The same bits.
//!
//! A broadcast stays where a fused loop could not address the smaller operand (`addressable.rs`), or where the result would
//! be smaller without it.

use crate::compile::fuse::access;
use crate::compile::properties::is_elementwise;
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::compile::values::behind_views;
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::tensor::TensorType;

pub struct BroadcastOperands;

impl Rule for BroadcastOperands {
    fn name(&self) -> &'static str {
        "broadcast_operands"
    }

    fn starts_from(&self) -> Start {
        Start::Property(is_elementwise)
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let output = rewriter.old().ty(node.outputs[0]);
        let mut operands = inputs.to_vec();
        for index in 0..operands.len() {
            let Some(smaller) = before_broadcast(rewriter, operands[index]) else { continue };
            let broadcast = std::mem::replace(&mut operands[index], smaller);
            let types: Vec<&TensorType> = operands.iter().map(|&operand| rewriter.ty(operand)).collect();
            let is_same = node.op.output_types(&types).is_ok_and(|types| types[0] == *output);
            if !is_same || access(rewriter.shape(smaller), &output.shape).is_none() {
                operands[index] = broadcast;
            }
        }
        if operands == inputs {
            return Ok(None);
        }
        rewriter.add(&node.op, &operands).map(Some)
    }
}

/// What `value` was before it was broadcast, if it was.
fn before_broadcast(rewriter: &Rewriter<'_>, value: Value) -> Option<Value> {
    if let Some(broadcast) = rewriter.produced_by(value, "broadcast_to") {
        return Some(broadcast.inputs[0]);
    }
    let behind = behind_views(rewriter.new_graph(), value);
    let number = rewriter.produced_by(behind, "broadcast_to")?.inputs[0];
    (rewriter.ty(number).size() == 1).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{multiply, tanh};
    use crate::ops::shape::{broadcast_to, reshape};
    use crate::tensor::DType;

    fn float(shape: &[usize]) -> TensorType {
        TensorType::new(DType::F64, shape)
    }

    #[test]
    fn operands_are_read_where_they_were() {
        // The shape before the broadcast to (2, 3, 4); what is left.
        for (shape, expected) in [
            (&[4][..], &["multiply"][..]),
            (&[], &["multiply"]),
            (&[2, 1, 1], &["multiply"]),
            (&[2, 1, 4], &["broadcast_to", "multiply"]),
        ] {
            let mut graph = Graph::new();
            let (x, y) = (graph.input(0, float(&[2, 3, 4])), graph.input(1, float(shape)));
            let wide = broadcast_to(&mut graph, y, &[2, 3, 4]).unwrap();
            let product = multiply(&mut graph, wide, x).unwrap();
            assert_eq!(names_with(&BroadcastOperands, &graph, &[product]), expected, "{shape:?}");
        }
    }

    #[test]
    fn a_number_is_read_through_views() {
        let mut graph = Graph::new();
        let (x, number) = (graph.input(0, float(&[4, 1])), graph.input(1, float(&[1])));
        let factors = broadcast_to(&mut graph, number, &[4]).unwrap();
        let factors = reshape(&mut graph, factors, &[4, 1]).unwrap();
        let y = multiply(&mut graph, x, factors).unwrap();
        assert_eq!(names_with(&BroadcastOperands, &graph, &[y]), ["multiply"]);
    }

    #[test]
    fn a_broadcast_that_makes_the_result_large_stays() {
        let mut graph = Graph::new();
        let x = graph.input(0, float(&[4]));
        let wide = broadcast_to(&mut graph, x, &[3, 4]).unwrap();
        let y = tanh(&mut graph, wide).unwrap();
        assert_eq!(names_with(&BroadcastOperands, &graph, &[y]), ["broadcast_to", "tanh"]);
    }

    #[test]
    fn random_graphs() {
        check_rule(&BroadcastOperands, 0.0, |random| {
            let x = random.pick();
            let shape = random.graph.shape(x).to_vec();
            let number = random.leaf(&[]);
            let wide = broadcast_to(&mut random.graph, number, &shape).unwrap();
            let y = multiply(&mut random.graph, x, wide).unwrap();
            random.push(y);
        });
    }
}
