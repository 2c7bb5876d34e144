//! The positions of the largest and smallest elements.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Op, OpRef, attributes};
use crate::kernels::arg::arg_best;
use crate::ops::check::{expect_axis, expect_inputs};
use crate::ops::rows::length_and_inner;
use crate::tensor::{DType, TensorType};
use crate::with_dtype;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Best {
    Largest,
    Smallest,
}

/// x (…, n, …) → position int32 (…, …) along `axis`, which is dropped: the first of equals, and the first NaN.
#[derive(Debug)]
pub(super) struct Arg {
    best: Best,
    axis: usize,
}
attributes!(Arg { axis } with best: Best);

impl Arg {
    pub fn build(best: Best, attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes, best)?))
    }
}

impl Op for Arg {
    fn name(&self) -> &'static str {
        match self.best {
            Best::Largest => "argmax",
            Best::Smallest => "argmin",
        }
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axis(self, self.axis, x)?;
        let mut shape = x.shape.clone();
        if shape.remove(self.axis) == 0 {
            return Err(Error::Shape(format!(
                "{} expects one element or more along its axis. Received: axis={}, input shape={:?}",
                self.name(),
                self.axis,
                x.shape
            )));
        }
        Ok(vec![TensorType::new(DType::I32, shape)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (length, inner) = length_and_inner(call.inputs[0].shape(), self.axis);
        with_dtype!(call.inputs[0].dtype(), T => {
            let x = call.input::<T>(0);
            let positions = call.output::<i32>(0);
            match self.best {
                Best::Largest => arg_best::<T, true>(positions, x, length, inner),
                Best::Smallest => arg_best::<T, false>(positions, x, length, inner),
            }
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        inputs[0].size() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{elements, ints, run, tensor};

    fn positions(best: Best, axis: usize, x: &crate::tensor::Tensor) -> Vec<f64> {
        let op: OpRef = Arc::new(Arg { best, axis });
        elements(&run(&op, std::slice::from_ref(x)).unwrap()[0])
    }

    #[test]
    fn the_first_of_equals_wins() {
        let x = ints(&[2, 3], &[5, 7, 7, 1, 1, 0]);
        assert_eq!(positions(Best::Largest, 1, &x), [1.0, 0.0]);
        assert_eq!(positions(Best::Smallest, 1, &x), [0.0, 2.0]);
        assert_eq!(positions(Best::Largest, 0, &x), [0.0, 0.0, 0.0]);
        assert_eq!(positions(Best::Smallest, 0, &x), [1.0, 1.0, 1.0]);
    }

    #[test]
    fn the_first_nan_wins() {
        let x = tensor(&[4], |index| [1.0, f64::NAN, 9.0, f64::NAN][index]);
        assert_eq!(positions(Best::Largest, 0, &x), [1.0]);
        assert_eq!(positions(Best::Smallest, 0, &x), [1.0]);
    }

    #[test]
    fn nothing_has_no_largest_element() {
        let x = TensorType::new(DType::F32, [2, 0]);
        assert!(Arg { best: Best::Largest, axis: 1 }.output_types(&[&x]).is_err());
        assert!(Arg { best: Best::Largest, axis: 2 }.output_types(&[&x]).is_err());
    }
}
