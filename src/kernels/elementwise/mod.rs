//! Elementwise arithmetic: instructions, and sequences of them that run as one loop over cache-sized tiles.
//!
//! What is here knows how a function of elements runs, on every instruction set, and has no list of functions:
//! `ops::elementwise` makes the instructions.

#[cfg(test)]
pub mod accuracy;
mod chain;
mod compiled;
mod draft;
mod function;
mod instruction;
mod kernel;
pub mod math;
mod power;
#[cfg(test)]
pub mod reference;
mod sequence;

pub use compiled::{Addresses, FusedKernel};
pub use function::{BinaryFunction, TernaryFunction, UnaryFunction};
pub use instruction::{Arithmetic, Form, Instruction, Meaning};
pub use kernel::{Kernel, LANES, Lane};
pub use power::Power;
pub use sequence::{Access, InstructionSequence, Operand, Register, Step};
