//! Every op, one family a file.

pub mod check;
pub mod conv;
pub mod cumulative;
pub mod elementwise;
mod entry;
pub mod gather;
mod integer_matmul;
pub mod matmul;
mod normalize;
pub mod pool;
mod random;
mod range;
pub mod recurrent;
pub mod reduce;
pub mod registry;
mod rows;
pub mod shape;
mod softmax;
mod sort;
mod svd;
#[cfg(test)]
pub mod testing;
mod window;
