//! Concatenation.

use std::sync::Arc;

use super::slice_axis;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::copy::{Strided, copy_into_strided};
use crate::ops::check::expect_axis;
use crate::tensor::TensorType;
use crate::with_dtype;

/// One or more tensors of equal shapes but for `axis` → the one after the other along `axis`.
#[derive(Debug)]
pub(super) struct Concatenate {
    pub axis: usize,
}
attributes!(Concatenate { axis });

impl Concatenate {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [first, ..] = inputs else {
            return Err(Error::Shape("concatenate expects one input or more. Received: no inputs".into()));
        };
        expect_axis(self, self.axis, first)?;
        let fits = |x: &TensorType| {
            x.dtype == first.dtype
                && x.rank() == first.rank()
                && (0..x.rank()).all(|axis| axis == self.axis || x.shape[axis] == first.shape[axis])
        };
        if !inputs.iter().all(|x| fits(x)) {
            let types: Vec<String> = inputs.iter().map(ToString::to_string).collect();
            return Err(Error::Shape(format!(
                "concatenate expects inputs of one dtype and of equal shapes but for axis {}. Received: {}",
                self.axis,
                types.join(", ")
            )));
        }
        let mut shape = first.shape.clone();
        shape[self.axis] = inputs.iter().map(|x| x.shape[self.axis]).sum();
        Ok(vec![TensorType::new(first.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let mut start = 0;
        let mut dinputs = Vec::new();
        for (&input, &wanted) in node.inputs.iter().zip(node.wanted) {
            let stop = start + graph.shape(input)[self.axis];
            dinputs.push(match wanted {
                true => Some(slice_axis(graph, node.doutput(), self.axis, start, stop)?),
                false => None,
            });
            start = stop;
        }
        Ok(dinputs)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let rows: usize = call.outputs[0].shape()[..self.axis].iter().product();
        let inner: usize = call.outputs[0].shape()[self.axis..].iter().product();
        let mut offset = 0;
        for input in call.inputs {
            let columns: usize = input.shape()[self.axis..].iter().product();
            let view = Strided::new(offset, [(rows, inner as isize), (columns, 1)].into_iter());
            with_dtype!(input.dtype(), T => {
                copy_into_strided(call.outputs[0].slice::<T>(), input.slice::<T>(), &view)
            });
            offset += columns as isize;
        }
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;
    use proptest::prelude::*;

    use super::super::testing::{array, run1};
    use super::*;
    use crate::ops::testing::{check_gradient, uniform};
    use crate::tensor::{DType, Tensor};

    fn inputs() -> impl Strategy<Value = (Vec<Tensor>, usize)> {
        prop::collection::vec(1..5usize, 1..4).prop_flat_map(|shape| {
            let rank = shape.len();
            (Just(shape), 0..rank, prop::collection::vec(0..4usize, 1..4)).prop_map(
                |(mut shape, axis, sizes)| {
                    let input = |(seed, &size): (usize, &usize)| {
                        shape[axis] = size;
                        uniform(&shape, seed as u64, -1.0, 1.0)
                    };
                    (sizes.iter().enumerate().map(input).collect(), axis)
                },
            )
        })
    }

    proptest! {
        #[test]
        fn concatenate_agrees_with_ndarray((inputs, axis) in inputs()) {
            let arrays: Vec<_> = inputs.iter().map(array).collect();
            let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
            let expected = ndarray::concatenate(Axis(axis), &views).unwrap();
            prop_assert_eq!(array(&run1(Concatenate { axis }, &inputs)), expected);
        }

        #[test]
        fn concatenate_gradient((inputs, axis) in inputs()) {
            check_gradient(&(Arc::new(Concatenate { axis }) as OpRef), &inputs);
        }
    }

    #[test]
    fn inputs_that_do_not_fit_are_listed() {
        let a = TensorType::new(DType::F32, [2, 3]);
        let b = TensorType::new(DType::F32, [3, 3]);
        let error = Concatenate { axis: 1 }.output_types(&[&a, &b]).unwrap_err().to_string();
        assert!(error.ends_with("float32[2, 3], float32[3, 3]"), "{error}");
        assert!(Concatenate { axis: 0 }.output_types(&[]).is_err());
    }
}
