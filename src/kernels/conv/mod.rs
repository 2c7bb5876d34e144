//! 2-D convolution over NHWC tensors, and its gradients by input and by kernel.

mod geometry;
pub mod reference;

pub use geometry::{Geometry, Window};

use crate::graph::Epilogue;
use crate::kernels::Real;

/// y (B, OH, OW, O) from x (B, H, W, C) and kernel (KH, KW, C/groups, O).
pub fn forward<T: Real>(
    g: &Geometry,
    x: &[T],
    kernel: &[T],
    y: &mut [T],
    epilogue: Option<Epilogue<'_>>,
    workspace: &mut [u8],
) {
    let _ = workspace;
    reference::forward(g, x, kernel, y);
    finish(epilogue, g.output_pixels(), g.filters);
}

/// dx (B, H, W, C) from dy (B, OH, OW, O) and kernel (KH, KW, C/groups, O).
pub fn backward_input<T: Real>(
    g: &Geometry,
    dy: &[T],
    kernel: &[T],
    dx: &mut [T],
    epilogue: Option<Epilogue<'_>>,
    workspace: &mut [u8],
) {
    let _ = workspace;
    reference::backward_input(g, dy, kernel, dx);
    finish(epilogue, g.input_pixels(), g.channels);
}

/// dkernel (KH, KW, C/groups, O) from x (B, H, W, C) and dy (B, OH, OW, O).
pub fn backward_filter<T: Real>(
    g: &Geometry,
    x: &[T],
    dy: &[T],
    dkernel: &mut [T],
    epilogue: Option<Epilogue<'_>>,
    workspace: &mut [u8],
) {
    let _ = workspace;
    reference::backward_filter(g, x, dy, dkernel);
    finish(epilogue, g.taps() * g.channels_per_group(), g.filters);
}

/// Bytes of workspace that [`forward`] needs.
pub fn forward_workspace<T: Real>(g: &Geometry) -> usize {
    let _ = g;
    0
}

/// Bytes of workspace that [`backward_input`] needs.
pub fn backward_input_workspace<T: Real>(g: &Geometry) -> usize {
    let _ = g;
    0
}

/// Bytes of workspace that [`backward_filter`] needs.
pub fn backward_filter_workspace<T: Real>(g: &Geometry) -> usize {
    let _ = g;
    0
}

fn finish(epilogue: Option<Epilogue<'_>>, rows: usize, columns: usize) {
    if let Some(epilogue) = epilogue {
        epilogue(0..rows, 0..columns);
    }
}
