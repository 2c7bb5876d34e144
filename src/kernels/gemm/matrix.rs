//! Strided views of matrices: the operands and the result of a product.

use std::marker::PhantomData;
use std::ops::Range;

use crate::kernels::Real;

/// A read-only matrix: element (i, j) is `data[i * row_stride + j * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// Contiguous rows, one after the other.
    pub fn row_major(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Contiguous rows, `row_stride` elements apart.
    pub fn strided(data: &'a [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        let matrix = Self { data, rows, columns, row_stride, column_stride: 1 };
        matrix.check();
        matrix
    }

    /// The same elements, rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Every element lies inside `data`: what the unchecked loads of the kernels rely on.
    pub(super) fn check(&self) {
        if self.rows > 0 && self.columns > 0 {
            let last = (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride;
            assert!(last < self.data.len(), "a matrix reaches beyond its data");
        }
    }
}

/// Rows of fewer bytes are gathered, not listed: that costs less than it costs to read them where they lie more than once.
pub const LISTED_ROW_BYTES: usize = 16 << 10;

/// Some rows of a matrix with contiguous rows, in any order: element (i, j) is `data[order[i] * row_stride + j]`.
#[derive(Debug, Clone, Copy)]
pub struct ListedRows<'a, T> {
    data: &'a [T],
    row_stride: usize,
    order: &'a [usize],
    columns: usize,
}

impl<'a, T: Real> ListedRows<'a, T> {
    /// The rows `order` of a matrix of `columns` columns whose rows are `row_stride` elements apart in `data`.
    pub fn new(data: &'a [T], row_stride: usize, order: &'a [usize], columns: usize) -> Self {
        if let Some(last) = order.iter().max() {
            assert!(last * row_stride + columns <= data.len(), "a listed row reaches beyond its data");
        }
        Self { data, row_stride, order, columns }
    }
}

/// The left operand: a plain matrix, or listed rows as the matrix or as its transpose.
#[derive(Debug, Clone, Copy)]
pub enum Left<'a, T> {
    Plain(Matrix<'a, T>),
    Listed(ListedRows<'a, T>),
    ListedTransposed(ListedRows<'a, T>),
}

impl<'a, T> From<Matrix<'a, T>> for Left<'a, T> {
    fn from(matrix: Matrix<'a, T>) -> Self {
        Self::Plain(matrix)
    }
}

impl<T: Real> Left<'_, T> {
    /// (M, K)
    pub(super) fn shape(&self) -> (usize, usize) {
        match self {
            Self::Plain(matrix) => (matrix.rows, matrix.columns),
            Self::Listed(listed) => (listed.order.len(), listed.columns),
            Self::ListedTransposed(listed) => (listed.columns, listed.order.len()),
        }
    }

    /// Whether rows or columns are listed.
    pub(super) fn is_listed(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// Whether the ks of a row are contiguous.
    pub(super) fn lies_in_rows(&self) -> bool {
        match self {
            Self::Plain(a) => a.column_stride == 1,
            Self::Listed(_) => true,
            Self::ListedTransposed(_) => false,
        }
    }

    /// Where a[rows, ks] begins, the stride of its rows, and of its ks if these are not listed.
    pub(super) fn block(&self, rows: &Range<usize>, ks: &Range<usize>) -> (&[T], usize, usize) {
        match self {
            Self::Plain(a) => (
                &a.data[rows.start * a.row_stride + ks.start * a.column_stride..],
                a.row_stride,
                a.column_stride,
            ),
            Self::Listed(a) => (&a.data[ks.start..], a.row_stride, 1),
            Self::ListedTransposed(a) => (&a.data[rows.start..], 1, 0),
        }
    }

    /// The numbers of the listed rows `rows`, and the offsets of the elements `ks` of a row, from where the block begins.
    pub(super) fn list(
        &self,
        rows: &Range<usize>,
        ks: &Range<usize>,
        order: &mut [usize],
        offsets: &mut [usize],
    ) {
        match self {
            Self::Plain(_) => unreachable!("nothing is listed"),
            Self::Listed(a) => {
                order[..rows.len()].copy_from_slice(&a.order[rows.clone()]);
                (0..ks.len()).for_each(|k| offsets[k] = k);
            }
            Self::ListedTransposed(a) => {
                (0..rows.len()).for_each(|row| order[row] = row);
                ks.clone().for_each(|k| offsets[k - ks.start] = a.order[k] * a.row_stride);
            }
        }
    }

    /// Line `index` of a[rows, ks] as it lies contiguous in memory: a row, or all rows of a k.
    pub(super) fn line(&self, rows: &Range<usize>, ks: &Range<usize>, index: usize) -> &[T] {
        match self {
            Self::Plain(a) if a.column_stride == 1 => {
                &a.data[(rows.start + index) * a.row_stride + ks.start..][..ks.len()]
            }
            Self::Plain(a) => &a.data[(ks.start + index) * a.column_stride + rows.start..][..rows.len()],
            Self::Listed(a) => &a.data[a.order[rows.start + index] * a.row_stride + ks.start..][..ks.len()],
            Self::ListedTransposed(a) => {
                &a.data[a.order[ks.start + index] * a.row_stride + rows.start..][..rows.len()]
            }
        }
    }
}

/// The result: contiguous rows, `row_stride` elements apart.
///
/// It holds a pointer and not a slice, because the epilogue reads and writes the finished blocks through a pointer of
/// its own while the product is still being computed.
#[derive(Debug)]
pub struct MatrixMut<'a, T> {
    pub(super) data: *mut T,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    exclusive: PhantomData<&'a mut [T]>,
}

impl<'a, T: Real> MatrixMut<'a, T> {
    /// Contiguous rows, one after the other.
    pub fn row_major(data: &'a mut [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Contiguous rows, `row_stride` elements apart.
    pub fn strided(data: &'a mut [T], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(columns <= row_stride || rows <= 1, "the rows of a result may not overlap");
        if rows > 0 && columns > 0 {
            assert!((rows - 1) * row_stride + columns <= data.len(), "a matrix reaches beyond its data");
        }
        Self { data: data.as_mut_ptr(), rows, columns, row_stride, exclusive: PhantomData }
    }

    /// # Safety
    /// `data` points to the rows, `row_stride` elements apart, of `columns` elements each, which nothing else reads or
    /// writes during `'a`, except the epilogue in the block that it is called with.
    pub unsafe fn from_raw(data: *mut T, rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { data, rows, columns, row_stride, exclusive: PhantomData }
    }

    /// Where element (`row`, `column`) lies, and the stride of the rows.
    ///
    /// # Safety
    /// There is such an element.
    pub(super) unsafe fn element(&self, row: usize, column: usize) -> (*mut T, usize) {
        // SAFETY: the caller's promise.
        (unsafe { self.data.add(row * self.row_stride + column) }, self.row_stride)
    }

    /// The rows `first..first + rows`.
    ///
    /// # Safety
    /// Blocks that are in use at the same time do not overlap.
    pub(super) unsafe fn block(&self, first: usize, rows: usize) -> MatrixMut<'_, T> {
        debug_assert!(first + rows <= self.rows);
        // SAFETY: the rows lie within this matrix.
        let data = unsafe { self.data.add(first * self.row_stride) };
        MatrixMut { data, rows, columns: self.columns, row_stride: self.row_stride, exclusive: PhantomData }
    }
}

// SAFETY: the pointer stands for an exclusive borrow of plain numbers; kernels write disjoint blocks from each thread.
unsafe impl<T: Real> Sync for MatrixMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Real> Send for MatrixMut<'_, T> {}
