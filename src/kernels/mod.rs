//! The mathematics, over slices and ndarray views: no graph, no Python, no allocation inside a step.

pub mod arg;
pub mod conv;
pub mod copy;
pub mod cumulative;
pub mod elementwise;
pub mod gemm;
pub mod number;
pub mod parallel;
pub mod pool;
mod real;
pub mod recurrent;
pub mod reduce;
pub mod simd;
pub mod softmax;

pub use real::Real;
