//! One product, in the form that suits its shapes and layouts: tiles, dot products, or the transpose of another product.

use super::options::Options;
use super::{Addend, Left, MatrixMut, Right, dots, parts, transposed};
use crate::kernels::Real;

/// See [`super::gemm`].
pub fn run<T: Real>(
    options: &Options<'_, T>,
    a: Left<'_, T>,
    b: Right<'_, T>,
    c: &MatrixMut<'_, T>,
    workspace: &mut [u8],
) {
    let Options { kernels, addend, epilogue, .. } = *options;
    let ((m, k), n) = (a.shape(), c.columns);
    assert_eq!((m, b.shape()), (c.rows, (k, n)), "the shapes of a product do not fit");
    if let Left::Plain(a) = a {
        a.check();
    }
    if let Addend::Row(row) = addend {
        assert_eq!(row.len(), n, "the row does not fit the product that it is added to");
    }
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        // SAFETY: `c` is exclusive, and its rows are in bounds.
        unsafe { write_addend(c, addend) };
        if let Some(epilogue) = epilogue {
            epilogue.finish(0..m, 0..n);
        }
        return;
    }
    if let Right::Plain(b) = b {
        b.check();
        if let Left::Plain(a) = a {
            if let Some(form) = dots::Form::of(kernels, &a, &b) {
                // SAFETY: the operands have been checked.
                return unsafe { dots::run(options, form, a, b, c, workspace) };
            }
            if let Some(form) = transposed::Form::of(kernels, &a, &b, c, addend) {
                // SAFETY: the operands have been checked.
                return unsafe { transposed::run(options, form, a, b, c, workspace) };
            }
        }
    }
    // SAFETY: the operands have been checked.
    unsafe { parts::tiles(options, a, b, c, workspace) };
}

/// c = addend: the product is the empty sum.
///
/// # Safety
/// Nothing else uses `c`.
unsafe fn write_addend<T: Real>(c: &MatrixMut<'_, T>, addend: Addend<'_, T>) {
    for row in 0..c.rows {
        // SAFETY: the rows of a result are in bounds.
        let c = unsafe { std::slice::from_raw_parts_mut(c.data.add(row * c.row_stride), c.columns) };
        match addend {
            Addend::Nothing => c.fill(T::ZERO),
            Addend::Result => {}
            Addend::Row(row) => c.copy_from_slice(row),
        }
    }
}
