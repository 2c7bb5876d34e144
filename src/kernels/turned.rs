//! Short rows, [`LANES`] of them side by side: turned, so that a vector holds one column of all these rows, and what is
//! summed or compared along a row stays in its lane. Where fewer rows are left, the other lanes hold what they held.

use std::hint::black_box;

pub use super::lanes::LANES;

/// Longer rows are no faster turned.
pub const MOST_COLUMNS: usize = 32;

pub type Lanes<T> = [T; LANES];

/// Room for turned rows, of which the first columns are used.
#[inline(always)]
pub fn memory<T: Copy + Default>() -> [Lanes<T>; MOST_COLUMNS] {
    [[T::default(); LANES]; MOST_COLUMNS]
}

/// turned (columns, rows) = x (rows, columns)
///
/// This and [`turn_back`] are never inlined, and so not compiled for AVX-512, where the compiler would choose gathers and
/// scatters, which take several times as long.
#[inline(never)]
pub fn turn<T: Copy>(turned: &mut [Lanes<T>], x: &[T]) {
    for (row, x) in x.chunks_exact(turned.len()).enumerate() {
        for (lanes, &x) in turned.iter_mut().zip(x) {
            lanes[row] = x;
        }
    }
}

/// y (rows, columns) = turned (columns, rows)
#[inline(never)]
pub fn turn_back<T: Copy>(y: &mut [T], turned: &[Lanes<T>]) {
    for (row, y) in y.chunks_exact_mut(turned.len()).enumerate() {
        for (y, lanes) in y.iter_mut().zip(turned) {
            *y = lanes[row];
        }
    }
}

/// The columns in turn. Without the black box the compiler vectorises some loops over the columns instead of over the
/// rows, again with gathers and scatters.
#[inline(always)]
pub fn each<T>(turned: &[Lanes<T>]) -> impl Iterator<Item = &Lanes<T>> {
    turned.iter().map(black_box)
}

/// [`each`], to be changed.
#[inline(always)]
pub fn each_mut<T>(turned: &mut [Lanes<T>]) -> impl Iterator<Item = &mut Lanes<T>> {
    turned.iter_mut().map(black_box)
}
