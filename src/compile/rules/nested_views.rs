//! A view of a view is a view of what the first one shows: reshape(reshape(x)) = reshape(x). Views cost nothing, but what
//! stands between two nodes hides them from other rules. The same bits.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};

pub struct NestedViews;

impl Rule for NestedViews {
    fn name(&self) -> &'static str {
        "nested_views"
    }

    fn starts_from(&self) -> Start {
        Start::Property(|_, node| node.op.is_view())
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let above = rewriter.producer(inputs[0]).filter(|above| above.op.is_view());
        let Some(x) = above.map(|above| above.inputs[0]) else { return Ok(None) };
        let shape = rewriter.old().shape(node.outputs[0]);
        Ok(Some(vec![rewriter.reshape(x, shape)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::tanh;
    use crate::ops::shape::reshape;
    use crate::tensor::{DType, TensorType};

    #[test]
    fn views_are_joined_up_to_the_next_node_that_computes() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F32, [2, 3]));
        let flat = reshape(&mut graph, x, &[6]).unwrap();
        let tall = reshape(&mut graph, flat, &[3, 2]).unwrap();
        let y = tanh(&mut graph, tall).unwrap();
        let wide = reshape(&mut graph, y, &[1, 6]).unwrap();
        assert_eq!(names_with(&NestedViews, &graph, &[wide]), ["reshape", "tanh", "reshape"]);
        let back = reshape(&mut graph, tall, &[2, 3]).unwrap();
        assert!(names_with(&NestedViews, &graph, &[back]).is_empty());
    }

    #[test]
    fn random_graphs() {
        check_rule(&NestedViews, 0.0, |random| {
            let x = random.pick();
            let size = random.graph.ty(x).size();
            let column = reshape(&mut random.graph, x, &[size, 1, 1]).unwrap();
            let row = reshape(&mut random.graph, column, &[1, 1, size]).unwrap();
            random.push(row);
        });
    }
}
