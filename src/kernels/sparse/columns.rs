//! The nonzero elements of the columns of a matrix of which many elements are zeros, as gradients of a ReLU's input are.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::nonzero::{WORD, nonzero};
use super::product::all_finite;
use crate::kernels::Transpose;
use crate::threads::{DisjointMut, for_each_part};

/// The most rows of such a matrix.
pub const MOST_ROWS: usize = 512;
/// Columns that are transposed together: a cache line of each row.
const COLUMNS_A_PART: usize = 16;
/// The largest share of nonzero elements, in eighths, with which a product that skips zeros is faster than the dense one.
const MOST_EIGHTHS: usize = 6;

/// A matrix (`rows`, `columns`) by columns, and where its elements are not zero.
#[derive(Debug, Clone, Copy)]
pub struct SparseColumns<'a> {
    rows: usize,
    /// (columns, rows)
    elements: &'a [f32],
    /// Of each column, a word for every [`WORD`] rows. There is an even number of columns: one may have no elements.
    words: &'a [u64],
}

impl<'a> SparseColumns<'a> {
    /// Bytes of memory that [`SparseColumns::collect`] needs.
    pub fn bytes(rows: usize, columns: usize) -> usize {
        words(rows, columns) * size_of::<u64>() + columns * rows * size_of::<f32>() + align_of::<u64>()
    }

    /// Turns `matrix` (rows, columns), of [`MOST_ROWS`] rows at most, and looks where it is not zero; `None` if that is at
    /// too many places, or if `factors`, which the elements are to be multiplied by, are not all finite. `memory` has
    /// [`SparseColumns::bytes`] bytes, aligned for f32.
    pub fn collect(matrix: &[f32], columns: usize, factors: &[f32], memory: &'a mut [u8]) -> Option<Self> {
        /// Nanoseconds an element.
        const COST: usize = 1;
        let rows = matrix.len() / columns;
        assert!(rows <= MOST_ROWS, "{rows} rows are more than fit");
        // Most matrices are not sparse, and some of their rows say so.
        let sample = [0, rows / 3, 2 * rows / 3].map(|row| &matrix[row * columns..(row + 1) * columns]);
        if sample.iter().map(|row| count_nonzero(row)).sum::<usize>() > 3 * columns * (MOST_EIGHTHS + 1) / 8 {
            return None;
        }
        // SAFETY: any bytes are numbers.
        let (words, elements) = unsafe {
            let (words, elements) = memory.align_to_mut::<u64>().1.split_at_mut(words(rows, columns));
            (words, &mut elements.align_to_mut::<f32>().1[..columns * rows])
        };
        let words_of_column = rows.div_ceil(WORD);
        words[columns * words_of_column..].fill(0);
        let parts = columns.div_ceil(COLUMNS_A_PART);
        let (total, is_finite) = (AtomicUsize::new(0), AtomicBool::new(true));
        {
            let (words, elements) = (DisjointMut::new(words), DisjointMut::new(elements));
            for_each_part(parts, (rows * columns * COST) as u64, &|part| {
                let share = factors.len().div_ceil(parts);
                let factors =
                    &factors[(part * share).min(factors.len())..((part + 1) * share).min(factors.len())];
                if !all_finite(factors) {
                    is_finite.store(false, Ordering::Relaxed);
                    return;
                }
                let own = part * COLUMNS_A_PART..columns.min((part + 1) * COLUMNS_A_PART);
                // SAFETY: each part has columns of its own.
                let (words, elements) = unsafe {
                    (
                        words.slice(own.start * words_of_column..own.end * words_of_column),
                        elements.slice(own.start * rows..own.end * rows),
                    )
                };
                f32::transpose(&matrix[own.start..], columns, elements, rows, (own.len(), rows));
                let columns = elements.chunks_exact(rows).zip(words.chunks_exact_mut(words_of_column));
                let mut found = 0;
                for (word, elements) in
                    columns.flat_map(|(elements, words)| words.iter_mut().zip(elements.chunks(WORD)))
                {
                    *word = nonzero(elements);
                    found += word.count_ones() as usize;
                }
                total.fetch_add(found, Ordering::Relaxed);
            });
        }
        let is_sparse = total.into_inner() <= rows * columns * MOST_EIGHTHS / 8;
        (is_sparse && is_finite.into_inner()).then_some(SparseColumns { rows, elements, words })
    }

    /// The elements of a column from row `word` · [`WORD`] on, if there is such a column, and the bits of those that are not
    /// zero.
    #[inline(always)]
    pub fn part(&self, column: usize, word: usize) -> (*const f32, u64) {
        let elements = self.elements.as_ptr().wrapping_add(column * self.rows + word * WORD);
        (elements, self.words[column * self.rows.div_ceil(WORD) + word])
    }
}

/// Words for so many columns.
fn words(rows: usize, columns: usize) -> usize {
    columns.next_multiple_of(2) * rows.div_ceil(WORD)
}

fn count_nonzero(elements: &[f32]) -> usize {
    elements.iter().filter(|&&element| element != 0.0).count()
}
