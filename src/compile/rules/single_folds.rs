//! A sum, mean, maximum, minimum or product of one element is that element: such a reduction is a view. The same bits.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};

pub struct SingleFolds;

impl Rule for SingleFolds {
    fn name(&self) -> &'static str {
        "single_folds"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let output = rewriter.old().ty(node.outputs[0]);
        if rewriter.ty(inputs[0]).size() != output.size() {
            return Ok(None);
        }
        Ok(Some(vec![rewriter.reshape(inputs[0], &output.shape)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::reduce::reduce_sum;
    use crate::ops::shape::reshape;
    use crate::tensor::{DType, TensorType};

    #[test]
    fn folds_of_axes_of_size_1_are_views() {
        for (shape, axes, expected) in [
            (&[4, 1][..], &[1][..], "reshape"),
            (&[4, 1], &[0], "reduce_sum"),
            (&[1, 4, 1], &[0, 2], "reshape"),
            (&[0, 1], &[0], "reduce_sum"),
        ] {
            let mut graph = Graph::new();
            let x = graph.input(0, TensorType::new(DType::F64, shape));
            let sum = reduce_sum(&mut graph, x, axes, false).unwrap();
            assert_eq!(names_with(&SingleFolds, &graph, &[sum]), [expected], "{shape:?} over {axes:?}");
        }
    }

    #[test]
    fn random_graphs() {
        check_rule(&SingleFolds, 0.0, |random| {
            let x = random.pick();
            let shape = [random.graph.shape(x), &[1]].concat();
            let x = reshape(&mut random.graph, x, &shape).unwrap();
            let y = reduce_sum(&mut random.graph, x, &[shape.len() - 1], false).unwrap();
            random.push(y);
        });
    }
}
