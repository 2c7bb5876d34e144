//! C = A·B as the transpose of Bᵀ·Aᵀ: where B would be transposed to be packed, and A and C are smaller than B, as they are
//! for the gradient of a small batch, these are transposed instead, and B is read where it lies.

use std::ops::Range;

use super::pack::pack_with;
use super::tile::Kernels;
use super::{Addend, Left, Matrix, MatrixMut, Right, product};
use crate::graph::Epilogue;
use crate::kernels::Real;
use crate::threads::DisjointMut;

/// Elements that Aᵀ in panels and Cᵀ take.
fn memory(m: usize, k: usize, n: usize, panel: usize) -> usize {
    k * m.next_multiple_of(panel) + n * m
}

/// Whether a (M, K) · b (K, N) is sooner transposed. The rows of A become columns, which should fill vectors; and what is
/// needed has to fit where B would have been packed.
pub fn pays<T>(kernels: &Kernels<T>, a: &Matrix<'_, T>, b: &Matrix<'_, T>) -> bool {
    let ((m, k), n) = ((a.rows, a.columns), b.columns);
    b.row_stride == 1
        && m.is_multiple_of(kernels.lanes)
        && 2 * m * (k + n) <= k * n
        && memory(m, k, n, kernels.panel()) <= k * n
}

/// c = a · b, with room for K · N elements.
pub fn run<T: Real>(
    kernels: &'static Kernels<T>,
    parallel: bool,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &MatrixMut<'_, T>,
    epilogue: Option<&dyn Epilogue>,
    room: &mut [T],
) {
    let ((m, k), n, panel) = ((a.rows, a.columns), b.columns, kernels.panel());
    let (result, packed) = room[..memory(m, k, n, panel)].split_at_mut(n * m);
    let right = Right::Packed(pack_with(panel, a.transposed(), packed));
    let result = DisjointMut::new(result);
    let back = |columns: Range<usize>, rows: Range<usize>| {
        // SAFETY: the block of the result is finished, and nothing else uses that of c.
        unsafe {
            let from = result.as_ptr().add(columns.start * m + rows.start);
            let (to, stride) = c.element(rows.start, columns.start);
            T::transpose_at(from, m, to, stride, (rows.len(), columns.len()));
        }
        if let Some(epilogue) = epilogue {
            epilogue.finish(rows, columns);
        }
    };
    let left = Left::Plain(b.transposed());
    // SAFETY: so many rows; the epilogue alone reads them, once they are finished.
    let result = unsafe { MatrixMut::from_raw(result.as_mut_ptr(), n, m, m) };
    product::run(kernels, parallel, left, right, result, Addend::Nothing, Some(&back), None, &mut []);
}
