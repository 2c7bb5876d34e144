//! The innermost loops: a tile of sums in registers.

use crate::kernels::simd::Vector;

/// The largest [`Vector::ROWS`].
pub const MAX_ROWS: usize = 14;

/// Vectors across a tile.
pub const VECTORS: usize = 2;

/// The terms of a tile's sums: `outer` × `inner` stretches of `length` neighbouring elements of the source, each with
/// as many neighbouring rows of the panel. Offsets are in elements of the source, in rows of the panel.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub outer: usize,
    pub outer_source: usize,
    pub outer_panel: usize,
    pub inner: usize,
    pub inner_source: usize,
    pub inner_panel: usize,
    pub length: usize,
}

/// Runs `$body` with the constant `$ROWS` equal to `$rows`, which is in `1..=MAX_ROWS`.
macro_rules! with_rows {
    ($V:ident, $rows:expr, $ROWS:ident => $body:expr) => {
        with_rows!(@arms $V, $rows, $ROWS, $body, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    (@arms $V:ident, $rows:expr, $ROWS:ident, $body:expr, $($n:literal)*) => {
        match $rows {
            // Tiles taller than the instruction set's registers allow are never asked for, nor compiled.
            $($n if $n <= $V::ROWS => {
                const $ROWS: usize = $n;
                $body
            })*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}
pub(super) use with_rows;

/// destination[row][column] = Σ over terms of source[row] · panel[column], for the first `columns` of the tile's
/// `VECTORS` vectors.
///
/// # Safety
/// As [`Vector`]. `sources` and `destinations` have `ROWS` pointers at least; the sources are readable at every offset
/// of `terms`, the panel has a row of 2 vectors for every term, and the destinations are writable for `columns`.
#[inline(always)]
pub unsafe fn multiply<V: Vector, const ROWS: usize, const WIDTH: usize>(
    sources: &[*const V::Element; MAX_ROWS],
    panel: *const V::Element,
    terms: &Terms,
    destinations: &[*mut V::Element; MAX_ROWS],
    column: usize,
    columns: usize,
) {
    // SAFETY: the caller's promise covers every access.
    unsafe {
        let mut sums = [[V::splat(V::Element::default()); WIDTH]; ROWS];
        let mut rows = [std::ptr::null(); ROWS];
        rows.copy_from_slice(&sources[..ROWS]);
        for outer in 0..terms.outer {
            for inner in 0..terms.inner {
                let start = outer * terms.outer_source + inner * terms.inner_source;
                let panel_row = outer * terms.outer_panel + inner * terms.inner_panel;
                let mut panel = panel.add(panel_row * VECTORS * V::LANES);
                for position in start..start + terms.length {
                    let mut b = [V::splat(V::Element::default()); WIDTH];
                    for (vector, b) in b.iter_mut().enumerate() {
                        *b = V::load(panel.add(vector * V::LANES));
                    }
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        let a = V::splat(*row.add(position));
                        for (sum, &b) in sums.iter_mut().zip(&b) {
                            *sum = sum.multiply_add(a, b);
                        }
                    }
                    panel = panel.add(VECTORS * V::LANES);
                }
            }
        }
        for (sums, destination) in sums.iter().zip(destinations) {
            store_row::<V, WIDTH>(sums, destination.add(column), columns);
        }
    }
}

/// Writes the first `columns` of `sums`.
///
/// # Safety
/// As [`Vector`]; `to` is writable for `columns` elements.
#[inline(always)]
pub unsafe fn store_row<V: Vector, const WIDTH: usize>(
    sums: &[V; WIDTH],
    to: *mut V::Element,
    columns: usize,
) {
    // SAFETY: the caller's promise; `row` is as long as the widest vectors need.
    unsafe {
        if columns >= WIDTH * V::LANES {
            for (vector, sum) in sums.iter().enumerate() {
                sum.store(to.add(vector * V::LANES));
            }
        } else {
            let mut row = [V::Element::default(); 32];
            for (vector, sum) in sums.iter().enumerate() {
                sum.store(row.as_mut_ptr().add(vector * V::LANES));
            }
            std::ptr::copy_nonoverlapping(row.as_ptr(), to, columns);
        }
    }
}
