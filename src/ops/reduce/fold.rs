//! Sum, mean, maximum, minimum and product.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::Real;
use crate::kernels::parallel::elements_of;
use crate::kernels::reduce::{self as kernel, Plan};
use crate::ops::check::{FLOATS, NUMBERS, expect_axes, expect_dtype, expect_inputs};
use crate::ops::cumulative::exclusive_cumprod;
use crate::ops::elementwise::{cast, divide, equal, multiply, scalar_like};
use crate::ops::reduce::reduce_sum;
use crate::ops::shape::{broadcast_to, reshape, transpose};
use crate::tensor::TensorType;
use crate::{with_dtype, with_float};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sum,
    /// Floats only.
    Mean,
    /// Of bools: any.
    Max,
    /// Of bools: all.
    Min,
    Product,
}

/// x (…) → the axes `axes` folded into one number, dropped or kept with size 1.
#[derive(Debug)]
pub(super) struct Fold {
    pub kind: Kind,
    pub axes: Vec<usize>,
    pub keepdims: bool,
}

impl Fold {
    pub fn build(kind: Kind, attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["axes", "keepdims"])?;
        Ok(Arc::new(Self { kind, axes: attributes.sizes("axes")?, keepdims: attributes.bool("keepdims")? }))
    }

    /// Elements that are folded into one.
    fn count(&self, shape: &[usize]) -> usize {
        self.axes.iter().map(|&axis| shape[axis]).product()
    }
}

impl Op for Fold {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "reduce_sum",
            Kind::Mean => "reduce_mean",
            Kind::Max => "reduce_max",
            Kind::Min => "reduce_min",
            Kind::Product => "reduce_prod",
        }
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axes(self, &self.axes, x)?;
        match self.kind {
            Kind::Sum | Kind::Product => expect_dtype(self, "x", x, NUMBERS)?,
            Kind::Mean => expect_dtype(self, "x", x, FLOATS)?,
            Kind::Max | Kind::Min if self.count(&x.shape) == 0 => {
                return Err(Error::Shape(format!(
                    "{} expects one element or more to choose from. Received: axes={:?}, input shape={:?}",
                    self.name(),
                    self.axes,
                    x.shape
                )));
            }
            Kind::Max | Kind::Min => {}
        }
        Ok(vec![TensorType::new(x.dtype, reduced_shape(&x.shape, &self.axes, self.keepdims))])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        let shape = graph.shape(x).to_vec();
        let kept = reduced_shape(&shape, &self.axes, true);
        let dy = reshape(graph, node.doutput(), &kept)?;
        let dx = match self.kind {
            Kind::Sum => broadcast_to(graph, dy, &shape)?,
            Kind::Mean => {
                let count = scalar_like(graph, dy, self.count(&shape) as f64);
                let share = divide(graph, dy, count)?;
                broadcast_to(graph, share, &shape)?
            }
            // Equal extremes share the gradient.
            Kind::Max | Kind::Min => {
                let y = reshape(graph, y, &kept)?;
                let is_extreme = equal(graph, x, y)?;
                let dtype = graph.ty(x).dtype;
                let is_extreme = cast(graph, is_extreme, dtype)?;
                let count = reduce_sum(graph, is_extreme, &self.axes, true)?;
                let share = divide(graph, dy, count)?;
                multiply(graph, is_extreme, share)?
            }
            Kind::Product => {
                let others = product_of_others(graph, x, &self.axes)?;
                multiply(graph, others, dy)?
            }
        };
        Ok(vec![Some(dx)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        Plan::new(&inputs[0].shape, &self.axes).workspace() * inputs[0].dtype.size()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let shape = call.inputs[0].shape();
        let plan = Plan::new(shape, &self.axes);
        with_dtype!(call.inputs[0].dtype(), T => {
            let input = call.input::<T>(0);
            let workspace = elements_of::<T>(call.workspace);
            let output = call.outputs[0].slice::<T>();
            match self.kind {
                Kind::Sum | Kind::Mean => kernel::fold::<T, kernel::Sum>(output, input, &plan, workspace),
                Kind::Max => kernel::fold::<T, kernel::Maximum>(output, input, &plan, workspace),
                Kind::Min => kernel::fold::<T, kernel::Minimum>(output, input, &plan, workspace),
                Kind::Product => kernel::fold::<T, kernel::Product>(output, input, &plan, workspace),
            }
        });
        if self.kind == Kind::Mean {
            with_float!(call.inputs[0].dtype(), T => {
                let count = T::from_usize(self.count(shape));
                call.output::<T>(0).iter_mut().for_each(|sum| *sum /= count);
            });
        }
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        inputs[0].size() as u64
    }
}

/// For each element of x the product of the others along `axes`, without a division, which zeros would spoil.
fn product_of_others(graph: &mut Graph, x: Value, axes: &[usize]) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let mut order: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
    let kept = order.len();
    order.extend(axes);
    let ordered: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let rows = [ordered[..kept].iter().product(), ordered[kept..].iter().product()];

    let x = transpose(graph, x, &order)?;
    let x = reshape(graph, x, &rows)?;
    let before = exclusive_cumprod(graph, x, 1, false)?;
    let after = exclusive_cumprod(graph, x, 1, true)?;
    let others = multiply(graph, before, after)?;
    let others = reshape(graph, others, &ordered)?;
    let mut inverse = vec![0; order.len()];
    for (place, &axis) in order.iter().enumerate() {
        inverse[axis] = place;
    }
    transpose(graph, others, &inverse)
}

fn reduced_shape(shape: &[usize], axes: &[usize], keepdims: bool) -> Vec<usize> {
    (0..shape.len())
        .filter(|axis| keepdims || !axes.contains(axis))
        .map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{bools, check_gradient, elements, ints, run, tensor, uniform};
    use crate::tensor::{DType, Tensor};

    const KINDS: [Kind; 5] = [Kind::Sum, Kind::Mean, Kind::Max, Kind::Min, Kind::Product];

    fn op(kind: Kind, axes: &[usize], keepdims: bool) -> OpRef {
        Arc::new(Fold { kind, axes: axes.to_vec(), keepdims })
    }

    fn run1(op: &OpRef, x: &Tensor) -> (Vec<usize>, Vec<f64>) {
        let y = run(op, std::slice::from_ref(x)).unwrap().remove(0);
        (y.shape().to_vec(), elements(&y))
    }

    #[test]
    fn axes_are_dropped_or_kept() {
        let x = tensor(&[2, 3], |index| index as f64 + 1.0);
        assert_eq!(run1(&op(Kind::Sum, &[0], false), &x), (vec![3], vec![5.0, 7.0, 9.0]));
        assert_eq!(run1(&op(Kind::Mean, &[1], true), &x), (vec![2, 1], vec![2.0, 5.0]));
        assert_eq!(run1(&op(Kind::Max, &[0, 1], false), &x), (vec![], vec![6.0]));
        assert_eq!(run1(&op(Kind::Min, &[1], false), &x), (vec![2], vec![1.0, 4.0]));
        assert_eq!(run1(&op(Kind::Product, &[1], false), &x), (vec![2], vec![6.0, 120.0]));
        assert_eq!(run1(&op(Kind::Sum, &[], false), &x).1, elements(&x));
    }

    #[test]
    fn ints_and_bools() {
        let x = ints(&[2, 2], &[1, 2, 3, -4]);
        assert_eq!(run1(&op(Kind::Sum, &[0, 1], false), &x).1, [2.0]);
        assert_eq!(run1(&op(Kind::Product, &[1], false), &x).1, [2.0, -12.0]);
        assert_eq!(run1(&op(Kind::Min, &[0], false), &x).1, [1.0, -4.0]);
        let x = bools(&[2, 2], &[true, false, true, true]);
        assert_eq!(run1(&op(Kind::Max, &[0, 1], false), &x).1, [1.0]);
        assert_eq!(run1(&op(Kind::Min, &[1], false), &x).1, [0.0, 1.0]);
    }

    #[test]
    fn gradients_over_any_axes() {
        let x = uniform(&[2, 3, 4], 1, -1.0, 1.0);
        for kind in KINDS {
            for axes in [&[][..], &[0], &[1], &[2], &[0, 2], &[0, 1, 2]] {
                check_gradient(&op(kind, axes, false), std::slice::from_ref(&x));
                check_gradient(&op(kind, axes, true), std::slice::from_ref(&x));
            }
        }
    }

    #[test]
    fn the_gradient_of_a_product_holds_with_zeros() {
        let x = tensor(&[3, 3], |index| [0.0, 2.0, 3.0, 0.0, 0.0, 5.0, 7.0, -1.0, 0.5][index]);
        check_gradient(&op(Kind::Product, &[1], false), std::slice::from_ref(&x));
        check_gradient(&op(Kind::Product, &[0, 1], false), &[x]);
    }

    #[test]
    fn equal_extremes_share_the_gradient() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [4]));
        let dy = graph.input(1, TensorType::new(DType::F64, []));
        let fold = op(Kind::Max, &[0], false);
        let y = graph.apply1(fold.clone(), &[x]).unwrap();
        let node = Differentiated { inputs: &[x], outputs: &[y], doutputs: &[Some(dy)], wanted: &[true] };
        let dx = fold.gradient(&node, &mut graph).unwrap()[0].unwrap();
        let feed = [tensor(&[4], |index| [1.0, 5.0, 5.0, 2.0][index]), tensor(&[], |_| 3.0)];
        let dx = crate::ops::testing::evaluate(&graph, &feed, &[dx]).unwrap();
        assert_eq!(elements(&dx[0]), [0.0, 1.5, 1.5, 0.0]);
    }

    #[test]
    fn bad_inputs_are_named() {
        let x = TensorType::new(DType::F32, [2, 3]);
        for axes in [&[2][..], &[0, 0]] {
            let error = op(Kind::Sum, axes, false).output_types(&[&x]).unwrap_err().to_string();
            assert!(error.contains(&format!("axes={axes:?}")), "{error}");
        }
        let empty = TensorType::new(DType::F32, [0, 3]);
        assert!(op(Kind::Max, &[0], false).output_types(&[&empty]).is_err());
        assert!(op(Kind::Max, &[1], false).output_types(&[&empty]).is_ok());
        let ints = TensorType::new(DType::I32, [2]);
        assert!(op(Kind::Mean, &[0], false).output_types(&[&ints]).is_err());
    }
}
