//! What the forward pass of a layer reads and writes, and what it costs.

use super::{Options, Sizes};

/// What the layer reads.
#[derive(Clone, Copy)]
pub struct Forward<'a, T> {
    pub sizes: Sizes,
    pub options: Options<'a>,
    pub projection: Projection<'a, T>,
    /// (H, gates·H)
    pub recurrent_kernel: &'a [T],
    /// (gates·H): the bias of x·kernel.
    pub bias: &'a [T],
    /// (B, H)
    pub h0: &'a [T],
    /// (B, H), or empty where the cell has no carry.
    pub c0: &'a [T],
}

/// Where x·kernel comes from.
#[derive(Debug, Clone, Copy)]
pub enum Projection<'a, T> {
    /// x (B, T, I), kernel (I, gates·H)
    Product { x: &'a [T], kernel: &'a [T] },
    /// Rows of table (V, gates·H), those that ids (B, T) names, all of them in 0..V. I is 0.
    Rows { table: &'a [T], ids: &'a [i32] },
}

/// What the layer writes.
pub struct Outputs<'a, T> {
    /// (B, T, H): h after each step.
    pub sequence: &'a mut [T],
    /// (B, H)
    pub last_h: &'a mut [T],
    /// (B, H), or empty.
    pub last_c: &'a mut [T],
    /// What the backward pass needs, unless only the results are wanted.
    pub training: Option<Training<'a, T>>,
}

/// What the forward pass leaves for the backward pass.
pub struct Training<'a, T> {
    /// (B·T, gates·H)
    pub gates: &'a mut [T],
    /// (B·T, saved·H)
    pub saved: &'a mut [T],
}

/// The cost of the work on one thread, at some 40 floating-point operations a nanosecond.
pub fn nanoseconds(flops: usize) -> u64 {
    flops as u64 / 40
}
