//! The dot products of a few rows with a few columns, both contiguous, summed in registers.

use crate::kernels::Real;
use crate::kernels::simd::{Vector, prefetch};

/// What one kernel multiplies: c (rows, columns) = a (rows, k) · b (k, columns) + addend.
pub struct Operands<T> {
    pub k: usize,
    /// Contiguous rows.
    pub a: *const T,
    pub a_row_stride: usize,
    /// Contiguous columns.
    pub b: *const T,
    pub b_column_stride: usize,
    pub c: *mut T,
    pub c_strides: [usize; 2],
    /// Null for none.
    pub addend: *const T,
    pub addend_strides: [usize; 2],
}

pub type DotKernel<T> = unsafe fn(&Operands<T>);

/// Rows of a kernel, at most.
pub const MOST_ROWS: usize = 4;

/// The kernels of some columns: that of `rows` rows is at `rows - 1`.
pub type RowKernels<T> = [DotKernel<T>; MOST_ROWS];

/// `SUMS` sums of each dot product run side by side, so that enough do in all to hide the latency of an addition.
///
/// # Safety
/// The operands' elements are readable and writable; the machine has V's instruction set.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // loops over constants, which become straight code over registers
pub unsafe fn dots<V: Vector, const ROWS: usize, const COLUMNS: usize, const SUMS: usize>(
    operands: &Operands<V::Element>,
) {
    // SAFETY: all accesses lie within the operands that the caller promises.
    unsafe {
        let zero = V::splat(V::Element::ZERO);
        let mut sums = [[[zero; SUMS]; COLUMNS]; ROWS];
        let mut k = 0;
        while k + SUMS * V::LANES <= operands.k {
            for sum in 0..SUMS {
                let mut b = [zero; COLUMNS];
                for column in 0..COLUMNS {
                    b[column] =
                        V::load(operands.b.add(column * operands.b_column_stride + k + sum * V::LANES));
                }
                for row in 0..ROWS {
                    let from = operands.a.add(row * operands.a_row_stride + k + sum * V::LANES);
                    prefetch(from.wrapping_add(ROWS * operands.a_row_stride));
                    let a = V::load(from);
                    for column in 0..COLUMNS {
                        sums[row][column][sum] = sums[row][column][sum].multiply_add(a, b[column]);
                    }
                }
            }
            k += SUMS * V::LANES;
        }
        while k < operands.k {
            let count = (operands.k - k).min(V::LANES);
            for column in 0..COLUMNS {
                let b = V::load_first(operands.b.add(column * operands.b_column_stride + k), count);
                for row in 0..ROWS {
                    let a = V::load_first(operands.a.add(row * operands.a_row_stride + k), count);
                    sums[row][column][0] = sums[row][column][0].multiply_add(a, b);
                }
            }
            k += count;
        }
        for column in 0..COLUMNS {
            let mut vectors = [zero; MOST_ROWS];
            for row in 0..ROWS {
                let mut width = SUMS;
                while width > 1 {
                    width /= 2;
                    for sum in 0..width {
                        let other = sums[row][column][sum + width];
                        sums[row][column][sum] = sums[row][column][sum].add(other);
                    }
                }
                vectors[row] = sums[row][column][0];
            }
            let totals = V::totals(vectors);
            for row in 0..ROWS {
                let at = |strides: [usize; 2]| row * strides[0] + column * strides[1];
                let c = operands.c.add(at(operands.c_strides));
                *c = match operands.addend.is_null() {
                    true => totals[row],
                    false => *operands.addend.add(at(operands.addend_strides)) + totals[row],
                };
            }
        }
    }
}
