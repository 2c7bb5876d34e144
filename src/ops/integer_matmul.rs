//! Matrix products of int32.

use std::sync::Arc;

use super::check::{expect_dtype, expect_inputs};
use super::entry::Entry;
use crate::error::{Error, Result};
use crate::graph::{Call, Op};
use crate::kernels::integer_product::multiply;
use crate::tensor::{DType, TensorType};

pub const OPS: &[Entry] = &[Entry {
    name: "integer_matmul",
    build: |attributes| {
        attributes.only(&[])?;
        Ok(Arc::new(IntegerMatMul))
    },
}];

/// y (…, M, N) = a (…, M, K) · b (…, K, N), all int32, the leading axes the same in both. Sums wrap around, as in NumPy.
#[derive(Debug)]
struct IntegerMatMul;

impl Op for IntegerMatMul {
    fn name(&self) -> &'static str {
        "integer_matmul"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [a, b] = expect_inputs(self, inputs)?;
        expect_dtype(self, "a", a, &[DType::I32])?;
        expect_dtype(self, "b", b, &[DType::I32])?;
        let ([.., m, k], [.., b_k, n]) = (&*a.shape, &*b.shape) else {
            return Err(Error::Shape(format!("expected matrices. Received: a={a}, b={b}")));
        };
        let stack = &a.shape[..a.rank() - 2];
        if k != b_k || stack != &b.shape[..b.rank() - 2] {
            return Err(Error::Shape(format!(
                "expected the last axis of a to equal the second last axis of b, and the same leading axes. \
                 Received: a={a}, b={b}"
            )));
        }
        Ok(vec![TensorType::new(DType::I32, [stack, &[*m, *n]].concat())])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let ([.., m, k], [.., n]) = (call.inputs[0].shape(), call.inputs[1].shape()) else {
            unreachable!("the shape rule expects matrices")
        };
        let (a, b) = (call.input::<i32>(0), call.input::<i32>(1));
        multiply(call.output::<i32>(0), a, b, (*m, *k, *n));
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        2 * (outputs[0].size() * inputs[0].shape[inputs[0].rank() - 1]) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::OpRef;
    use crate::ops::testing::{elements, ints, run};

    #[test]
    fn sums_wrap_around() {
        let op: OpRef = Arc::new(IntegerMatMul);
        let a = ints(&[2, 1, 2], &[100_000, 1, 2, 3]);
        let b = ints(&[2, 2, 2], &[100_000, 5, 0, -7, 1, 2, 3, 4]);
        let y = run(&op, &[a, b]).unwrap();
        assert_eq!(elements(&y[0]), [1_410_065_408.0, 499_993.0, 11.0, 16.0]);
        let y = run(&op, &[ints(&[2, 0], &[]), ints(&[0, 1], &[])]).unwrap();
        assert_eq!(elements(&y[0]), [0.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let ints = |shape: &[usize]| TensorType::new(DType::I32, shape);
        for (a, b) in [
            (ints(&[2, 3]), ints(&[2, 3])),
            (ints(&[3]), ints(&[3, 2])),
            (ints(&[2, 2, 3]), ints(&[3, 3, 2])),
            (TensorType::new(DType::F32, [2, 3]), ints(&[3, 2])),
        ] {
            assert!(IntegerMatMul.output_types(&[&a, &b]).is_err(), "{a} {b}");
        }
    }
}
