//! Transposition.

use std::sync::Arc;

use super::{copy_view, transpose};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::copy::Strided;
use crate::ops::check::{expect_axes, expect_inputs};
use crate::tensor::TensorType;

/// x → y whose axis `n` is axis `axes[n]` of x.
#[derive(Debug)]
pub(super) struct Transpose {
    pub axes: Vec<usize>,
}
attributes!(Transpose { axes });

impl Transpose {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axes(self, &self.axes, x)?;
        if self.axes.len() != x.rank() {
            return Err(Error::Shape(format!(
                "transpose expects each axis of its input once. Received: axes={:?}, input shape={:?}",
                self.axes, x.shape
            )));
        }
        let shape: Vec<usize> = self.axes.iter().map(|&axis| x.shape[axis]).collect();
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let mut inverse = vec![0; self.axes.len()];
        for (place, &axis) in self.axes.iter().enumerate() {
            inverse[axis] = place;
        }
        Ok(vec![Some(transpose(graph, node.doutput(), &inverse)?)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let shape = call.inputs[0].shape();
        let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>() as isize;
        let view = Strided::new(0, self.axes.iter().map(|&axis| (shape[axis], stride(axis))));
        copy_view(call, &view);
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{array, iota, run1};
    use super::*;
    use crate::ops::testing::{check_gradient, uniform};

    fn shape_and_axes(size: impl Strategy<Value = usize>) -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
        prop::collection::vec(size, 0..5).prop_flat_map(|shape| {
            let axes: Vec<usize> = (0..shape.len()).collect();
            (Just(shape), Just(axes).prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn transpose_agrees_with_ndarray((shape, axes) in shape_and_axes(prop_oneof![0..5usize, 15..35usize])) {
            prop_assume!(shape.iter().product::<usize>() < 100_000);
            let x = iota(&shape);
            let y = run1(Transpose { axes: axes.clone() }, std::slice::from_ref(&x));
            prop_assert_eq!(array(&y), array(&x).permuted_axes(axes).as_standard_layout().into_owned());
        }

        #[test]
        fn transpose_gradient((shape, axes) in shape_and_axes(1..4usize)) {
            check_gradient(&(Arc::new(Transpose { axes }) as OpRef), &[uniform(&shape, 3, -1.0, 1.0)]);
        }
    }
}
