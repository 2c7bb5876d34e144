//! The mean.

use super::reduction::{Reduced, Reduction};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::kernels::number::Number;
use crate::kernels::{Real, reduce as kernel};
use crate::ops::check::FLOATS;
use crate::ops::elementwise::{divide, scalar_like};
use crate::ops::shape::broadcast_to;
use crate::tensor::DType;

#[derive(Debug)]
pub struct Mean;

impl Reduction for Mean {
    const NAME: &'static str = "reduce_mean";
    const DTYPES: &'static [DType] = FLOATS;
    type Fold<T: Number> = kernel::Sum;

    fn finish<T: Real>(totals: &mut [T], count: usize) {
        let count = T::from_usize(count);
        totals.iter_mut().for_each(|sum| *sum = *sum / count);
    }

    fn gradient(reduced: &Reduced<'_>, graph: &mut Graph) -> Result<Value> {
        let count = scalar_like(graph, reduced.dy, reduced.count() as f64);
        let share = divide(graph, reduced.dy, count)?;
        broadcast_to(graph, share, &reduced.shape)
    }
}
