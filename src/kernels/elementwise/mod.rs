//! Elementwise arithmetic: single instructions, and tapes of them that run as one loop over cache-sized tiles.

mod arithmetic;
mod chain;
mod compiled;
mod draft;
mod instruction;
mod kernel;
pub mod math;
#[cfg(test)]
pub mod reference;
mod tape;
#[cfg(test)]
mod tests;

pub use compiled::{Addresses, CompiledTape};
pub use instruction::{BinaryOp, CompareOp, Instruction, LogicalOp, UnaryOp};
pub use tape::{Access, Operand, Register, Step, Tape};
