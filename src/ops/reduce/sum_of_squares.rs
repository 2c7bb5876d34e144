//! The sum of the squares, in one pass: what norms and variances are made of.

use super::reduction::{Reduced, Reduction};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::kernels::number::Number;
use crate::kernels::reduce::{self as kernel, Fold};
use crate::ops::check::FLOATS;
use crate::ops::elementwise::{add, multiply};
use crate::tensor::DType;

#[derive(Debug)]
pub struct SumOfSquares;

impl<T: Number> Fold<T> for SumOfSquares {
    const IDENTITY: T = T::ZERO;

    #[inline(always)]
    fn element(x: T) -> T {
        x.multiply(x)
    }

    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        <kernel::Sum as Fold<T>>::combine(a, b)
    }
}

impl Reduction for SumOfSquares {
    const NAME: &'static str = "reduce_sum_of_squares";
    const DTYPES: &'static [DType] = FLOATS;
    type Fold<T: Number> = Self;

    // 2 · x · dy
    fn gradient(reduced: &Reduced<'_>, graph: &mut Graph) -> Result<Value> {
        let twice = add(graph, reduced.x, reduced.x)?;
        multiply(graph, twice, reduced.dy)
    }
}
