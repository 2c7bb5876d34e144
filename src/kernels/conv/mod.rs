//! 2-D convolution over NHWC tensors, and its gradients by input and by kernel.

mod correlate;
mod depthwise;
mod filter;
mod geometry;
mod parts;
pub mod reference;
mod runs;
mod tile;

pub use geometry::{Geometry, Window};
pub use parts::Parts;

use correlate::{Correlation, Direction};

use crate::graph::Epilogue;
use crate::kernels::parallel::elements_of;
use crate::kernels::simd::{Vectorized, isa};

/// y (B, OH, OW, O) from x (B, H, W, C) and kernel (KH, KW, C/groups, O).
pub fn forward<T: Vectorized>(
    g: &Geometry,
    x: &[T],
    kernel: &[T],
    y: &mut [T],
    epilogue: Option<Epilogue<'_>>,
    workspace: &mut [u8],
) {
    let correlation = Correlation::new(g, Direction::Forward);
    correlation.run(isa(), x, kernel, y, epilogue, elements_of(workspace));
}

/// dx (B, H, W, C) from dy (B, OH, OW, O) and kernel (KH, KW, C/groups, O).
pub fn backward_input<T: Vectorized>(
    g: &Geometry,
    dy: &[T],
    kernel: &[T],
    dx: &mut [T],
    epilogue: Option<Epilogue<'_>>,
    workspace: &mut [u8],
) {
    let correlation = Correlation::new(g, Direction::Backward);
    correlation.run(isa(), dy, kernel, dx, epilogue, elements_of(workspace));
}

/// dkernel (KH, KW, C/groups, O) from x (B, H, W, C) and dy (B, OH, OW, O).
pub fn backward_filter<T: Vectorized>(
    g: &Geometry,
    x: &[T],
    dy: &[T],
    dkernel: &mut [T],
    epilogue: Option<Epilogue<'_>>,
    workspace: &mut [u8],
) {
    filter::Plan::new(g).run(isa(), x, dy, dkernel, epilogue, elements_of(workspace));
}

/// Bytes of workspace that [`forward`] needs.
pub fn forward_workspace<T: Vectorized>(g: &Geometry) -> usize {
    Correlation::new(g, Direction::Forward).workspace::<T>()
}

/// Bytes of workspace that [`backward_input`] needs.
pub fn backward_input_workspace<T: Vectorized>(g: &Geometry) -> usize {
    Correlation::new(g, Direction::Backward).workspace::<T>()
}

/// Bytes of workspace that [`backward_filter`] needs.
pub fn backward_filter_workspace<T: Vectorized>(g: &Geometry) -> usize {
    filter::Plan::new(g).workspace_len() * size_of::<T>()
}

#[cfg(test)]
mod tests;
