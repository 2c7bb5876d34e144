//! Maximum and average pooling over NHWC tensors; padding never takes part.

mod average;
mod max;
pub mod reference;
mod windows;

pub use average::{backward as average_backward, forward as average_forward};
pub use max::{backward as max_backward, forward as max_forward, select as max_select};
pub use windows::Pooling;

#[cfg(test)]
mod tests;
