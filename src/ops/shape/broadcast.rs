//! Broadcasting.

use std::sync::Arc;

use super::copy_view;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::copy::{Strided, row_major_strides};
use crate::ops::check::{expect_inputs, expect_rank};
use crate::ops::reduce::sum_to;
use crate::tensor::TensorType;

/// x → x repeated along new leading axes and axes of size 1.
#[derive(Debug)]
pub(super) struct BroadcastTo {
    pub shape: Vec<usize>,
}
attributes!(BroadcastTo { shape });

impl BroadcastTo {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_rank(self, self.shape.len())?;
        let fits = x.rank() <= self.shape.len()
            && x.shape.iter().rev().zip(self.shape.iter().rev()).all(|(&from, &to)| from == to || from == 1);
        if !fits {
            return Err(Error::Shape(format!(
                "broadcast_to expects a shape whose last axes are the input's, or any size where the input's is 1. \
                 Received: input shape={:?}, shape={:?}",
                x.shape, self.shape
            )));
        }
        Ok(vec![TensorType::new(x.dtype, &*self.shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]).to_vec();
        Ok(vec![Some(sum_to(graph, node.doutput(), &shape)?)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let from = call.inputs[0].shape();
        let added = self.shape.len() - from.len();
        let new_axes = self.shape[..added].iter().map(|&size| (size, 0));
        let own_axes = from
            .iter()
            .zip(row_major_strides(from))
            .zip(&self.shape[added..])
            .map(|((&from, stride), &to)| (to, if from == 1 { 0 } else { stride }));
        let view = Strided::new(0, new_axes.chain(own_axes));
        copy_view(call, &view);
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use ndarray::IxDyn;
    use proptest::prelude::*;

    use super::super::testing::{array, iota, run1};
    use super::*;
    use crate::ops::testing::{bools, check_gradient, elements, ints, uniform};

    #[test]
    fn broadcast_repeats_every_dtype() {
        let op = || BroadcastTo { shape: vec![2, 3] };
        assert_eq!(elements(&run1(op(), &[ints(&[1, 3], &[1, 2, 3])])), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        let y = run1(op(), &[bools(&[2, 1], &[true, false])]);
        assert_eq!(elements(&y), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        let wide = TensorType::new(crate::tensor::DType::F32, [2, 3, 4]);
        assert!(op().output_types(&[&wide]).is_err());
    }

    /// A shape, and one that it broadcasts to.
    fn broadcastable() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
        prop::collection::vec(0..5usize, 0..5).prop_flat_map(|to| {
            let rank = to.len();
            (0..=rank, prop::collection::vec(any::<bool>(), rank)).prop_map(move |(from_axis, ones)| {
                let from = (from_axis..rank).map(|axis| if ones[axis] { 1 } else { to[axis] }).collect();
                (from, to.clone())
            })
        })
    }

    proptest! {
        #[test]
        fn broadcast_agrees_with_ndarray((from, to) in broadcastable()) {
            let x = iota(&from);
            let y = run1(BroadcastTo { shape: to.clone() }, std::slice::from_ref(&x));
            prop_assert_eq!(array(&y), array(&x).broadcast(IxDyn(&to)).unwrap().into_owned());
        }

        #[test]
        fn broadcast_gradient((from, to) in broadcastable()) {
            check_gradient(&(Arc::new(BroadcastTo { shape: to }) as OpRef), &[uniform(&from, 3, -1.0, 1.0)]);
        }
    }
}
