//! The nonzero elements of the columns of a matrix of which many elements are zeros, as gradients of a ReLU's input are.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::find::{CHUNK, find};
use super::product::all_finite;
use crate::kernels::Transpose;
use crate::threads::{DisjointMut, for_each_part};

/// The most rows of such a matrix.
pub const MOST_ROWS: usize = 512;
/// Columns that are collected together: a cache line of each row.
const COLUMNS_A_PART: usize = 16;
/// The largest share of nonzero elements, in eighths, with which a product over lists is faster than the dense one.
const MOST_EIGHTHS: usize = 5;

/// The nonzero elements of a matrix (`rows`, `columns`), column by column, in lists of a *stretch* of rows each.
#[derive(Debug, Clone, Copy)]
pub struct SparseColumns<'a> {
    pub rows: usize,
    pub columns: usize,
    /// Rows of a stretch, but for the last.
    pub stretch_rows: usize,
    /// Entries of each list, an even number: an entry of value zero may be the last.
    counts: &'a [u32],
    indices: &'a [u32],
    values: &'a [f32],
}

impl<'a> SparseColumns<'a> {
    /// Bytes of memory that [`SparseColumns::collect`] needs.
    pub fn bytes(rows: usize, columns: usize, stretch_rows: usize) -> usize {
        piece_bytes(rows, columns, stretch_rows).iter().sum()
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
        let [counts, indices, _] = piece_bytes(rows, columns, stretch_rows);
        let (counts, memory) = memory.split_at_mut(counts);
        let (indices, values) = memory.split_at_mut(indices);
        // SAFETY: any bytes are numbers.
        let (counts, indices, values) =
            unsafe { (counts.align_to_mut().1, indices.align_to_mut().1, values.align_to_mut().1) };
        let (room, stretches) = (room(stretch_rows), rows.div_ceil(stretch_rows));
        let parts = columns.div_ceil(COLUMNS_A_PART);
        let (total, is_finite) = (AtomicUsize::new(0), AtomicBool::new(true));
        {
            let (counts, indices) = (DisjointMut::new(counts), DisjointMut::new(indices));
            let values = DisjointMut::new(values);
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
                let mut found = 0;
                for (column, elements) in turned.chunks_exact(rows).enumerate() {
                    for (stretch, elements) in elements.chunks(stretch_rows).enumerate() {
                        let list = (first + column) * stretches + stretch;
                        // SAFETY: each list has places of its own.
                        let (count, indices, values) = unsafe {
                            (
                                &mut counts.slice(list..list + 1)[0],
                                indices.slice(list * room..(list + 1) * room),
                                values.slice(list * room..(list + 1) * room),
                            )
                        };
                        let entries = find(elements, 0..elements.len(), indices, values, 0);
                        let entries = entries.expect("a list has room for all elements of its stretch");
                        found += entries;
                        (indices[entries], values[entries]) = (0, 0.0);
                        *count = entries.next_multiple_of(2) as u32;
                    }
                }
                total.fetch_add(found, Ordering::Relaxed);
            });
        }
        let is_sparse = total.into_inner() <= rows * columns * MOST_EIGHTHS / 8;
        (is_sparse && is_finite.into_inner()).then_some(SparseColumns {
            rows,
            columns,
            stretch_rows,
            counts,
            indices,
            values,
        })
    }

    /// The rows, counted from the beginning of the stretch, and values of a column's nonzero elements in a stretch.
    #[inline(always)]
    pub fn list(&self, column: usize, stretch: usize) -> (&'a [u32], &'a [f32]) {
        let list = column * self.rows.div_ceil(self.stretch_rows) + stretch;
        let first = list * room(self.stretch_rows);
        let entries = first..first + self.counts[list] as usize;
        (&self.indices[entries.clone()], &self.values[entries])
    }
}

/// Entries that there is room for in each list; a chunk more than is used, which may be written but does not count.
fn room(stretch_rows: usize) -> usize {
    stretch_rows.next_multiple_of(CHUNK) + CHUNK
}

/// Bytes of the counts, the indices and the values of all lists.
fn piece_bytes(rows: usize, columns: usize, stretch_rows: usize) -> [usize; 3] {
    let lists = columns * rows.div_ceil(stretch_rows);
    let entries = lists * room(stretch_rows);
    [lists * size_of::<u32>(), entries * size_of::<u32>(), entries * size_of::<f32>()]
}

fn count_nonzero(elements: &[f32]) -> usize {
    elements.iter().filter(|&&element| element != 0.0).count()
}
