//! Winograd's convolution: 3×3 kernels at stride 1 with 2.25 times fewer multiplications.
//!
//! The destination is cut into tiles of 2×2 pixels. The 4×4 source pixels under each are transformed, channel by
//! channel, and so is the kernel; then every one of the 16 points is a matrix product of its own, (tiles × source
//! channels) · (source channels × destination channels), and a transform of the products gives the tile
//! ([`transforms`]). Blocks of tiles are taken through all three steps while they stay in the L2 cache.
//!
//! An infinite or NaN source pixel makes NaN of every pixel of the tiles that it lies under, also of those that it
//! would not reach directly. Finite results are as exact as the direct kernels', whose sums have nine times as many terms
//! (by filter and without fused multiply-adds nearly so). With them, of normally distributed x, kernel and dy (4 images,
//! 16×16, 64 channels and filters), the largest errors against float64 are 4.0e-5 forward, 4.0e-5 by input and 4.5e-5 by
//! filter, where directly they are 9.5e-5, 1.2e-4 and 1.1e-4.

mod correlate;
mod filter;
mod grid;
mod kernel;
#[cfg(test)]
mod tests;
mod transforms;

pub use correlate::Correlation;
pub use filter::FilterGradient;

use super::Geometry;
use crate::kernels::simd::Vectorized;

use transforms::{DestinationAdjoint, DestinationMap, KernelAdjoint, KernelMap, SourceMap};

/// Pixels along a side of a tile.
const SIDE: usize = 2;

/// Source pixels, and products, along a side of a tile.
const POINTS: usize = SIDE + 2;

/// Between the matrices of two points, so that the same element of all of them does not fall into one set of the cache.
const GAP: usize = 16;

/// What transforming the kernel costs, in products of a tile's point.
const KERNEL_PRODUCTS: f64 = 40.0;

/// Whether a convolution has the form that this module computes.
pub fn is_possible(g: &Geometry) -> bool {
    let window = &g.window;
    g.groups == 1 && window.size == [3, 3] && window.strides == [1, 1] && window.dilation == [1, 1]
}

/// Whether a pass of a convolution is faster here than directly, by shapes alone, where the pass cuts images of size
/// `tiled` into tiles: the output forward and by filter, the input backward by input. Float64, which is there to check
/// float32 with, is always direct.
///
/// A tile of 2×2 pixels takes 16 products for each pair of channels, where the direct kernels take one for each tap
/// inside the image: 36 far from the edges of an even-sized map, fewer at padding. On Zen 4 the transforms cost as much
/// as 5/C + 5/O of the products, with AVX-512 and with AVX2, and that of the kernel as much as [`KERNEL_PRODUCTS`] a pair of
/// channels; a tenth more is asked for.
pub fn is_faster<T: Vectorized>(g: &Geometry, tiled: [usize; 2]) -> bool {
    if size_of::<T>() != 4 || !is_possible(g) {
        return false;
    }
    let direct = |axis: usize| -> usize {
        (0..3).map(|tap| g.window.positions_inside(axis, tap, g.input[axis], g.output[axis]).len()).sum()
    };
    let tiles = g.batch * tiled[0].div_ceil(SIDE) * tiled[1].div_ceil(SIDE);
    let transforms = 5.0 / g.channels as f64 + 5.0 / g.filters as f64;
    let cost = (POINTS * POINTS * tiles) as f64 * (1.0 + transforms) + KERNEL_PRODUCTS;
    (g.batch * direct(0) * direct(1)) as f64 > 1.1 * cost
}
