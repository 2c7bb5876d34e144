//! The innermost loops: a tile of sums in registers.
//!
//! Loops count plain numbers: iterator adapters are inlined only where the compiler feels like it, and one that is not
//! costs a factor of ten here.

#![allow(clippy::needless_range_loop)]

use crate::kernels::simd::Vector;

/// The largest [`Vector::ROWS`].
pub const MAX_ROWS: usize = 14;

/// Vectors across a tile.
pub const VECTORS: usize = 2;

/// The terms of a tile's sums: `outer` × `inner` stretches of `length` neighbouring elements of the source, each with
/// as many neighbouring rows of the panel. Offsets are in elements of the source, in rows of the panel, which are
/// `panel_stride` elements apart.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub outer: usize,
    pub outer_source: usize,
    pub outer_panel: usize,
    pub inner: usize,
    pub inner_source: usize,
    pub inner_panel: usize,
    pub length: usize,
    pub panel_stride: usize,
}

/// The tallest tile of vectors `V`. Float64 is there to check float32 with: shorter tiles spare much code.
pub const fn most_rows<V: Vector>() -> usize {
    if size_of::<V::Element>() == 8 { 4 } else { V::ROWS }
}

/// The height of the next tile where `remaining` rows are left: about equal heights, all of them even but for a last
/// row. Odd tiles would double the code.
pub fn next_rows<V: Vector>(remaining: usize) -> usize {
    let tiles = remaining.div_ceil(most_rows::<V>());
    let rows = remaining.div_ceil(tiles).next_multiple_of(2);
    if rows <= remaining { rows } else { (remaining & !1).max(1) }
}

/// Runs `$body` with the constant `$ROWS` equal to `$rows`, one of the heights that [`next_rows`] gives.
macro_rules! with_rows {
    ($V:ident, $rows:expr, $ROWS:ident => $body:expr) => {
        with_rows!(@arms $V, $rows, $ROWS, $body, 1 2 4 6 8 10 12 14)
    };
    (@arms $V:ident, $rows:expr, $ROWS:ident, $body:expr, $($n:literal)*) => {
        match $rows {
            // Tiles taller than the registers allow are never asked for, nor compiled.
            $($n if $n <= $crate::kernels::conv::tile::most_rows::<$V>() => {
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
/// of `terms`, the panel has a row of `WIDTH` vectors for every term, and the destinations are writable for `columns`.
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
                let mut panel = panel.add(panel_row * terms.panel_stride);
                for position in start..start + terms.length {
                    let b: [V; WIDTH] = load_whole(panel);
                    for row in 0..ROWS {
                        let a = V::splat(*rows[row].add(position));
                        for vector in 0..WIDTH {
                            sums[row][vector] = sums[row][vector].multiply_add(a, b[vector]);
                        }
                    }
                    // Past the last row this is only an address.
                    panel = panel.wrapping_add(terms.panel_stride);
                }
            }
        }
        for row in 0..ROWS {
            store_row::<V, WIDTH>(&sums[row], destinations[row].add(column), columns);
        }
    }
}

/// The pixels that a tile of [`accumulate`] sums over: images × lines × columns, and how far apart each are in x and
/// in dy.
#[derive(Debug, Clone, Copy)]
pub struct Pixels {
    pub images: usize,
    pub image_x: usize,
    pub image_dy: usize,
    pub lines: usize,
    pub line_x: usize,
    pub line_dy: usize,
    pub columns: usize,
    pub column_x: usize,
    pub column_dy: usize,
}

/// Where a tile of [`accumulate`] keeps its sums: rows `stride` apart, `columns` in each. `fresh` sums are taken to be 0.
#[derive(Debug, Clone, Copy)]
pub struct TileSums<T> {
    pub start: *mut T,
    pub stride: usize,
    pub columns: usize,
    pub fresh: bool,
}

/// sums[row][column] += Σ over pixels of x[pixel + offsets[row]] · dy[pixel + column], for the first `columns` of
/// `WIDTH` vectors, which are whole where there are several.
///
/// # Safety
/// As [`Vector`]. For every pixel, x is readable at every offset and dy for `columns` elements; the sums are
/// writable for `columns` elements in each of `ROWS` rows.
#[inline(always)]
pub unsafe fn accumulate<V: Vector, const ROWS: usize, const WIDTH: usize>(
    x: *const V::Element,
    offsets: &[usize; MAX_ROWS],
    dy: *const V::Element,
    pixels: &Pixels,
    sums: &TileSums<V::Element>,
) {
    // SAFETY: the caller's promise covers every access.
    unsafe {
        let mut tile = [[V::splat(V::Element::default()); WIDTH]; ROWS];
        if !sums.fresh {
            for row in 0..ROWS {
                tile[row] = load_row(sums.start.add(row * sums.stride), sums.columns);
            }
        }
        for image in 0..pixels.images {
            for line in 0..pixels.lines {
                let mut x = x.wrapping_add(image * pixels.image_x + line * pixels.line_x);
                let mut dy = dy.wrapping_add(image * pixels.image_dy + line * pixels.line_dy);
                for _ in 0..pixels.columns {
                    let b: [V; WIDTH] = load_row(dy, sums.columns);
                    for row in 0..ROWS {
                        let a = V::splat(*x.wrapping_add(offsets[row]));
                        for vector in 0..WIDTH {
                            tile[row][vector] = tile[row][vector].multiply_add(a, b[vector]);
                        }
                    }
                    x = x.wrapping_add(pixels.column_x);
                    dy = dy.wrapping_add(pixels.column_dy);
                }
            }
        }
        for row in 0..ROWS {
            store_row(&tile[row], sums.start.add(row * sums.stride), sums.columns);
        }
    }
}

/// Whole vectors.
///
/// # Safety
/// As [`Vector`]; `from` is readable for all of them.
#[inline(always)]
unsafe fn load_whole<V: Vector, const WIDTH: usize>(from: *const V::Element) -> [V; WIDTH] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut row = [V::splat(V::Element::default()); WIDTH];
        for vector in 0..WIDTH {
            row[vector] = V::load(from.add(vector * V::LANES));
        }
        row
    }
}

/// One vector of `columns` elements, or several whole ones.
///
/// # Safety
/// As [`Vector`]; `from` is readable for `columns` elements.
#[inline(always)]
unsafe fn load_row<V: Vector, const WIDTH: usize>(from: *const V::Element, columns: usize) -> [V; WIDTH] {
    // SAFETY: the caller's promise.
    unsafe { if WIDTH > 1 { load_whole(from) } else { [V::load_first(from, columns); WIDTH] } }
}

/// Writes the first `columns` of `sums`: all vectors but the last are whole.
///
/// # Safety
/// As [`Vector`]; `to` is writable for `columns` elements.
#[inline(always)]
pub unsafe fn store_row<V: Vector, const WIDTH: usize>(
    sums: &[V; WIDTH],
    to: *mut V::Element,
    columns: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for vector in 0..WIDTH {
            let first = vector * V::LANES;
            if columns >= first + V::LANES {
                sums[vector].store(to.add(first));
            } else {
                sums[vector].store_first(to.add(first), columns - first);
            }
        }
    }
}
