//! The nonzero elements of some rows, found in one pass over them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::find::{CHUNK, find};
use crate::kernels::simd::prefetch;
use crate::threads::{DisjointMut, for_each_part};

/// Columns are divided into so many segments, so that a product can be divided by columns.
pub const SEGMENTS: usize = 16;
/// Rows with more than one nonzero element in so many are not sparse.
const SPARSITY: usize = 8;

/// The nonzero elements of a matrix (`rows`, `columns`), row by row.
#[derive(Debug, Clone, Copy)]
pub struct SparseRows<'a> {
    pub rows: usize,
    pub columns: usize,
    /// Of each row, where its segments begin and the last one ends.
    bounds: &'a [u32],
    indices: &'a [u32],
    values: &'a [f32],
}

impl<'a> SparseRows<'a> {
    /// Bytes of memory that [`SparseRows::collect`] needs, of which it touches as much as there are nonzero elements.
    pub fn bytes(rows: usize, columns: usize) -> usize {
        piece_bytes(rows, columns).iter().sum()
    }

    /// Finds the nonzero elements of some rows, where `row(index)` has as many elements as there are columns; `None` if
    /// one of them is not sparse. `memory` has [`SparseRows::bytes`] bytes, aligned for f32.
    pub fn collect<'b>(
        rows: usize,
        columns: usize,
        memory: &'a mut [u8],
        row: &(dyn Fn(usize) -> &'b [f32] + Sync),
    ) -> Option<Self> {
        /// Nanoseconds an element, from memory.
        const COST: usize = 1;
        const ROWS_A_PART: usize = 8;
        // Most matrices are not sparse, and their first row says so.
        if rows == 0 || row(0).iter().filter(|&&value| value != 0.0).count() > columns / SPARSITY {
            return None;
        }
        let [bounds, indices, _] = piece_bytes(rows, columns);
        let (bounds, memory) = memory.split_at_mut(bounds);
        let (indices, values) = memory.split_at_mut(indices);
        // SAFETY: any bytes are numbers.
        let (bounds, indices, values) =
            unsafe { (bounds.align_to_mut().1, indices.align_to_mut().1, values.align_to_mut().1) };
        let room = capacity(columns);
        let is_sparse = AtomicBool::new(true);
        {
            let (bounds, indices) = (DisjointMut::new(bounds), DisjointMut::new(indices));
            let values = DisjointMut::new(values);
            for_each_part(rows.div_ceil(ROWS_A_PART), (rows * columns * COST) as u64, &|part| {
                for index in part * ROWS_A_PART..rows.min((part + 1) * ROWS_A_PART) {
                    if index + 1 < rows {
                        prefetch(row(index + 1).as_ptr());
                    }
                    // SAFETY: each row has places of its own.
                    let (bounds, indices, values) = unsafe {
                        (
                            bounds.slice(index * (SEGMENTS + 1)..(index + 1) * (SEGMENTS + 1)),
                            indices.slice(index * room..(index + 1) * room),
                            values.slice(index * room..(index + 1) * room),
                        )
                    };
                    if !collect_row(row(index), bounds, indices, values) {
                        is_sparse.store(false, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
        is_sparse.into_inner().then_some(SparseRows { rows, columns, bounds, indices, values })
    }

    /// The columns of a segment.
    pub fn segment(&self, segment: usize) -> Range<usize> {
        segment_columns(self.columns, segment)
    }

    /// The columns and values of the nonzero elements of a row, of the segments `segments`.
    pub fn row(&self, row: usize, segments: Range<usize>) -> (&'a [u32], &'a [f32]) {
        let bounds = &self.bounds[row * (SEGMENTS + 1)..];
        let first = row * capacity(self.columns);
        let entries = first + bounds[segments.start] as usize..first + bounds[segments.end] as usize;
        (&self.indices[entries.clone()], &self.values[entries])
    }
}

fn segment_columns(columns: usize, segment: usize) -> Range<usize> {
    let size = columns.div_ceil(SEGMENTS).next_multiple_of(CHUNK);
    (segment * size).min(columns)..((segment + 1) * size).min(columns)
}

/// Entries that there is room for in each row; a chunk more than is used, which may be written but does not count.
fn capacity(columns: usize) -> usize {
    columns / SPARSITY + CHUNK
}

/// Bytes of the bounds, the indices and the values of a matrix.
fn piece_bytes(rows: usize, columns: usize) -> [usize; 3] {
    let entries = rows * capacity(columns);
    [rows * (SEGMENTS + 1) * size_of::<u32>(), entries * size_of::<u32>(), entries * size_of::<f32>()]
}

fn collect_row(row: &[f32], bounds: &mut [u32], indices: &mut [u32], values: &mut [f32]) -> bool {
    let mut count = 0;
    bounds[0] = 0;
    for segment in 0..SEGMENTS {
        match find(row, segment_columns(row.len(), segment), indices, values, count) {
            Some(found) => count = found,
            None => return false,
        }
        bounds[segment + 1] = count as u32;
    }
    true
}
