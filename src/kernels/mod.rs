//! The mathematics, over slices and ndarray views: no graph, no Python, no allocation inside a step.

pub mod copy;
pub mod elementwise;
pub mod gemm;
pub mod number;
pub mod parallel;
mod real;
pub mod reduce;
pub mod simd;

pub use real::Real;
