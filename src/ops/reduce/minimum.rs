//! The smallest number; of bools, whether all of them is true.

use super::extreme;
use super::reduction::{Reduced, Reduction};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::kernels::number::Number;
use crate::kernels::reduce::Fold;
use crate::ops::check::ANY;
use crate::tensor::DType;

#[derive(Debug)]
pub struct Minimum;

/// NaN where any number is NaN.
impl<T: Number> Fold<T> for Minimum {
    const IDENTITY: T = T::HIGHEST;

    #[inline(always)]
    #[allow(clippy::eq_op)] // x != x is the test for NaN
    fn combine(a: T, b: T) -> T {
        if b < a || b != b { b } else { a }
    }
}

impl Reduction for Minimum {
    const NAME: &'static str = "reduce_min";
    const DTYPES: &'static [DType] = ANY;
    const NEEDS_ELEMENT: bool = true;
    type Fold<T: Number> = Self;

    fn gradient(reduced: &Reduced<'_>, graph: &mut Graph) -> Result<Value> {
        extreme::gradient(reduced, graph)
    }
}
