//! Padding with a constant.

use std::sync::Arc;

use super::slice::Slice;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::copy::{Strided, copy_into_strided, fill};
use crate::ops::check::{expect_inputs, expect_rank};
use crate::tensor::{DType, TensorType};

/// x → x with `before` and `after` elements of `value` around it, one number an axis.
#[derive(Debug)]
pub(super) struct Pad {
    before: Vec<usize>,
    after: Vec<usize>,
    value: f64,
}
attributes!(listed Pad { before, after, value });

impl Pad {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["before", "after", "value"])?;
        Ok(Arc::new(Self {
            before: attributes.sizes("before")?,
            after: attributes.sizes("after")?,
            value: attributes.float("value")?,
        }))
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_rank(self, x.rank())?;
        let padded =
            |axis: usize| x.shape[axis].checked_add(self.before[axis])?.checked_add(self.after[axis]);
        let one_an_axis = self.before.len() == x.rank() && self.after.len() == x.rank();
        let shape: Option<Vec<usize>> = if one_an_axis { (0..x.rank()).map(padded).collect() } else { None };
        let shape = shape.ok_or_else(|| {
            Error::Shape(format!(
                "pad expects one size before and one after each axis. Received: before={:?}, after={:?}, \
                 input shape={:?}",
                self.before, self.after, x.shape
            ))
        })?;
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]);
        let starts: Vec<i64> = self.before.iter().map(|&size| size as i64).collect();
        let stops = starts.iter().zip(shape).map(|(start, &size)| start + size as i64).collect();
        let slice = Slice { starts, stops, steps: vec![1; shape.len()] };
        Ok(vec![Some(graph.apply1(Arc::new(slice), &[node.doutput()])?)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let from = call.inputs[0].shape();
        let to = call.outputs[0].shape();
        let stride = |axis: usize| to[axis + 1..].iter().product::<usize>() as isize;
        let offset = (0..to.len()).map(|axis| self.before[axis] as isize * stride(axis)).sum();
        let view = Strided::new(offset, (0..to.len()).map(|axis| (from[axis], stride(axis))));
        macro_rules! run {
            ($T:ty, $value:expr) => {{
                let output = call.outputs[0].slice::<$T>();
                fill(output, $value);
                copy_into_strided(output, call.inputs[0].slice::<$T>(), &view);
            }};
        }
        match call.inputs[0].dtype() {
            DType::F32 => run!(f32, self.value as f32),
            DType::F64 => run!(f64, self.value),
            DType::I32 => run!(i32, self.value as i32),
            DType::Bool => run!(u8, u8::from(self.value != 0.0)),
        }
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, Axis, IxDyn, Slice as NdSlice};
    use proptest::prelude::*;

    use super::super::testing::{array, iota, run1};
    use super::*;
    use crate::ops::testing::{bools, check_gradient, elements, uniform};

    fn case() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, Vec<usize>)> {
        prop::collection::vec((0..5usize, 0..3usize, 0..3usize), 0..4).prop_map(|axes| {
            let column = |pick: fn(&(usize, usize, usize)) -> usize| axes.iter().map(pick).collect();
            (column(|axis| axis.0), column(|axis| axis.1), column(|axis| axis.2))
        })
    }

    proptest! {
        #[test]
        fn pad_surrounds_its_input((shape, before, after) in case()) {
            let x = iota(&shape);
            let op = Pad { before: before.clone(), after: after.clone(), value: -1.5 };
            let y = run1(op, std::slice::from_ref(&x));
            let padded: Vec<usize> = (0..shape.len()).map(|axis| before[axis] + shape[axis] + after[axis]).collect();
            let mut expected = ArrayD::from_elem(IxDyn(&padded), -1.5);
            let mut inner = expected.view_mut();
            for axis in 0..shape.len() {
                let part = NdSlice::from(before[axis]..before[axis] + shape[axis]);
                inner.slice_axis_inplace(Axis(axis), part);
            }
            inner.assign(&array(&x));
            prop_assert_eq!(array(&y), expected);
        }

        #[test]
        fn pad_gradient((shape, before, after) in case()) {
            let op: OpRef = Arc::new(Pad { before, after, value: 2.0 });
            check_gradient(&op, &[uniform(&shape, 3, -1.0, 1.0)]);
        }
    }

    #[test]
    fn bools_pad_with_true_or_false() {
        let pad = |value| Pad { before: vec![1], after: vec![0], value };
        assert_eq!(elements(&run1(pad(1.0), &[bools(&[1], &[false])])), [1.0, 0.0]);
        assert_eq!(elements(&run1(pad(0.0), &[bools(&[1], &[true])])), [0.0, 1.0]);
    }

    #[test]
    fn sizes_that_do_not_fit_the_rank_are_refused() {
        let x = TensorType::new(DType::F32, [2, 3]);
        assert!(Pad { before: vec![1], after: vec![1, 1], value: 0.0 }.output_types(&[&x]).is_err());
    }
}
