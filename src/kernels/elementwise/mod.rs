//! Elementwise arithmetic: single instructions, and instruction sequences of them that run as one loop over cache-sized tiles.

mod arithmetic;
mod chain;
mod compiled;
mod draft;
mod instruction;
mod kernel;
pub mod math;
#[cfg(test)]
pub mod reference;
mod sequence;
#[cfg(test)]
mod tests;

pub use compiled::{Addresses, FusedKernel};
pub use instruction::{BinaryOp, CompareOp, Instruction, LogicalOp, UnaryOp};
pub use sequence::{Access, InstructionSequence, Operand, Register, Step};
