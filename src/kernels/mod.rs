//! The mathematics, over slices and ndarray views: no graph, no Python, no allocation inside a step.

pub mod arg;
pub mod conv;
pub mod copy;
pub mod cumulative;
pub mod elementwise;
mod epilogue;
pub mod gather;
pub mod gemm;
pub mod integer_product;
mod lanes;
pub mod normalize;
pub mod number;
pub mod parallel;
pub mod peak;
pub mod pool;
pub mod prefetch;
pub mod random;
mod real;
pub mod recurrent;
pub mod reduce;
pub mod simd;
pub mod softmax;
pub mod sort;
pub mod sparse;
pub mod svd;
mod transpose;
mod transposed_rows;

pub use epilogue::Epilogue;
pub use real::Real;
pub use transpose::Transpose;
