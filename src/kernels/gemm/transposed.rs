//! C = A·B as the transpose of Bᵀ·Aᵀ, where that takes fewer or fuller vectors.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::dots::is_narrow;
use super::options::{Options, numbers};
use super::pack::pack_with;
use super::parts::tiles;
use super::plan::share;
use super::tile::Kernels;
use super::{Addend, Left, Matrix, MatrixMut, Right};
use crate::kernels::Epilogue;
use crate::kernels::Real;
use crate::threads::DisjointMut;

/// Which products are sooner transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One contiguous column of results, of an A with contiguous columns: the transposed B has contiguous rows.
    Column,
    /// Of few columns, as the gradient of a kernel with few units, and an A with contiguous columns: rows of B would leave
    /// much of a vector empty.
    Narrow,
    /// B would be transposed to be packed, and A and C are smaller than B, as for the gradient of a small batch: these are
    /// transposed instead, and B is read where it lies.
    Small,
}

impl Form {
    /// The form of c = a · b + addend, if it is sooner transposed.
    pub fn of<T: Real>(
        kernels: &Kernels<T>,
        a: &Matrix<'_, T>,
        b: &Matrix<'_, T>,
        c: &MatrixMut<'_, T>,
        addend: Addend<'_, T>,
    ) -> Option<Self> {
        let ((m, k), n) = ((a.rows, a.columns), b.columns);
        let (panel, adds) = (kernels.panel(), !matches!(addend, Addend::Nothing));
        if a.row_stride == 1 && a.column_stride != 1 {
            if n == 1 {
                let is_column = c.row_stride == 1 && !matches!(addend, Addend::Row(_));
                return is_column.then_some(Self::Column);
            }
            if m >= 2 * panel && is_narrow(kernels, n) && !adds {
                return Some(Self::Narrow);
            }
        }
        // The rows of A become columns, which should fill vectors; and what is needed has to fit where B would be packed.
        let is_small = b.row_stride == 1
            && !adds
            && m.is_multiple_of(kernels.lanes)
            && 2 * m * (k + n) <= k * n
            && small_memory(m, k, n, panel) <= k * n;
        is_small.then_some(Self::Small)
    }
}

/// c = a · b + addend, in a form that suits it.
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
    // SAFETY: the caller's promise.
    unsafe {
        match form {
            Form::Column => run_column(options, a, b, c, workspace),
            Form::Narrow => run_narrow(options, a, b, c),
            Form::Small => run_small(options, a, b, c, numbers(workspace)),
        }
    }
}

/// # Safety
/// As [`run`].
unsafe fn run_column<T: Real>(
    options: &Options<'_, T>,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &MatrixMut<'_, T>,
    workspace: &mut [u8],
) {
    // SAFETY: the same results, one after the other.
    let row = unsafe { MatrixMut::from_raw(c.data, 1, a.rows, a.rows) };
    let transposed = options
        .epilogue
        .map(|epilogue| move |_: Range<usize>, columns: Range<usize>| epilogue.finish(columns, 0..1));
    let transposed = transposed.as_ref().map(|transposed| transposed as &dyn Epilogue);
    let (left, right) = (Left::Plain(b.transposed()), Right::Plain(a.transposed()));
    // SAFETY: the operands are those of a product.
    unsafe { tiles(&Options { epilogue: transposed, ..*options }, left, right, &row, workspace) };
}

/// Elements of a block of Cᵀ.
const NARROW_BLOCK: usize = 4096;

/// Multiply-adds of a part, at least.
const PART_PRODUCTS: usize = 100_000;

/// Parts that are wanted for the threads, at most.
const MOST_PARTS: usize = 16;

/// # Safety
/// As [`run`].
unsafe fn run_narrow<T: Real>(
    options: &Options<'_, T>,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &MatrixMut<'_, T>,
) {
    let ((m, k), n, panel) = ((a.rows, a.columns), b.columns, options.kernels.panel());
    let block_options = Options { parallel: false, epilogue: None, prefetch: None, ..*options };
    let panels = m.div_ceil(panel);
    let most_panels = (NARROW_BLOCK / n / panel).max(1);
    let wanted = if options.parallel { (m * k * n / PART_PRODUCTS).clamp(1, MOST_PARTS) } else { 1 };
    let parts = panels.div_ceil(most_panels).max(wanted.min(panels));
    options.for_each_part(parts, m * k * n, &|part| {
        let panels = share(panels, parts, part);
        let rows = panels.start * panel..m.min(panels.end * panel);
        let mut memory = [const { MaybeUninit::<T>::uninit() }; NARROW_BLOCK];
        let block: *mut T = memory.as_mut_ptr().cast();
        let right = Matrix { data: &a.data[rows.start..], rows: rows.len(), ..a }.transposed();
        let (left, right) = (Left::Plain(b.transposed()), Right::Plain(right));
        // SAFETY: the operands are those of a product; the memory holds the block, and nothing else uses it or that of c.
        unsafe {
            let result = MatrixMut::from_raw(block, n, rows.len(), rows.len());
            tiles(&block_options, left, right, &result, &mut []);
            let (to, stride) = c.element(rows.start, 0);
            T::transpose_at(block, rows.len(), to, stride, (rows.len(), n));
        }
        if let Some(epilogue) = options.epilogue {
            epilogue.finish(rows, 0..n);
        }
    });
}

/// Elements that Aᵀ in panels and Cᵀ take in [`Form::Small`].
fn small_memory(m: usize, k: usize, n: usize, panel: usize) -> usize {
    k * m.next_multiple_of(panel) + n * m
}

/// With room for K · N elements.
///
/// # Safety
/// As [`run`].
unsafe fn run_small<T: Real>(
    options: &Options<'_, T>,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &MatrixMut<'_, T>,
    room: &mut [T],
) {
    let ((m, k), n, panel) = ((a.rows, a.columns), b.columns, options.kernels.panel());
    let (result, packed) = room[..small_memory(m, k, n, panel)].split_at_mut(n * m);
    let right = Right::Packed(pack_with(panel, a.transposed(), packed));
    let result = DisjointMut::new(result);
    let back = |columns: Range<usize>, rows: Range<usize>| {
        // SAFETY: the block of the result is finished, and nothing else uses that of c.
        unsafe {
            let from = result.as_ptr().add(columns.start * m + rows.start);
            let (to, stride) = c.element(rows.start, columns.start);
            T::transpose_at(from, m, to, stride, (rows.len(), columns.len()));
        }
        if let Some(epilogue) = options.epilogue {
            epilogue.finish(rows, columns);
        }
    };
    let left = Left::Plain(b.transposed());
    // SAFETY: the operands are those of a product. There are so many rows, which the epilogue alone reads, once they are
    // finished.
    unsafe {
        let result = MatrixMut::from_raw(result.as_mut_ptr(), n, m, m);
        let options = Options { epilogue: Some(&back), prefetch: None, ..*options };
        tiles(&options, left, right, &result, &mut []);
    }
}
