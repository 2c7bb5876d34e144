//! The gradient of a maximum pooling is zero but for the argmax of each window. An op that is linear in it
//! ([`Properties::linear`](crate::graph::Properties)), and elementwise, leaves the zeros zero: with U(argmax, dy) for
//! max_pool2d_backward, f(U(argmax, dy), m) = U(argmax, f(dy, m at the argmax)). So the mask of a ReLU, or the slope of any
//! activation, is applied where there are fewer elements, and where the kernel that computes dy can do it. Of the map that
//! was pooled, what lies at the argmax are the maxima.
//!
//! The same bits where windows do not overlap; where they do, a sum of products is a product with a sum: the same to
//! rounding. (Where m is not finite, its product with a zero was NaN before, and is zero now.)

use crate::compile::properties::{is_same_for_all_pixels, share_of_cost};
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, OpRef, Value};
use crate::ops::pool;

pub struct PooledGradient;

impl Rule for PooledGradient {
    fn name(&self) -> &'static str {
        "pooled_gradient"
    }

    fn starts_from(&self) -> Start {
        Start::Property(|_, node| node.op.properties().linear.contains(&true))
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let output = rewriter.old().ty(node.outputs[0]).clone();
        let spread = (0..inputs.len()).find_map(|operand| {
            let spread = rewriter.produced_by(inputs[operand], "max_pool2d_backward")?;
            let is_linear = node.op.properties().linear.get(operand) == Some(&true)
                && *rewriter.ty(inputs[operand]) == output;
            is_linear.then(|| (operand, spread.op.clone(), [spread.inputs[0], spread.inputs[1]]))
        });
        let Some((operand, unpool, [argmax, dy])) = spread else { return Ok(None) };
        let types: Vec<_> = inputs.iter().map(|&input| rewriter.ty(input)).collect();
        let is_elementwise = node.op.instruction(&types).is_some();
        let can_choose = |&input: &Value| {
            rewriter.shape(input) == output.shape || is_same_for_all_pixels(rewriter.shape(input))
        };
        if !is_elementwise || !inputs.iter().all(can_choose) {
            return Ok(None);
        }

        let before = rewriter.cost(&node.op, inputs)? + share_of_cost(rewriter, node.inputs[operand])?;
        let mut after = rewriter.cost(&unpool, &[argmax, dy])?;
        let mut operands = inputs.to_vec();
        for (index, value) in operands.iter_mut().enumerate() {
            if index == operand {
                *value = dy;
            } else if rewriter.shape(*value) == output.shape {
                let (chosen, cost) = at_argmax(rewriter, &unpool, argmax, *value)?;
                *value = chosen;
                after += cost;
            }
        }
        after += rewriter.cost(&node.op, &operands)?;
        if after >= before {
            return Ok(None);
        }
        let dy = rewriter.add(&node.op, &operands)?[0];
        rewriter.add(&unpool, &[argmax, dy]).map(Some)
    }
}

/// What of `map` lies at the argmax of each window of a pooling, `op` being one of its ops, and what it costs.
pub(super) fn at_argmax(
    rewriter: &mut Rewriter<'_>,
    op: &OpRef,
    argmax: Value,
    map: Value,
) -> Result<(Value, u64)> {
    let pooling = rewriter.produced_by(argmax, "max_pool2d");
    if let Some(pooling) =
        pooling.filter(|pooling| pooling.inputs[0] == map && pool::same_windows(&*pooling.op, &**op))
    {
        return Ok((pooling.outputs[0], 0));
    }
    let select = pool::selection(&**op).expect("an op of a maximum pooling");
    let cost = rewriter.cost(&select, &[argmax, map])?;
    Ok((rewriter.add(&select, &[argmax, map])?[0], cost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::gradients;
    use crate::compile::rules::testing::{check_rule, max_pool, names_with, tensors_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{multiply, relu, sigmoid};
    use crate::ops::reduce::reduce_sum;
    use crate::ops::testing::{elements, evaluate, tensor, uniform};
    use crate::tensor::{DType, TensorType};

    type Activation = fn(&mut Graph, Value) -> Result<Value>;

    /// d/dx Σ weights · max_pool2d(f(x)) for x (2, 6, 5, 3); the shape of the weights, input 1.
    fn gradient_of_pooled(f: Activation, window: usize, stride: usize) -> (Graph, Value, Vec<usize>) {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [2, 6, 5, 3]));
        let active = f(&mut graph, x).unwrap();
        let y = max_pool(&mut graph, active, window, stride);
        let shape = graph.shape(y).to_vec();
        let weights = graph.input(1, TensorType::new(DType::F64, &*shape));
        let weighted = multiply(&mut graph, y, weights).unwrap();
        let loss = reduce_sum(&mut graph, weighted, &[0, 1, 2, 3], false).unwrap();
        let dx = gradients(&mut graph, loss, &[x]).unwrap()[0].unwrap();
        (graph, dx, shape)
    }

    #[test]
    fn a_mask_is_applied_where_there_are_fewer_elements() {
        for (window, stride) in [(2, 2), (3, 2)] {
            let (graph, dx, y_shape) = gradient_of_pooled(relu, window, stride);
            // Whole numbers, so that there are ties, many at zero; and a NaN.
            let shape = [2, 6, 5, 3];
            let noise = elements(&uniform(&shape, 1, -3.0, 2.0));
            let x = tensor(&shape, |i| if i == 40 { f64::NAN } else { noise[i].round() });
            let feed = [x, uniform(&y_shape, 2, -1.0, 1.0)];
            let expected = elements(&evaluate(&graph, &feed, &[dx]).unwrap()[0]);
            assert!(expected.iter().any(|dx| *dx != 0.0));
            assert_eq!(elements(&tensors_with(&PooledGradient, &graph, &feed, &[dx])[0]), expected);
            let names = names_with(&PooledGradient, &graph, &[dx]);
            assert_eq!(names[names.len() - 2..], ["relu_backward", "max_pool2d_backward"], "{names:?}");
        }
    }

    #[test]
    fn the_slope_of_any_activation_is_chosen() {
        let (graph, dx, _) = gradient_of_pooled(sigmoid, 2, 2);
        let names = names_with(&PooledGradient, &graph, &[dx]);
        assert_eq!(
            names[names.len() - 3..],
            ["max_pool2d_select", "multiply", "max_pool2d_backward"],
            "{names:?}"
        );
    }

    #[test]
    fn a_pooling_that_leaves_as_many_elements_keeps_its_order() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [1, 4, 4, 1]));
        let active = relu(&mut graph, x).unwrap();
        let y = max_pool(&mut graph, active, 1, 1);
        let loss = reduce_sum(&mut graph, y, &[0, 1, 2, 3], false).unwrap();
        let dx = gradients(&mut graph, loss, &[x]).unwrap()[0].unwrap();
        let names = names_with(&PooledGradient, &graph, &[dx]);
        assert_eq!(names.last(), Some(&"relu_backward"), "{names:?}");
    }

    #[test]
    fn random_graphs() {
        check_rule(&PooledGradient, 1e-12, |random| {
            let x = random.image();
            let active = relu(&mut random.graph, x).unwrap();
            let y = max_pool(&mut random.graph, active, 2, 2);
            random.push(y);
        });
    }
}
