//! Every op, one family a file.

pub mod check;
pub mod matmul;
pub mod reduce;
pub mod registry;
pub mod shape;
#[cfg(test)]
pub mod testing;
