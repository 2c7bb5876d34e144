//! Ops that move elements without arithmetic.

use std::sync::Arc;

use super::check::{expect_inputs, expect_rank};
use super::reduce::sum_to;
use super::registry::Entry;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::copy::{Strided, copy_strided, row_major_strides};
use crate::tensor::TensorType;
use crate::with_dtype;

pub const OPS: &[Entry] = &[
    Entry { name: "reshape", build: Reshape::build },
    Entry { name: "broadcast_to", build: BroadcastTo::build },
];

/// The same elements, row-major, under another shape of the same size.
pub fn reshape(graph: &mut Graph, value: Value, shape: &[usize]) -> Result<Value> {
    if graph.shape(value) == shape {
        return Ok(value);
    }
    graph.apply1(Arc::new(Reshape { shape: shape.to_vec() }), &[value])
}

/// `value` repeated along new leading axes and axes of size 1, as NumPy broadcasts.
pub fn broadcast_to(graph: &mut Graph, value: Value, shape: &[usize]) -> Result<Value> {
    if graph.shape(value) == shape {
        return Ok(value);
    }
    graph.apply1(Arc::new(BroadcastTo { shape: shape.to_vec() }), &[value])
}

/// x (…) → x (shape), the same elements in row-major order.
#[derive(Debug)]
struct Reshape {
    shape: Vec<usize>,
}

impl Reshape {
    fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["shape"])?;
        Ok(Arc::new(Self { shape: attributes.sizes("shape")? }))
    }
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        let output = TensorType::new(x.dtype, &*self.shape).checked()?;
        if output.size() != x.size() {
            return Err(Error::Shape(format!(
                "reshape expects a shape of {} elements, as many as its input has. Received: input shape={:?}, shape={:?}",
                x.size(),
                x.shape,
                self.shape
            )));
        }
        Ok(vec![output])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]).to_vec();
        Ok(vec![Some(reshape(graph, node.doutput(), &shape)?)])
    }

    fn is_view(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        copy_all(call);
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

/// What a view does where its memory cannot be shared.
fn copy_all(call: &mut Call<'_>) {
    with_dtype!(call.inputs[0].dtype(), T => call.outputs[0].slice::<T>().copy_from_slice(call.inputs[0].slice()));
}

/// x → x repeated along new leading axes and axes of size 1.
#[derive(Debug)]
struct BroadcastTo {
    shape: Vec<usize>,
}

impl BroadcastTo {
    fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["shape"])?;
        Ok(Arc::new(Self { shape: attributes.sizes("shape")? }))
    }
}

impl Op for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
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

/// Output 0 = the elements of `view` over input 0.
fn copy_view(call: &mut Call<'_>, view: &Strided) {
    with_dtype!(call.inputs[0].dtype(), T => {
        copy_strided(call.outputs[0].slice::<T>(), call.inputs[0].slice::<T>(), view)
    });
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{bools, check_gradient, elements, ints, run, tensor, uniform};
    use crate::tensor::Tensor;

    fn iota(shape: &[usize]) -> Tensor {
        tensor(shape, |index| index as f64)
    }

    fn array(tensor: &Tensor) -> ArrayD<f64> {
        ArrayD::from_shape_vec(IxDyn(tensor.shape()), elements(tensor)).unwrap()
    }

    fn run1(op: impl Op + 'static, input: &Tensor) -> Tensor {
        run(&(Arc::new(op) as OpRef), std::slice::from_ref(input)).unwrap().remove(0)
    }

    #[test]
    fn reshape_keeps_the_elements() {
        let y = run1(Reshape { shape: vec![3, 2] }, &iota(&[2, 3]));
        assert_eq!(y.shape(), [3, 2]);
        assert_eq!(elements(&y), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        check_gradient(&(Arc::new(Reshape { shape: vec![6, 1] }) as OpRef), &[iota(&[2, 3])]);
    }

    #[test]
    fn reshape_names_both_shapes_where_sizes_differ() {
        let x = TensorType::new(crate::tensor::DType::F32, [2, 3]);
        let error = Reshape { shape: vec![4] }.output_types(&[&x]).unwrap_err().to_string();
        assert!(error.contains("[2, 3]") && error.ends_with("shape=[4]"), "{error}");
    }

    #[test]
    fn broadcast_repeats_every_dtype() {
        let shape = || BroadcastTo { shape: vec![2, 3] };
        assert_eq!(elements(&run1(shape(), &ints(&[1, 3], &[1, 2, 3]))), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_eq!(elements(&run1(shape(), &bools(&[2, 1], &[true, false]))), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        let wide = TensorType::new(crate::tensor::DType::F32, [2, 3, 4]);
        assert!(shape().output_types(&[&wide]).is_err());
    }

    /// A shape, and one that broadcasts to it.
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
            let y = run1(BroadcastTo { shape: to.clone() }, &x);
            prop_assert_eq!(array(&y), array(&x).broadcast(IxDyn(&to)).unwrap().into_owned());
        }

        #[test]
        fn broadcast_gradient((from, to) in broadcastable()) {
            check_gradient(&(Arc::new(BroadcastTo { shape: to }) as OpRef), &[uniform(&from, 3, -1.0, 1.0)]);
        }
    }
}
