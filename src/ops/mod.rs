//! Every op, one family a file.

pub mod check;
mod conv;
pub mod cumulative;
pub mod elementwise;
pub mod matmul;
mod pool;
mod recurrent;
pub mod reduce;
pub mod registry;
pub mod shape;
mod softmax;
#[cfg(test)]
pub mod testing;
mod window;
