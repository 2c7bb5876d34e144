//! The nonzero elements of the columns of a matrix of which many elements are zeros, as gradients of a ReLU's input are.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::find_pair::{PairCounts, find_pair, pair_words};
use super::product::all_finite;
use crate::kernels::Transpose;
use crate::threads::{DisjointMut, for_each_part};

/// The most rows of such a matrix.
pub const MOST_ROWS: usize = 512;
/// The most columns of one: the words of all lists are counted in 32 bits.
pub const MOST_COLUMNS: usize = 1 << 20;
/// Columns that are collected together: a cache line of each row.
const COLUMNS_A_PART: usize = 16;
/// The largest share of nonzero elements, in eighths, with which a product over lists is faster than the dense one.
const MOST_EIGHTHS: usize = 6;

/// The nonzero elements of a matrix (`rows`, `columns`), by *stretches* of rows, and in a stretch by pairs of columns.
#[derive(Debug, Clone, Copy)]
pub struct SparseColumns<'a> {
    layout: Layout,
    /// Of each pair, one for each stretch.
    lists: &'a [PairLists],
    /// What the lists consist of, for some columns after the other, each time stretch by stretch, as it is read.
    words: &'a [u32],
}

/// Where the nonzero elements of a pair of columns in one stretch are.
#[derive(Debug, Clone, Copy)]
struct PairLists {
    /// The first word: the lists follow each other.
    start: u32,
    counts: PairCounts,
}

/// The nonzero elements of a pair of columns in one stretch. Rows are counted from the beginning of the stretch; values are
/// the bits of f32.
#[derive(Debug, Clone, Copy)]
pub struct PairEntries<'a> {
    /// The rows of which both columns have one, with the values of the first column, and of the second.
    pub both: [&'a [u32]; 3],
    /// The rows of which the first column alone, and the second alone, has one, with the values.
    pub one: [[&'a [u32]; 2]; 2],
}

impl<'a> SparseColumns<'a> {
    /// Bytes of memory that [`SparseColumns::collect`] needs.
    pub fn bytes(rows: usize, columns: usize, stretch_rows: usize) -> usize {
        let layout = Layout { rows, columns, stretch_rows };
        layout.list_bytes() + layout.parts() * layout.part_words() * size_of::<u32>()
    }

    /// Finds the nonzero elements of `matrix` (rows, columns), of [`MOST_ROWS`] rows at most; `None` if these are too many,
    /// or if `factors`, which they are to be multiplied by, are not all finite. `memory` has [`SparseColumns::bytes`]
    /// bytes, aligned for f32.
    pub fn collect(
        matrix: &[f32],
        columns: usize,
        stretch_rows: usize,
        factors: &[f32],
        memory: &'a mut [u8],
    ) -> Option<Self> {
        /// Nanoseconds an element.
        const COST: usize = 1;
        let rows = matrix.len() / columns;
        assert!(rows <= MOST_ROWS, "{rows} rows are more than fit");
        // Most matrices are not sparse, and some of their rows say so.
        let sample = [0, rows / 3, 2 * rows / 3].map(|row| &matrix[row * columns..(row + 1) * columns]);
        if sample.iter().map(|row| count_nonzero(row)).sum::<usize>() > 3 * columns * (MOST_EIGHTHS + 1) / 8 {
            return None;
        }
        let layout = Layout { rows, columns, stretch_rows };
        let (lists, words) = memory.split_at_mut(layout.list_bytes());
        // SAFETY: any bytes are numbers.
        let (lists, words) = unsafe { (lists.align_to_mut::<PairLists>().1, words.align_to_mut::<u32>().1) };
        let stretches = layout.stretches();
        let parts = layout.parts();
        let (total, is_finite) = (AtomicUsize::new(0), AtomicBool::new(true));
        {
            let (lists, words) = (DisjointMut::new(lists), DisjointMut::new(words));
            for_each_part(parts, (rows * columns * COST) as u64, &|part| {
                let share = factors.len().div_ceil(parts);
                let factors =
                    &factors[(part * share).min(factors.len())..((part + 1) * share).min(factors.len())];
                if !all_finite(factors) {
                    is_finite.store(false, Ordering::Relaxed);
                    return;
                }
                let first = part * COLUMNS_A_PART;
                let width = COLUMNS_A_PART.min(columns - first);
                let mut turned = [const { MaybeUninit::<f32>::uninit() }; COLUMNS_A_PART * MOST_ROWS];
                // SAFETY: the part's columns are within the matrix, and `turned` has room for them; all that is read of it
                // has been written.
                let turned = unsafe {
                    let (from, to) = (matrix[first..].as_ptr(), turned.as_mut_ptr().cast());
                    f32::transpose_at(from, columns, to, rows, (width, rows));
                    std::slice::from_raw_parts(turned.as_ptr().cast::<f32>(), width * rows)
                };
                // SAFETY: each part has lists and words of its own.
                let (lists, words) = unsafe {
                    let pairs = first / 2..(first + width).div_ceil(2);
                    (
                        lists.slice(pairs.start * stretches..pairs.end * stretches),
                        words.slice(part * layout.part_words()..(part + 1) * layout.part_words()),
                    )
                };
                let (mut start, mut found) = (0, 0);
                for stretch in 0..stretches {
                    let rows_of_stretch = stretch * stretch_rows..rows.min((stretch + 1) * stretch_rows);
                    for (pair, elements) in turned.chunks(2 * rows).enumerate() {
                        let (one, other) = elements.split_at(rows);
                        // The last column may be without another.
                        let other = if other.is_empty() { &[0.0; MOST_ROWS][..rows] } else { other };
                        let both = [&one[rows_of_stretch.clone()], &other[rows_of_stretch.clone()]];
                        let counts = find_pair(both, &mut words[start..]);
                        let at = (part * layout.part_words() + start) as u32;
                        lists[pair * stretches + stretch] = PairLists { start: at, counts };
                        start += counts.words();
                        found += counts.elements();
                    }
                }
                total.fetch_add(found, Ordering::Relaxed);
            });
        }
        let is_sparse = total.into_inner() <= rows * columns * MOST_EIGHTHS / 8;
        (is_sparse && is_finite.into_inner()).then_some(SparseColumns { layout, lists, words })
    }

    /// What pair `pair` of the columns has in a stretch.
    #[inline(always)]
    pub fn pair(&self, pair: usize, stretch: usize) -> PairEntries<'a> {
        let PairLists { start, counts } = self.lists[pair * self.layout.stretches() + stretch];
        let mut left = &self.words[start as usize..][..counts.words()];
        let mut take = |count: u32| {
            let (list, after) = left.split_at(count as usize);
            left = after;
            list
        };
        let PairCounts { both, one: [first, second] } = counts;
        PairEntries {
            both: [take(both), take(both), take(both)],
            one: [[take(first), take(first)], [take(second), take(second)]],
        }
    }
}

/// How a matrix is divided, and how much memory the lists take.
#[derive(Debug, Clone, Copy)]
struct Layout {
    rows: usize,
    columns: usize,
    /// Rows of a stretch, but for the last.
    stretch_rows: usize,
}

impl Layout {
    fn stretches(&self) -> usize {
        self.rows.div_ceil(self.stretch_rows)
    }

    fn parts(&self) -> usize {
        self.columns.div_ceil(COLUMNS_A_PART)
    }

    fn list_bytes(&self) -> usize {
        self.columns.div_ceil(2) * self.stretches() * size_of::<PairLists>()
    }

    /// Words for the columns of a part: three where both columns of a pair have an element, and what [`find_pair`] needs.
    fn part_words(&self) -> usize {
        COLUMNS_A_PART / 2 * 3 * self.rows + pair_words(self.stretch_rows)
    }
}

fn count_nonzero(elements: &[f32]) -> usize {
    elements.iter().filter(|&&element| element != 0.0).count()
}
