//! Matrix products: C = A·B, C += A·B or C = A·B + a row, for matrices of any layout.
//!
//! C is cut into tiles that stay in registers while k runs ([`tile`]); tiles are taken in an order that keeps what they
//! read in the caches, and divided between threads ([`plan`]). A is read where it lies; B is read where it lies or
//! packed into panels first ([`pack`]). Where tiles would leave much of their vectors empty, the product is transposed
//! ([`transposed`]) or taken as dot products ([`dots`]), which the shapes and layouts decide.
//!
//! Element (i, j) of the result is summed over k in one fixed order, whatever the number of threads and wherever the
//! element lies in a tile, so results are the same bits however a product is divided by rows and columns.

mod dot_kernel;
mod dots;
mod matrix;
mod options;
mod pack;
mod parts;
mod plan;
mod product;
pub mod reference;
mod stack;
#[cfg(test)]
mod tests;
mod tile;
mod transposed;

pub use matrix::{LISTED_ROW_BYTES, Left, ListedRows, Matrix, MatrixMut};
pub use pack::{PackedMatrix, pack_b, packed_len};
pub use plan::{k_blocks, share};
pub use stack::{gemm_stack, gemm_stack_workspace};
pub use tile::HasKernels;

use options::Options;

use crate::kernels::Epilogue;
use crate::kernels::prefetch::Prefetch;
use crate::kernels::{Real, simd};

/// The right operand: a plain matrix, or one packed before by [`pack_b`].
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

impl<T> Right<'_, T> {
    /// (K, N)
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Plain(matrix) => (matrix.rows, matrix.columns),
            Self::Packed(packed) => (packed.rows, packed.columns),
        }
    }
}

/// What is added to a product.
#[derive(Debug, Clone, Copy)]
pub enum Addend<'a, T> {
    Nothing,
    /// What C holds: C += A·B
    Result,
    /// (N): the same to each row, as a bias is
    Row(&'a [T]),
}

/// Bytes of workspace that a product of (m, k) and (k, n) needs. A product with a packed B needs none.
pub fn gemm_workspace<T: Real>(m: usize, k: usize, n: usize) -> usize {
    let _ = m;
    packed_len::<T>(k, n) * size_of::<T>()
}

/// c (M, N) = a (M, K) · b (K, N) + addend, on all threads.
///
/// `epilogue` is called once for each finished block of c. `workspace` has at least [`gemm_workspace`] bytes, aligned
/// for `T`.
pub fn gemm<'a, 'b, T: Real>(
    a: impl Into<Left<'b, T>>,
    b: impl Into<Right<'a, T>>,
    c: MatrixMut<'_, T>,
    addend: Addend<'_, T>,
    epilogue: Option<&dyn Epilogue>,
    workspace: &mut [u8],
) {
    gemm_before(a, b, c, addend, epilogue, None, workspace);
}

/// [`gemm`], which meanwhile asks for as much of the memory `prefetch` as there is time for.
pub fn gemm_before<'a, 'b, T: Real>(
    a: impl Into<Left<'b, T>>,
    b: impl Into<Right<'a, T>>,
    c: MatrixMut<'_, T>,
    addend: Addend<'_, T>,
    epilogue: Option<&dyn Epilogue>,
    prefetch: Option<&Prefetch<'_>>,
    workspace: &mut [u8],
) {
    let kernels = T::kernels(simd::isa());
    let options = Options { kernels, parallel: true, addend, epilogue, prefetch };
    product::run(&options, a.into(), b.into(), &c, workspace);
}

/// [`gemm`] on the calling thread alone, for use inside a part of a parallel loop.
pub fn gemm_serial<'a, T: Real>(
    a: Matrix<'_, T>,
    b: impl Into<Right<'a, T>>,
    c: MatrixMut<'_, T>,
    addend: Addend<'_, T>,
    workspace: &mut [u8],
) {
    gemm_serial_before(a, b, c, addend, None, workspace);
}

/// [`gemm_serial`], which meanwhile asks for as much of the memory `prefetch` as there is time for.
pub fn gemm_serial_before<'a, T: Real>(
    a: Matrix<'_, T>,
    b: impl Into<Right<'a, T>>,
    c: MatrixMut<'_, T>,
    addend: Addend<'_, T>,
    prefetch: Option<&Prefetch<'_>>,
    workspace: &mut [u8],
) {
    let kernels = T::kernels(simd::isa());
    let options = Options { kernels, parallel: false, addend, epilogue: None, prefetch };
    product::run(&options, a.into(), b.into(), &c, workspace);
}
