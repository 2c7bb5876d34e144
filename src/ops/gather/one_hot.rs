//! One-hot encoding.

use std::sync::Arc;

use super::expect_indices;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::gather::one_hot;
use crate::ops::check::expect_inputs;
use crate::tensor::{DType, TensorType};
use crate::with_dtype;

/// indices int32 (…) → y (…, depth): 1 at the index, 0 elsewhere, and zeros alone where the index is not in 0..depth.
#[derive(Debug)]
pub(super) struct OneHot {
    depth: usize,
    dtype: DType,
}
attributes!(OneHot { depth, dtype });

impl OneHot {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        let op = Self::from_attributes(attributes)?;
        if op.depth == 0 {
            return Err(Error::Configuration("expected a depth of 1 or more. Received: depth=0".into()));
        }
        Ok(Arc::new(op))
    }
}

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [indices] = expect_inputs(self, inputs)?;
        expect_indices(self, indices)?;
        let mut shape = indices.shape.clone();
        shape.push(self.depth);
        Ok(vec![TensorType::new(self.dtype, shape)])
    }

    fn gradient(&self, _: &Differentiated<'_>, _: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let indices = call.input::<i32>(0);
        with_dtype!(self.dtype, T => one_hot(call.output::<T>(0), indices, self.depth));
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{elements, ints, run};

    #[test]
    fn rows_have_a_one_or_none() {
        for dtype in [DType::F32, DType::F64, DType::I32, DType::Bool] {
            let op: OpRef = Arc::new(OneHot { depth: 3, dtype });
            let y = run(&op, &[ints(&[2, 2], &[2, 0, 3, -1])]).unwrap().remove(0);
            assert_eq!((y.dtype(), y.shape()), (dtype, &[2, 2, 3][..]));
            assert_eq!(elements(&y), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        }
    }
}
