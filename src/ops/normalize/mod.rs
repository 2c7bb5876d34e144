//! Batch and layer normalisation.

mod batch;
mod layer;

use super::entry::Entry;
use crate::error::{Error, Result};
use crate::graph::Op;
use crate::ops::check::{FLOATS, expect_dtype};
use crate::tensor::TensorType;

pub const OPS: &[Entry] = &[
    Entry { name: "batch_normalize", build: batch::BatchNormalize::build },
    Entry { name: "layer_normalize", build: layer::LayerNormalize::build },
];

/// Checks x (…, C), gamma (C) and beta (C), and that there is something to average.
fn check_inputs(op: &dyn Op, x: &TensorType, gamma: &TensorType, beta: &TensorType) -> Result<()> {
    expect_dtype(op, "x", x, FLOATS)?;
    let of_columns =
        |ty: &TensorType| ty.dtype == x.dtype && ty.shape.len() == 1 && x.shape.last() == ty.shape.last();
    if x.size() > 0 && of_columns(gamma) && of_columns(beta) {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "{} expects x (…, C) of one element or more, gamma (C) and beta (C) of one dtype. Received: x={x}, gamma={gamma}, \
         beta={beta}",
        op.name()
    )))
}

/// Rows and columns of x (…, C).
fn rows_and_columns(x: &TensorType) -> (usize, usize) {
    let columns = *x.shape.last().expect("the shape rule refuses scalars");
    (x.size() / columns, columns)
}
