//! Checks that the shape rules of many ops share.

use crate::error::{Error, Result};
use crate::graph::Op;
use crate::kernels::copy::MAX_RANK;
use crate::tensor::{DType, TensorType};

/// The inputs as an array of the number that `op` expects.
pub fn expect_inputs<'a, const N: usize>(
    op: &dyn Op,
    inputs: &[&'a TensorType],
) -> Result<[&'a TensorType; N]> {
    inputs.try_into().map_err(|_| {
        let plural = if N == 1 { "" } else { "s" };
        Error::Shape(format!("{} expects {N} input{plural}. Received: {} inputs", op.name(), inputs.len()))
    })
}

pub fn expect_rank(op: &dyn Op, rank: usize) -> Result<()> {
    if rank <= MAX_RANK {
        return Ok(());
    }
    Err(Error::Shape(format!("{} expects at most {MAX_RANK} axes. Received: rank={rank}", op.name())))
}

/// Fails where `axis` is not an axis of `x`.
pub fn expect_axis(op: &dyn Op, axis: usize, x: &TensorType) -> Result<()> {
    if axis < x.rank() {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "{} expects an axis below the input's rank of {}. Received: axis={axis}, input shape={:?}",
        op.name(),
        x.rank(),
        x.shape
    )))
}

/// Fails where `axes` are not distinct axes of `x`.
pub fn expect_axes(op: &dyn Op, axes: &[usize], x: &TensorType) -> Result<()> {
    expect_rank(op, x.rank())?;
    let distinct = axes.iter().enumerate().all(|(place, axis)| !axes[..place].contains(axis));
    if distinct && axes.iter().all(|&axis| axis < x.rank()) {
        return Ok(());
    }
    Err(Error::Shape(format!(
        "{} expects distinct axes below the input's rank of {}. Received: axes={axes:?}, input shape={:?}",
        op.name(),
        x.rank(),
        x.shape
    )))
}

/// Fails where `x` is not of one of the dtypes.
pub fn expect_dtype(op: &dyn Op, name: &str, x: &TensorType, dtypes: &[DType]) -> Result<()> {
    if dtypes.contains(&x.dtype) {
        return Ok(());
    }
    let names: Vec<&str> = dtypes.iter().map(|dtype| dtype.name()).collect();
    Err(Error::Shape(format!(
        "{} expects {name} of dtype {}. Received: {name} of dtype {}",
        op.name(),
        names.join(" or "),
        x.dtype.name()
    )))
}

pub const FLOATS: &[DType] = &[DType::F32, DType::F64];
pub const NUMBERS: &[DType] = &[DType::F32, DType::F64, DType::I32];
pub const ANY: &[DType] = &[DType::F32, DType::F64, DType::I32, DType::Bool];
