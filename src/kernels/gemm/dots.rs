//! C = A·B as dot products of rows of A with columns of B, both contiguous: products with a vector, and products with a B
//! of so few columns that rows of it would leave much of a vector empty.

use std::ops::Range;
use std::ptr::null;

use super::dot_kernel::{MOST_ROWS, Operands, RowKernels};
use super::options::{Options, numbers};
use super::plan::{K_BLOCK, pieces, share};
use super::tile::Kernels;
use super::{Addend, LISTED_ROW_BYTES, Matrix, MatrixMut};
use crate::kernels::Real;

/// Multiply-adds of a part, at least.
const PART_PRODUCTS: usize = 50_000;

const MOST_PARTS: usize = 16;

/// Which of the two operands are dotted with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A, with a B of one column
    Column,
    /// A of one row, with B
    Row,
    /// A, with a B that is too narrow to fill vectors
    Narrow,
}

impl Form {
    /// The form of a · b, if it is sooner as dot products.
    ///
    /// For a narrow B the sums have to be so long that it does not count to add up their lanes, and the rows so many that it
    /// does not to copy B. Rows that may be listed are left to tiles, which sum them to the same bits whether they are, or
    /// their nonzero elements, or not.
    pub fn of<T: Real>(kernels: &Kernels<T>, a: &Matrix<'_, T>, b: &Matrix<'_, T>) -> Option<Self> {
        if a.column_stride != 1 {
            return None;
        }
        match b.row_stride {
            1 if b.columns == 1 => return Some(Self::Column),
            1 if a.rows == 1 => return Some(Self::Row),
            1 => {}
            _ if b.column_stride == 1 => {}
            _ => return None,
        }
        let suits =
            a.columns >= 16 * kernels.lanes && a.columns * size_of::<T>() < LISTED_ROW_BYTES && a.rows >= 32;
        (suits && is_narrow(kernels, b.columns)).then_some(Self::Narrow)
    }
}

/// Whether rows of `n` elements would leave a quarter or more of their vectors empty.
pub fn is_narrow<T>(kernels: &Kernels<T>, n: usize) -> bool {
    4 * n <= 3 * n.next_multiple_of(kernels.lanes)
}

/// c = a · b + addend, in a form that suits it. A narrow B needs a workspace for K · N elements.
///
/// # Safety
/// The shapes fit, nothing is empty, and the operands hold the elements that their shapes say.
pub unsafe fn run<T: Real>(
    options: &Options<'_, T>,
    form: Form,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &MatrixMut<'_, T>,
    workspace: &mut [u8],
) {
    let Options { kernels, parallel, addend, epilogue, .. } = *options;
    let (k, n) = (b.rows, b.columns);
    let c_strides = [c.row_stride, 1];
    let (addend, addend_strides) = match addend {
        Addend::Nothing => (null(), [0, 0]),
        Addend::Result => (c.data.cast_const(), c_strides),
        Addend::Row(row) => (row.as_ptr(), [0, 1]),
    };
    let product =
        DotProducts { table: kernels.dots, a, b, c: c.data, c_strides, addend, addend_strides, k_block: k };
    let product = match form {
        Form::Column => product,
        Form::Row => product.transposed(),
        Form::Narrow if b.row_stride == 1 => DotProducts { k_block: K_BLOCK, ..product },
        Form::Narrow => {
            let columns = &mut numbers(workspace)[..n * k];
            T::transpose(b.data, b.row_stride, columns, k, (n, k));
            DotProducts { b: Matrix::row_major(columns, n, k).transposed(), k_block: K_BLOCK, ..product }
        }
    };
    let (rows, products) = (product.a.rows, a.rows * k * n);
    let tiles = rows.div_ceil(MOST_ROWS);
    let parts = if parallel { (products / PART_PRODUCTS).clamp(1, tiles.min(MOST_PARTS)) } else { 1 };
    // A vector is multiplied at the rate at which the matrix is read.
    let work = if form == Form::Narrow { products } else { 4 * products };
    options.for_each_part(parts, work, &|part| {
        let tiles = share(tiles, parts, part);
        let rows = tiles.start * MOST_ROWS..rows.min(tiles.end * MOST_ROWS);
        // SAFETY: the caller's promise, and parts do not overlap.
        unsafe { product.rows(rows.clone()) };
        match epilogue {
            Some(epilogue) if form == Form::Row => epilogue.finish(0..1, rows),
            Some(epilogue) => epilogue.finish(rows, 0..n),
            None => (),
        }
    });
}

struct DotProducts<'a, T: 'static> {
    table: &'static [RowKernels<T>],
    /// (M, K), of contiguous rows
    a: Matrix<'a, T>,
    /// (K, N), of contiguous columns
    b: Matrix<'a, T>,
    c: *mut T,
    c_strides: [usize; 2],
    /// Null for none.
    addend: *const T,
    addend_strides: [usize; 2],
    /// The longest sum of a kernel.
    k_block: usize,
}

// SAFETY: parts write disjoint elements of c; all else is only read.
unsafe impl<T: Real> Sync for DotProducts<'_, T> {}

impl<T: Real> DotProducts<'_, T> {
    /// cᵀ = bᵀ · aᵀ + addendᵀ
    fn transposed(self) -> Self {
        let swapped = |[rows, columns]: [usize; 2]| [columns, rows];
        Self {
            a: self.b.transposed(),
            b: self.a.transposed(),
            c_strides: swapped(self.c_strides),
            addend_strides: swapped(self.addend_strides),
            ..self
        }
    }

    /// Computes these rows of c.
    ///
    /// # Safety
    /// The shapes fit those of c and the addend, and nothing else uses these elements of c.
    unsafe fn rows(&self, rows: Range<usize>) {
        for ks in pieces(0..self.a.columns, self.k_block) {
            let (addend, addend_strides) = match ks.start {
                0 => (self.addend, self.addend_strides),
                _ => (self.c.cast_const(), self.c_strides),
            };
            for rows in pieces(rows.clone(), MOST_ROWS) {
                for columns in pieces(0..self.b.columns, self.table.len()) {
                    let at = |strides: [usize; 2]| rows.start * strides[0] + columns.start * strides[1];
                    // SAFETY: the offsets are those of elements of the operands.
                    unsafe {
                        self.table[columns.len() - 1][rows.len() - 1](&Operands {
                            k: ks.len(),
                            a: self.a.data.as_ptr().add(rows.start * self.a.row_stride + ks.start),
                            a_row_stride: self.a.row_stride,
                            b: self.b.data.as_ptr().add(columns.start * self.b.column_stride + ks.start),
                            b_column_stride: self.b.column_stride,
                            c: self.c.add(at(self.c_strides)),
                            c_strides: self.c_strides,
                            addend: addend.wrapping_add(at(addend_strides)),
                            addend_strides,
                        });
                    }
                }
            }
        }
    }
}
