//! Short rows, [`LANES`] of them side by side: transposed so that a vector holds one column of all these rows, and what is
//! summed or compared along a row stays in its lane. Where fewer rows are left, the other lanes hold what they held.

use std::hint::black_box;

pub use super::lanes::LANES;

/// Longer rows are no faster transposed.
pub const MOST_COLUMNS: usize = 32;

pub type Lanes<T> = [T; LANES];

/// Room for transposed rows, of which the first columns are used.
#[inline(always)]
pub fn memory<T: Copy + Default>() -> [Lanes<T>; MOST_COLUMNS] {
    [[T::default(); LANES]; MOST_COLUMNS]
}

/// transposed (columns, rows) = x (rows, columns)
///
/// This and [`transpose_back`] are never inlined, and so not compiled for AVX-512, where the compiler would choose gathers and
/// scatters, which take several times as long.
#[inline(never)]
pub fn transpose<T: Copy>(transposed: &mut [Lanes<T>], x: &[T]) {
    for (row, x) in x.chunks_exact(transposed.len()).enumerate() {
        for (lanes, &x) in transposed.iter_mut().zip(x) {
            lanes[row] = x;
        }
    }
}

/// y (rows, columns) = transposed (columns, rows)
#[inline(never)]
pub fn transpose_back<T: Copy>(y: &mut [T], transposed: &[Lanes<T>]) {
    for (row, y) in y.chunks_exact_mut(transposed.len()).enumerate() {
        for (y, lanes) in y.iter_mut().zip(transposed) {
            *y = lanes[row];
        }
    }
}

/// The columns in turn. Without the black box the compiler vectorises some loops over the columns instead of over the
/// rows, again with gathers and scatters.
#[inline(always)]
pub fn each<T>(transposed: &[Lanes<T>]) -> impl Iterator<Item = &Lanes<T>> {
    transposed.iter().map(black_box)
}

/// [`each`], to be changed.
#[inline(always)]
pub fn each_mut<T>(transposed: &mut [Lanes<T>]) -> impl Iterator<Item = &mut Lanes<T>> {
    transposed.iter_mut().map(black_box)
}
