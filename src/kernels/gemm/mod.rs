//! Matrix products: C = A·B or C += A·B, for matrices of any layout.
//!
//! Element (i, j) of the result is summed over k in one fixed order, whatever the number of threads and wherever the
//! element lies in a tile. B may be packed once ([`pack_b`]) and used many times.

mod matrix;
pub mod reference;
mod stack;

pub use matrix::{Matrix, MatrixMut};
pub use stack::{gemm_stack, gemm_stack_workspace};

use crate::graph::Epilogue;
use crate::kernels::Real;

/// B in the order in which the kernels read it.
#[derive(Debug, Clone, Copy)]
pub struct PackedMatrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
}

/// The right operand: a plain matrix, or one packed before.
#[derive(Debug, Clone, Copy)]
pub enum Right<'a, T> {
    Plain(Matrix<'a, T>),
    Packed(PackedMatrix<'a, T>),
}

impl<'a, T> From<Matrix<'a, T>> for Right<'a, T> {
    fn from(matrix: Matrix<'a, T>) -> Self {
        Self::Plain(matrix)
    }
}

impl<'a, T> From<PackedMatrix<'a, T>> for Right<'a, T> {
    fn from(matrix: PackedMatrix<'a, T>) -> Self {
        Self::Packed(matrix)
    }
}

/// Elements that [`pack_b`] needs for a B of `k` × `n`.
pub fn packed_len<T: Real>(k: usize, n: usize) -> usize {
    k * n
}

/// Packs b (K, N) into `memory`, on the calling thread.
pub fn pack_b<'a, T: Real>(b: Matrix<'_, T>, memory: &'a mut [T]) -> PackedMatrix<'a, T> {
    let memory = &mut memory[..packed_len::<T>(b.rows, b.columns)];
    for (index, element) in memory.iter_mut().enumerate() {
        *element = b.data[index / b.columns * b.row_stride + index % b.columns * b.column_stride];
    }
    PackedMatrix { data: memory, rows: b.rows, columns: b.columns }
}

/// Bytes of workspace that a product of (m, k) and (k, n) needs.
pub fn gemm_workspace<T: Real>(m: usize, k: usize, n: usize) -> usize {
    let _ = m;
    packed_len::<T>(k, n) * size_of::<T>()
}

/// c (M, N) = a (M, K) · b (K, N), or c += a · b where `accumulate` holds, on all threads.
///
/// `epilogue` is called once for each finished block of c. `workspace` has at least [`gemm_workspace`] bytes.
pub fn gemm<'a, T: Real>(
    a: Matrix<'_, T>,
    b: impl Into<Right<'a, T>>,
    c: MatrixMut<'_, T>,
    accumulate: bool,
    epilogue: Option<Epilogue<'_>>,
    workspace: &mut [u8],
) {
    let _ = workspace;
    let (rows, columns) = (c.rows, c.columns);
    product(a, b.into(), c, accumulate);
    if let Some(epilogue) = epilogue {
        epilogue(0..rows, 0..columns);
    }
}

/// [`gemm`] on the calling thread alone, for use inside a part of a parallel loop.
pub fn gemm_serial<'a, T: Real>(
    a: Matrix<'_, T>,
    b: impl Into<Right<'a, T>>,
    c: MatrixMut<'_, T>,
    accumulate: bool,
    workspace: &mut [u8],
) {
    let _ = workspace;
    product(a, b.into(), c, accumulate);
}

fn product<T: Real>(a: Matrix<'_, T>, b: Right<'_, T>, c: MatrixMut<'_, T>, accumulate: bool) {
    let b = match b {
        Right::Plain(matrix) => matrix,
        Right::Packed(packed) => Matrix::row_major(packed.data, packed.rows, packed.columns),
    };
    a.check();
    b.check();
    assert_eq!((a.rows, a.columns, b.columns), (c.rows, b.rows, c.columns), "the shapes of a product");
    for i in 0..c.rows {
        // SAFETY: row i of the result, which `MatrixMut` holds exclusively.
        let row = unsafe { std::slice::from_raw_parts_mut(c.data.add(i * c.row_stride), c.columns) };
        if !accumulate {
            row.fill(T::ZERO);
        }
        for k in 0..a.columns {
            let left = a.data[i * a.row_stride + k * a.column_stride];
            for (j, element) in row.iter_mut().enumerate() {
                *element += left * b.data[k * b.row_stride + j * b.column_stride];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_product_by_hand() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // (2, 3)
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]; // (3, 2)
        let mut c = [10.0f32; 4];
        let (a, b) = (Matrix::row_major(&a, 2, 3), Matrix::row_major(&b, 3, 2));
        let mut workspace = vec![0u8; gemm_workspace::<f32>(2, 3, 2)];
        gemm(a, b, MatrixMut::row_major(&mut c, 2, 2), true, None, &mut workspace);
        assert_eq!(c, [15.0, 21.0, 24.0, 33.0]);
        let mut memory = vec![0.0; packed_len::<f32>(3, 2)];
        let packed = pack_b(b, &mut memory);
        gemm_serial(a, packed, MatrixMut::row_major(&mut c, 2, 2), false, &mut workspace);
        assert_eq!(c, [5.0, 11.0, 14.0, 23.0]);
    }
}
