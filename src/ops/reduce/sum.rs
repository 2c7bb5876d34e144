//! The sum.

use super::reduction::{Reduced, Reduction};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::kernels::number::Number;
use crate::kernels::reduce as kernel;
use crate::ops::check::NUMBERS;
use crate::ops::shape::broadcast_to;
use crate::tensor::DType;

#[derive(Debug)]
pub struct Sum;

impl Reduction for Sum {
    const NAME: &'static str = "reduce_sum";
    const DTYPES: &'static [DType] = NUMBERS;
    type Fold<T: Number> = kernel::Sum;

    fn gradient(reduced: &Reduced<'_>, graph: &mut Graph) -> Result<Value> {
        broadcast_to(graph, reduced.dy, &reduced.shape)
    }
}
