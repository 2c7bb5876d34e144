//! How a product is divided: blocks for the caches, parts for the threads. The parts change no result: each of its
//! elements is summed as the blocks of k say, which follow from the shapes alone.

use std::ops::Range;

/// The longest run of k of one tile: a panel of B of this depth (64 KiB) stays in the L2 cache, from where a tile reads
/// it faster than it multiplies. Longer runs read and write C less often.
pub const K_BLOCK: usize = 512;

/// Rows that share a panel of B while it is in cache, and after which the epilogue runs: A's block (up to 160 KiB) and
/// the finished rows of C stay in the L2 cache.
pub const ROW_BLOCK: usize = 160;

/// Multiply-adds of a part, at least: about 5 µs.
const PART_PRODUCTS: usize = 200_000;

const MOST_PARTS: usize = 64;

/// Parts of a thread, at most: as many as even out that threads are held up. Larger parts read less.
const PARTS_OF_A_THREAD: usize = 8;

/// Counts of parts are multiples of this where they can be: of three parts, one of two threads would wait for the third.
const EVEN: usize = 4;

/// Parts that are enough where an epilogue follows: it runs over wide blocks, at best whole rows, in one go.
const ENOUGH_PARTS: usize = 16;

/// The parts of a product: a grid of row ranges × column ranges of C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub rows: usize,
    pub columns: usize,
}

impl Grid {
    pub const WHOLE: Self = Self { rows: 1, columns: 1 };

    /// The grid for c (m, n) = a (m, k) · b (k, n), with panels of `panel` columns and tiles of up to `tile_rows` rows,
    /// on `threads()` threads, which is not asked for a product that is too small to be divided.
    ///
    /// Among the grids of as many parts as are worth it, the one that reads least: each row range reads all of its
    /// columns of B, and each column range all of its rows of A. Where an epilogue follows, the one of widest blocks.
    pub fn new(
        (m, k, n): (usize, usize, usize),
        (panel, tile_rows): (usize, usize),
        epilogue: bool,
        threads: impl FnOnce() -> usize,
    ) -> Self {
        if m * k * n < 2 * PART_PRODUCTS {
            return Self::WHOLE;
        }
        let threads = threads();
        if epilogue && threads == 1 {
            // An epilogue runs block by block, and ranges of rows would read B more often.
            return Self::WHOLE;
        }
        let most = MOST_PARTS.min(threads * PARTS_OF_A_THREAD);
        let mut wanted = (m * k * n / PART_PRODUCTS).next_multiple_of(EVEN).min(most);
        let most_rows = match m / (2 * tile_rows) {
            rows @ 0..EVEN => rows.max(1),
            rows => rows - rows % EVEN,
        };
        if epilogue {
            let enough = wanted.min(ENOUGH_PARTS);
            if m / tile_rows >= enough {
                return Self { rows: wanted.min(most_rows.max(enough)), columns: 1 };
            }
            wanted = enough;
        }
        let most_columns = n.div_ceil(panel).min(wanted);
        let grids =
            (1..=most_columns).map(|columns| Self { rows: wanted.div_ceil(columns).min(most_rows), columns });
        grids
            .min_by_key(|grid| {
                let missing = wanted.saturating_sub(grid.rows * grid.columns);
                let reads = if epilogue { grid.columns } else { grid.columns * m + grid.rows * n };
                (missing * 4 / wanted, reads)
            })
            .unwrap_or(Self::WHOLE)
    }

    pub fn parts(&self) -> usize {
        self.rows * self.columns
    }

    /// The rows and columns of part `part`; columns begin at the start of a panel. Parts that follow each other share
    /// their columns of B or their rows of A, whichever operand is the larger: that one is read once.
    pub fn part(&self, part: usize, m: usize, n: usize, panel: usize) -> (Range<usize>, Range<usize>) {
        if self.parts() == 1 {
            return (0..m, 0..n);
        }
        let (row, column) = match m < n {
            true => (part % self.rows, part / self.rows),
            false => (part / self.columns, part % self.columns),
        };
        let rows = share(m, self.rows, row);
        let panels = share(n.div_ceil(panel), self.columns, column);
        (rows, panels.start * panel..n.min(panels.end * panel))
    }
}

/// The ranges of k that a product sums one after the other; each sum begins at zero and is added to those before.
pub fn k_blocks(k: usize) -> impl Iterator<Item = Range<usize>> {
    pieces(0..k, K_BLOCK)
}

/// The `index`-th of `count` nearly equal shares of `0..len`.
#[inline]
pub fn share(len: usize, count: usize, index: usize) -> Range<usize> {
    let (size, longer) = (len / count, len % count);
    let start = index * size + index.min(longer);
    start..start + size + usize::from(index < longer)
}

/// `range` in nearly equal pieces of at most `most`.
#[inline]
pub fn pieces(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let len = range.len();
    // Divisions take longer than all else around a small product, of one piece or two: they are left out for it.
    let (count, size, longer) = match len {
        0 => (0, 0, 0),
        _ if len <= most => (1, len, 0),
        _ if len <= 2 * most => (2, len / 2, len % 2),
        _ => {
            let count = len.div_ceil(most);
            (count, len / count, len % count)
        }
    };
    let mut start = range.start;
    (0..count).map(move |index| {
        let piece = start..start + size + usize::from(index < longer);
        start = piece.end;
        piece
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_cover_everything_once() {
        for (m, k, n) in [(1, 1, 1), (128, 784, 512), (512, 10000, 16), (33, 40000, 47), (2048, 2048, 2048)] {
            for (panel, tile_rows) in [(32, 14), (16, 6), (8, 4)] {
                for (epilogue, threads) in [(false, 1), (false, 2), (true, 2), (false, 256), (true, 256)] {
                    let grid = Grid::new((m, k, n), (panel, tile_rows), epilogue, || threads);
                    assert!(grid.parts() <= 2 * MOST_PARTS);
                    let mut covered = vec![0; m * n];
                    for part in 0..grid.parts() {
                        let (rows, columns) = grid.part(part, m, n, panel);
                        assert_eq!(columns.start % panel, 0);
                        for i in rows {
                            for j in columns.clone() {
                                covered[i * n + j] += 1;
                            }
                        }
                    }
                    assert!(covered.iter().all(|&count| count == 1), "{m} {k} {n}: {grid:?}");
                }
            }
        }
    }

    #[test]
    fn pieces_are_nearly_equal() {
        let lengths: Vec<usize> = pieces(5..789, 256).map(|piece| piece.len()).collect();
        assert_eq!(lengths, [196; 4]);
        assert_eq!(pieces(0..0, 4).count(), 0);
    }
}
