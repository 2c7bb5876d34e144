//! Normalisation of columns (a batch) and of rows (a layer).

pub mod batch;
pub mod layer;

use std::ops::Range;

/// Rows of a block, which is read more than once and stays in cache. Sums over blocks are kept in f64, so that the
/// number of rows costs no precision.
const BLOCK: usize = 64;

/// Columns that are worked on side by side.
const COLUMNS: usize = 32;

/// How the rows of a (rows, columns) tensor are cut into shards whose sums are added up in order.
#[derive(Debug, Clone, Copy)]
struct Shards {
    rows: usize,
    /// Rows of a shard: whole blocks.
    size: usize,
    count: usize,
}

impl Shards {
    const MAX: usize = 16;
    /// Elements below which a shard is not worth its own thread.
    const ELEMENTS: usize = 1 << 14;

    fn new(rows: usize, columns: usize) -> Self {
        let most = (rows * columns / Self::ELEMENTS).clamp(1, Self::MAX);
        let size = rows.div_ceil(most).next_multiple_of(BLOCK).max(BLOCK);
        Self { rows, size, count: rows.div_ceil(size).max(1) }
    }

    fn range(&self, shard: usize) -> Range<usize> {
        shard * self.size..self.rows.min((shard + 1) * self.size)
    }
}

/// The rows `0..rows`, block by block.
#[inline(always)]
fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(BLOCK).map(move |start| start..rows.min(start + BLOCK))
}

/// Columns from `start` on: [`COLUMNS`] of them, or the fewer that are left.
///
/// Calls a function, which must be `#[inline(always)]`, with the width as its last argument: as a constant where the
/// tile is whole, so that the compiler unrolls its loops.
macro_rules! with_width {
    ($function:ident($($argument:expr),* ; $width:expr)) => {
        if $width == COLUMNS { $function($($argument,)* COLUMNS) } else { $function($($argument,)* $width) }
    };
}

use with_width;
