//! An instruction sequence: a list of elementwise instructions that run as one loop over tiles that stay in the L1 cache.

use super::{FusedKernel, Instruction, compiled};
use crate::error::Result;
use crate::kernels::simd;
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

/// A value of an instruction sequence. Registers `0..operands.len()` hold the operands.
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

/// What to compute. [`InstructionSequence::compile`] turns it into something that runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InstructionSequence {
    pub operands: Vec<Operand>,
    /// In order: a step reads only operands and outputs of earlier steps.
    pub steps: Vec<Step>,
    /// The registers that are written to memory, each with `Access::Full`.
    pub outputs: Vec<Register>,
}

impl InstructionSequence {
    /// Checks the instruction sequence and chooses its kernels, tiles and scratch memory, once for all runs.
    ///
    /// Fails where a step has no kernel for the dtypes of its inputs, where a register is read before it is written,
    /// or where the instruction sequence does not [fit](InstructionSequence::fits): all defects of the caller.
    pub fn compile(&self) -> Result<FusedKernel> {
        FusedKernel::new(self, simd::isa())
    }

    /// Whether there is scratch memory for what is alive at once; always so for a single step.
    pub fn fits(&self) -> bool {
        // Most instruction sequences are so small that nothing need be laid out to know.
        compiled::surely_fit(self.operands.len() + self.steps.len() + self.outputs.len())
            || self.compile().is_ok()
    }
}
