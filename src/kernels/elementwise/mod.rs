//! Elementwise arithmetic: single instructions, and tapes of them that run as one loop over cache-sized tiles.

mod instruction;
#[cfg(test)]
pub mod reference;
mod tape;

pub use instruction::{BinaryOp, CompareOp, Instruction, LogicalOp, UnaryOp};
pub use tape::{Access, Operand, Register, Step, Tape};
