//! Softmax and log-softmax along any axis.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::softmax as kernel;
use crate::ops::check::{FLOATS, expect_axis, expect_dtype, expect_inputs, expect_rank};
use crate::ops::rows::{along_axis, workspace_bytes};
use crate::tensor::TensorType;
use crate::with_float;

/// x (…) → y (…): exp(x) / Σ exp(x) along `axis`, or the logarithm of that.
#[derive(Debug)]
pub(super) struct Softmax {
    log: bool,
    axis: usize,
}
attributes!(Softmax { axis } with log: bool);

impl Softmax {
    pub fn build(log: bool, attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes, log)?))
    }
}

/// The natural logarithm of the softmax of x along its last axis.
pub(super) fn log_softmax(graph: &mut Graph, x: Value) -> Result<Value> {
    let axis = graph.shape(x).len() - 1;
    graph.apply1(Arc::new(Softmax { log: true, axis }), &[x])
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_dtype(self, "x", x, FLOATS)?;
        expect_axis(self, self.axis, x)?;
        expect_rank(self, x.rank())?;
        Ok(vec![x.clone()])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let op = SoftmaxBackward { log: self.log, axis: self.axis };
        Ok(vec![Some(graph.apply1(Arc::new(op), &[node.outputs[0], node.doutput()])?)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> usize {
        workspace_bytes(inputs, outputs, self.axis)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        with_float!(call.inputs[0].dtype(), T => {
            let body = if self.log { kernel::log_softmax::<T> } else { kernel::softmax::<T> };
            along_axis(call, self.axis, |y: &mut [T], [x], classes| body(y, x, classes));
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        4 * inputs[0].size() as u64
    }
}

/// y (…), dy (…) → dx (…).
#[derive(Debug)]
struct SoftmaxBackward {
    log: bool,
    axis: usize,
}
attributes!(listed SoftmaxBackward { axis });

impl Op for SoftmaxBackward {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax_backward" } else { "softmax_backward" }
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [y, _] = expect_inputs(self, inputs)?;
        Ok(vec![y.clone()])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        use crate::ops::elementwise::{exp, multiply, negative, subtract};
        use crate::ops::reduce::reduce_sum;

        let &[y, dy] = node.inputs else { unreachable!("the shape rule checks the inputs") };
        let g = node.doutput();
        if self.log {
            // dx = dy − e^y Σ dy
            let e = exp(graph, y)?;
            let total = reduce_sum(graph, dy, &[self.axis], true)?;
            let weighted = multiply(graph, g, e)?;
            let spread = reduce_sum(graph, weighted, &[self.axis], true)?;
            let to_dy = subtract(graph, g, spread)?;
            let to_y = multiply(graph, weighted, total)?;
            return Ok(vec![Some(negative(graph, to_y)?), Some(to_dy)]);
        }
        // dx = y (dy − Σ dy·y)
        let to_dy = graph.apply1(Arc::new(Self { ..*self }), &[y, g])?;
        let dy_y = multiply(graph, dy, y)?;
        let mean_dy = reduce_sum(graph, dy_y, &[self.axis], true)?;
        let g_y = multiply(graph, g, y)?;
        let mean_g = reduce_sum(graph, g_y, &[self.axis], true)?;
        let centered = subtract(graph, dy, mean_dy)?;
        let first = multiply(graph, g, centered)?;
        let second = multiply(graph, dy, mean_g)?;
        Ok(vec![Some(subtract(graph, first, second)?), Some(to_dy)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> usize {
        workspace_bytes(inputs, outputs, self.axis)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        with_float!(call.inputs[0].dtype(), T => {
            let body = if self.log { kernel::log_softmax_backward::<T> } else { kernel::softmax_backward::<T> };
            along_axis(call, self.axis, |dx: &mut [T], [y, dy], classes| body(dx, y, dy, classes));
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        4 * inputs[0].size() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::rows::length_and_inner;
    use crate::ops::testing::{check_gradient, elements, run, tensor, uniform};
    use crate::tensor::Tensor;

    fn op(log: bool, axis: usize) -> OpRef {
        Arc::new(Softmax { log, axis })
    }

    /// Element by element, along one axis.
    fn reference(log: bool, axis: usize, x: &Tensor) -> Vec<f64> {
        let (length, inner) = length_and_inner(x.shape(), axis);
        let x = elements(x);
        (0..x.len())
            .map(|index| {
                let start = index / (length * inner) * (length * inner) + index % inner;
                let row: Vec<f64> = (0..length).map(|step| x[start + step * inner]).collect();
                let m = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let log_sum = m + row.iter().map(|x| (x - m).exp()).sum::<f64>().ln();
                if log { x[index] - log_sum } else { (x[index] - log_sum).exp() }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            shape in prop::collection::vec(prop_oneof![1..5usize, 14..40usize], 1..4),
            axis in 0..3usize,
            log: bool,
        ) {
            let axis = axis % shape.len();
            let x = uniform(&shape, 5, -4.0, 4.0);
            let expected = reference(log, axis, &x);
            let y = run(&op(log, axis), std::slice::from_ref(&x)).unwrap().remove(0);
            for (y, expected) in elements(&y).iter().zip(&expected) {
                prop_assert!((y - expected).abs() < 1e-13 * (1.0 + expected.abs()), "{y} {expected}");
            }
            let Tensor::F64(x) = x else { unreachable!() };
            let y = run(&op(log, axis), &[Tensor::F32(x.mapv(|x| x as f32))]).unwrap().remove(0);
            for (y, expected) in elements(&y).iter().zip(&expected) {
                prop_assert!((y - expected).abs() < 2e-6 * (1.0 + expected.abs()), "{y} {expected}");
            }
        }
    }

    #[test]
    fn gradients_of_first_and_second_order() {
        let x = uniform(&[3, 4, 2], 1, -2.0, 2.0);
        let dy = uniform(&[3, 4, 2], 2, -1.0, 1.0);
        for log in [false, true] {
            for axis in 0..3 {
                check_gradient(&op(log, axis), std::slice::from_ref(&x));
                let backward: OpRef = Arc::new(SoftmaxBackward { log, axis });
                check_gradient(&backward, &[x.clone(), dy.clone()]);
            }
        }
    }

    #[test]
    fn extreme_logits_neither_overflow_nor_vanish() {
        let x = tensor(&[1, 3], |index| [1000.0, 0.0, -1000.0][index]);
        assert_eq!(elements(&run(&op(false, 1), std::slice::from_ref(&x)).unwrap()[0]), [1.0, 0.0, 0.0]);
        assert_eq!(elements(&run(&op(true, 1), &[x]).unwrap()[0]), [0.0, -1000.0, -2000.0]);
        let masked = tensor(&[1, 2], |index| [f64::NEG_INFINITY, 3.0][index]);
        assert_eq!(elements(&run(&op(false, 1), &[masked]).unwrap()[0]), [0.0, 1.0]);
        let nan = tensor(&[1, 2], |index| [f64::NAN, 3.0][index]);
        assert!(elements(&run(&op(false, 1), &[nan]).unwrap()[0]).iter().all(|y| y.is_nan()));
    }
}
