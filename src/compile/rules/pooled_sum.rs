//! The gradient of a maximum pooling goes to the argmax of each window whole, so its sum over the pixels is that of what is
//! spread: Σ max_pool2d_backward(argmax, dy) = Σ dy. As in the gradient of a bias. The same to rounding: fewer zeros are
//! summed, in another order.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::ops::reduce;

pub struct PooledSum;

impl Rule for PooledSum {
    fn name(&self) -> &'static str {
        "pooled_sum"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["reduce_sum"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let axes = reduce::summed_axes(&*node.op).unwrap_or_default();
        let sums_pixels = axes.contains(&1) && axes.contains(&2);
        let spread = rewriter.produced_by(inputs[0], "max_pool2d_backward").filter(|_| sums_pixels);
        match spread.map(|spread| spread.inputs[1]) {
            Some(dy) => rewriter.add(&node.op, &[dy]).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::gradients;
    use crate::compile::rules::testing::{check_rule, max_pool, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{add, square};
    use crate::ops::reduce::reduce_sum;
    use crate::tensor::{DType, TensorType};

    #[test]
    fn a_sum_over_pixels_is_one_of_windows() {
        for (axes, expected) in [
            (&[0, 1, 2][..], &["max_pool2d", "reduce_sum"][..]),
            (&[1, 2], &["max_pool2d", "reduce_sum"]),
            (&[0, 2], &["max_pool2d", "max_pool2d_backward", "reduce_sum"]),
        ] {
            let mut graph = Graph::new();
            let x = graph.input(0, TensorType::new(DType::F64, [2, 4, 4, 3]));
            let y = max_pool(&mut graph, x, 2, 2);
            let squares = square(&mut graph, y).unwrap();
            let loss = reduce_sum(&mut graph, squares, &[0, 1, 2, 3], false).unwrap();
            let dx = gradients(&mut graph, loss, &[x]).unwrap()[0].unwrap();
            let sum = reduce_sum(&mut graph, dx, axes, false).unwrap();
            let mut names = names_with(&PooledSum, &graph, &[sum]);
            names.retain(|name| !["multiply", "broadcast_to", "reshape"].contains(name));
            assert_eq!(names, expected, "{axes:?}");
        }
    }

    #[test]
    fn random_graphs() {
        check_rule(&PooledSum, 1e-12, |random| {
            let x = random.image();
            let channels = random.graph.shape(x)[3];
            let bias = random.leaf(&[channels]);
            let biased = add(&mut random.graph, x, bias).unwrap();
            let y = max_pool(&mut random.graph, biased, 2, 2);
            random.push(y);
        });
    }
}
