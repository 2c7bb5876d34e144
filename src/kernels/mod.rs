//! The mathematics, over slices and ndarray views: no graph, no Python, no allocation inside a step.

pub mod elementwise;
pub mod gemm;
mod real;
pub mod simd;

pub use real::Real;
