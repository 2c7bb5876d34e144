//! 2-D convolution over NHWC tensors, and its gradients by input and by kernel.

pub mod correlate;
mod depthwise;
pub mod filter;
mod geometry;
mod parts;
pub mod reference;
mod runs;
mod tile;
pub mod winograd;

pub use geometry::{Direction, Geometry, Window};
pub use parts::Parts;

use correlate::Correlation;

use crate::kernels::Epilogue;
use crate::kernels::parallel::elements_of;
use crate::kernels::simd::{Vectorized, isa};

/// y (B, OH, OW, O) from x (B, H, W, C) and kernel (KH, KW, C/groups, O).
pub fn forward<T: Vectorized>(
    g: &Geometry,
    x: &[T],
    kernel: &[T],
    y: &mut [T],
    epilogue: Option<&dyn Epilogue>,
    workspace: &mut [u8],
) {
    correlate(g, Direction::Forward, x, kernel, y, epilogue, workspace);
}

/// dx (B, H, W, C) from dy (B, OH, OW, O) and kernel (KH, KW, C/groups, O).
pub fn backward_input<T: Vectorized>(
    g: &Geometry,
    dy: &[T],
    kernel: &[T],
    dx: &mut [T],
    epilogue: Option<&dyn Epilogue>,
    workspace: &mut [u8],
) {
    correlate(g, Direction::Backward, dy, kernel, dx, epilogue, workspace);
}

fn correlate<T: Vectorized>(
    g: &Geometry,
    direction: Direction,
    source: &[T],
    kernel: &[T],
    destination: &mut [T],
    epilogue: Option<&dyn Epilogue>,
    workspace: &mut [u8],
) {
    let workspace = elements_of(workspace);
    if winograd::is_faster::<T>(g, direction.destination(g)) {
        let correlation = winograd::Correlation::new(g, direction);
        correlation.run(isa(), source, kernel, destination, epilogue, workspace);
    } else {
        let correlation = Correlation::new(g, direction);
        correlation.run(isa(), source, kernel, destination, epilogue, workspace);
    }
}

/// dkernel (KH, KW, C/groups, O) from x (B, H, W, C) and dy (B, OH, OW, O).
pub fn backward_filter<T: Vectorized>(
    g: &Geometry,
    x: &[T],
    dy: &[T],
    dkernel: &mut [T],
    epilogue: Option<&dyn Epilogue>,
    workspace: &mut [u8],
) {
    let workspace = elements_of(workspace);
    if winograd::is_faster::<T>(g, g.output) {
        winograd::FilterGradient::new(g).run(isa(), x, dy, dkernel, epilogue, workspace);
    } else {
        filter::Plan::new(g).run(isa(), x, dy, dkernel, epilogue, workspace);
    }
}

/// Bytes of workspace that [`forward`] needs.
pub fn forward_workspace<T: Vectorized>(g: &Geometry) -> usize {
    correlate_workspace::<T>(g, Direction::Forward)
}

/// Bytes of workspace that [`backward_input`] needs.
pub fn backward_input_workspace<T: Vectorized>(g: &Geometry) -> usize {
    correlate_workspace::<T>(g, Direction::Backward)
}

fn correlate_workspace<T: Vectorized>(g: &Geometry, direction: Direction) -> usize {
    if winograd::is_faster::<T>(g, direction.destination(g)) {
        winograd::Correlation::new(g, direction).workspace::<T>()
    } else {
        Correlation::new(g, direction).workspace::<T>()
    }
}

/// Bytes of workspace that [`backward_filter`] needs.
pub fn backward_filter_workspace<T: Vectorized>(g: &Geometry) -> usize {
    let elements = if winograd::is_faster::<T>(g, g.output) {
        winograd::FilterGradient::new(g).workspace_len()
    } else {
        filter::Plan::new(g).workspace_len()
    };
    elements * size_of::<T>()
}

#[cfg(test)]
mod tests;
