//! A tape: a chain of elementwise instructions that runs as one loop over tiles that stay in the L1 cache.

use std::ops::Range;

use super::Instruction;
use crate::tensor::DType;

/// Which element of an operand belongs to flat element `i` of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Element `i`.
    Full,
    /// Element 0.
    Scalar,
    /// Element `i % period`: an operand broadcast along leading axes (a bias).
    Row { period: usize },
    /// Element `i / repeat`: an operand broadcast along trailing axes (a per-row factor).
    Column { repeat: usize },
}

/// An operand read from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operand {
    pub dtype: DType,
    pub access: Access,
}

/// A tile in scratch memory. Registers `0..operands.len()` hold the operands.
pub type Register = u16;

#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub instruction: Instruction,
    /// One to three registers.
    pub inputs: Vec<Register>,
    pub output: Register,
    /// The dtype of `output`.
    pub dtype: DType,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tape {
    pub operands: Vec<Operand>,
    /// In order: a step reads only operands and outputs of earlier steps.
    pub steps: Vec<Step>,
    /// The registers that are written to memory, each with `Access::Full`.
    pub outputs: Vec<Register>,
}

impl Tape {
    /// Computes the elements `range` of every output.
    ///
    /// # Safety
    /// `inputs` and `outputs` point to memory of the operands' and outputs' dtypes that is large enough for `range`; an
    /// output may be the same memory as a `Full` operand, else outputs overlap nothing; no other thread writes the
    /// elements read or touches the elements written.
    pub unsafe fn run(&self, inputs: &[*const u8], outputs: &[*mut u8], range: Range<usize>) {
        let _ = (inputs, outputs, range);
        unimplemented!()
    }
}
