//! B in the order in which the kernels read it: panels of columns, each panel's rows one after the other.

use std::ops::Range;

use super::Matrix;
use crate::kernels::Real;
use crate::kernels::simd::{self, per_isa};

/// Columns of a panel on this machine.
fn panel_width<T: Real>() -> usize {
    T::kernels(simd::isa()).panel()
}

/// B (K, N) packed: panel p, at `p · K · panel`, holds the columns `p · panel ..`; its row k is at `k · panel`.
#[derive(Debug, Clone, Copy)]
pub struct PackedMatrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) panel: usize,
}

/// Elements that [`pack_b`] needs for a B of `k` × `n`.
pub fn packed_len<T: Real>(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(panel_width::<T>())
}

/// Packs b (K, N) into `memory`, on the calling thread.
pub fn pack_b<'a, T: Real>(b: Matrix<'_, T>, memory: &'a mut [T]) -> PackedMatrix<'a, T> {
    pack_with(panel_width::<T>(), b, memory)
}

/// [`pack_b`] in panels of `panel` columns.
pub(super) fn pack_with<'a, T: Real>(
    panel: usize,
    b: Matrix<'_, T>,
    memory: &'a mut [T],
) -> PackedMatrix<'a, T> {
    b.check();
    let data = &mut memory[..b.rows * b.columns.next_multiple_of(panel)];
    if !data.is_empty() {
        for (index, out) in data.chunks_exact_mut(b.rows * panel).enumerate() {
            let first = index * panel;
            pack_panel(b, first..b.columns.min(first + panel), panel, out);
        }
    }
    PackedMatrix { data, rows: b.rows, columns: b.columns, panel }
}

/// Packs one panel: `out` (K, panel) = b[:, columns]. What lies beyond the last column is left as it is, and never read.
pub(super) fn pack_panel<T: Real>(b: Matrix<'_, T>, columns: Range<usize>, panel: usize, out: &mut [T]) {
    let (k, width) = (b.rows, columns.len());
    assert!(columns.end <= b.columns && width <= panel && out.len() >= k * panel);
    if k == 0 || width == 0 {
        return;
    }
    let from = &b.data[columns.start * b.column_stride..];
    if b.column_stride == 1 {
        match width {
            // The whole panels of AVX-512, AVX2 and the others, in f32 and f64.
            32 => copy_rows::<T, 32>(from, b.row_stride, panel, out, k),
            16 => copy_rows::<T, 16>(from, b.row_stride, panel, out, k),
            8 => copy_rows::<T, 8>(from, b.row_stride, panel, out, k),
            4 => copy_rows::<T, 4>(from, b.row_stride, panel, out, k),
            _ => {
                for (row, out) in out.chunks_exact_mut(panel).take(k).enumerate() {
                    out[..width].copy_from_slice(&from[row * b.row_stride..][..width]);
                }
            }
        }
        return;
    }
    if b.row_stride == 1 {
        return T::transpose(from, b.column_stride, out, panel, (k, width));
    }
    for j in 0..width {
        let column = &from[j * b.column_stride..];
        for row in 0..k {
            out[row * panel + j] = column[row * b.row_stride];
        }
    }
}

per_isa! {
    fn copy_rows[T: Real, const WIDTH: usize][T, WIDTH](from: &[T], stride: usize, panel: usize, out: &mut [T], k: usize) {
        for (row, out) in out.chunks_exact_mut(panel).take(k).enumerate() {
            let from: &[T; WIDTH] = from[row * stride..].first_chunk().expect("a row of the matrix");
            *out.first_chunk_mut().expect("a row of the panel") = *from;
        }
    }
}
