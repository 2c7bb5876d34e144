//! What an op costs: the measure by which rules choose between two ways to compute the same.

use crate::error::Result;
use crate::graph::Op;
use crate::tensor::TensorType;

/// Operations that a core does while it moves one byte between its registers and the memory, roughly: some 40 a nanosecond,
/// against some 10 bytes.
const OPERATIONS_A_BYTE: u64 = 4;

/// An estimate of the time of one run, in operations: those of the op, and those that could be done while its inputs are
/// read and its outputs written. Views are free.
pub fn cost(op: &dyn Op, inputs: &[&TensorType]) -> Result<u64> {
    if op.is_view() {
        return Ok(0);
    }
    let outputs = op.output_types(inputs)?;
    let outputs: Vec<&TensorType> = outputs.iter().collect();
    let bytes: usize = inputs.iter().chain(&outputs).map(|ty| ty.bytes()).sum();
    Ok(op.flops(inputs, &outputs) + OPERATIONS_A_BYTE * bytes as u64)
}
