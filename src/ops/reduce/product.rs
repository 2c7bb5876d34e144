//! The product.

use super::reduction::{Reduced, Reduction};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::kernels::number::Number;
use crate::kernels::reduce as kernel;
use crate::ops::check::NUMBERS;
use crate::ops::cumulative::exclusive_cumprod;
use crate::ops::elementwise::multiply;
use crate::ops::shape::{reshape, transpose};
use crate::tensor::DType;

#[derive(Debug)]
pub struct Product;

impl Reduction for Product {
    const NAME: &'static str = "reduce_prod";
    const DTYPES: &'static [DType] = NUMBERS;
    type Fold<T: Number> = kernel::Product;

    fn gradient(reduced: &Reduced<'_>, graph: &mut Graph) -> Result<Value> {
        let others = product_of_others(graph, reduced.x, reduced.axes)?;
        multiply(graph, others, reduced.dy)
    }
}

/// For each element of x the product of the others along `axes`, without a division, which zeros would spoil.
fn product_of_others(graph: &mut Graph, x: Value, axes: &[usize]) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let mut order: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
    let kept = order.len();
    order.extend(axes);
    let ordered: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let rows = [ordered[..kept].iter().product(), ordered[kept..].iter().product()];

    let x = transpose(graph, x, &order)?;
    let x = reshape(graph, x, &rows)?;
    let before = exclusive_cumprod(graph, x, 1, false)?;
    let after = exclusive_cumprod(graph, x, 1, true)?;
    let others = multiply(graph, before, after)?;
    let others = reshape(graph, others, &ordered)?;
    let mut inverse = vec![0; order.len()];
    for (place, &axis) in order.iter().enumerate() {
        inverse[axis] = place;
    }
    transpose(graph, others, &inverse)
}
