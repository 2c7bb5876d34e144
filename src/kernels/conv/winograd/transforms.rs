//! The small linear maps of Winograd's convolution, on vectors of channels.
//!
//! In one dimension two neighbouring sums over 3 taps g of 4 elements d are Aᵀ((G g) ⊙ (Bᵀ d)), with 4 products, one
//! for each of the points 0, 1, −1 and infinity; in two dimensions every map is applied to columns and to rows:
//! Aᵀ((G g Gᵀ) ⊙ (Bᵀ d B))A. The gradient by g takes the adjoints of the maps.
//!
//! Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015 (<https://arxiv.org/abs/1509.09308>).

#![allow(clippy::needless_range_loop)] // loops over constants, which become straight code over registers

use crate::kernels::Real;
use crate::kernels::simd::Vector;

/// A matrix of `TO` rows and `FROM` columns.
pub trait Map<const FROM: usize, const TO: usize> {
    /// The matrix times a column.
    ///
    /// # Safety
    /// As [`Vector`].
    unsafe fn apply<V: Vector>(column: [V; FROM]) -> [V; TO];
}

/// Bᵀ, of the source's elements.
pub struct SourceMap;
impl Map<4, 4> for SourceMap {
    #[inline(always)]
    unsafe fn apply<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 4] {
        // SAFETY: the caller's promise.
        unsafe { [a.subtract(c), b.add(c), c.subtract(b), b.subtract(d)] }
    }
}

/// G, of the taps.
pub struct KernelMap;
impl Map<3, 4> for KernelMap {
    #[inline(always)]
    unsafe fn apply<V: Vector>([a, b, c]: [V; 3]) -> [V; 4] {
        // SAFETY: the caller's promise.
        unsafe {
            let ends = a.add(c);
            [a, scaled(ends.add(b), 0.5), scaled(ends.subtract(b), 0.5), c]
        }
    }
}

/// Aᵀ, of the products.
pub struct DestinationMap;
impl Map<4, 2> for DestinationMap {
    #[inline(always)]
    unsafe fn apply<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 2] {
        // SAFETY: the caller's promise.
        unsafe { [a.add(b).add(c), b.subtract(c).subtract(d)] }
    }
}

/// A, of the gradient of the destination.
pub struct DestinationAdjoint;
impl Map<2, 4> for DestinationAdjoint {
    #[inline(always)]
    unsafe fn apply<V: Vector>([a, b]: [V; 2]) -> [V; 4] {
        // SAFETY: the caller's promise.
        unsafe { [a, a.add(b), a.subtract(b), V::splat(V::Element::ZERO).subtract(b)] }
    }
}

/// Gᵀ, of the gradient of the transformed taps.
pub struct KernelAdjoint;
impl Map<4, 3> for KernelAdjoint {
    #[inline(always)]
    unsafe fn apply<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 3] {
        // SAFETY: the caller's promise.
        unsafe {
            let half_sum = scaled(b.add(c), 0.5);
            [a.add(half_sum), scaled(b.subtract(c), 0.5), half_sum.add(d)]
        }
    }
}

/// # Safety
/// As [`Vector`].
#[inline(always)]
unsafe fn scaled<V: Vector>(vector: V, factor: f64) -> V {
    // SAFETY: the caller's promise.
    unsafe { V::splat(V::Element::ZERO).multiply_add(vector, V::splat(V::Element::from_f64(factor))) }
}

/// The map M on both sides of a square: M x Mᵀ.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub unsafe fn on_both_sides<M: Map<FROM, TO>, V: Vector, const FROM: usize, const TO: usize>(
    x: &[[V; FROM]; FROM],
) -> [[V; TO]; TO] {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = V::splat(V::Element::ZERO);
        let mut half = [[zero; FROM]; TO];
        for j in 0..FROM {
            let mut column = [zero; FROM];
            for i in 0..FROM {
                column[i] = x[i][j];
            }
            let column = M::apply(column);
            for i in 0..TO {
                half[i][j] = column[i];
            }
        }
        let mut whole = [[zero; TO]; TO];
        for i in 0..TO {
            whole[i] = M::apply(half[i]);
        }
        whole
    }
}

/// A vector of `count` elements: all of it where `WHOLE` holds.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub unsafe fn load<V: Vector, const WHOLE: bool>(from: *const V::Element, count: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if WHOLE { V::load(from) } else { V::load_first(from, count) } }
}

/// [`load`]s the channels from `channel` on of each pixel of a square.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub unsafe fn load_square<V: Vector, const N: usize, const WHOLE: bool>(
    pixels: &[[*const V::Element; N]; N],
    channel: usize,
    count: usize,
) -> [[V; N]; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut square = [[V::splat(V::Element::ZERO); N]; N];
        for i in 0..N {
            for j in 0..N {
                square[i][j] = load::<V, WHOLE>(pixels[i][j].add(channel), count);
            }
        }
        square
    }
}

/// Writes `count` elements of a vector: all of it where `WHOLE` holds.
///
/// # Safety
/// As [`Vector`].
#[inline(always)]
pub unsafe fn store<V: Vector, const WHOLE: bool>(vector: V, to: *mut V::Element, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { if WHOLE { vector.store(to) } else { vector.store_first(to, count) } }
}

/// Calls `$body` for each vector of `$channels` channels, with `$channel` its first, `$count` how many it has and the
/// constant `$WHOLE` whether that is all of a vector.
macro_rules! for_each_vector {
    ($V:ident, $channels:expr, ($channel:ident, $count:ident, $WHOLE:ident) => $body:expr) => {{
        let channels = $channels;
        let mut $channel = 0;
        while $channel + $V::LANES <= channels {
            const $WHOLE: bool = true;
            let $count = $V::LANES;
            $body;
            $channel += $V::LANES;
        }
        if $channel < channels {
            const $WHOLE: bool = false;
            let $count = channels - $channel;
            $body;
        }
    }};
}
pub(super) use for_each_vector;
