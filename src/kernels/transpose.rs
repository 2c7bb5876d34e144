//! Blocks of a matrix transposed in registers.

use crate::kernels::simd::{Isa, isa};

/// Element types whose squares can be transposed in registers.
pub trait Transpose: Sized {
    /// Writes as much as whole squares cover of to (rows, columns), `to_stride` apart, where `from` holds its columns,
    /// `from_stride` apart. Returns the rows and columns covered, which may be none.
    fn transpose_squares(
        from: &[Self],
        from_stride: usize,
        to: &mut [Self],
        to_stride: usize,
        shape: (usize, usize),
    ) -> (usize, usize) {
        let (rows, columns) = shape;
        if rows > 0 && columns > 0 {
            assert!((columns - 1) * from_stride + rows <= from.len());
            assert!((rows - 1) * to_stride + columns <= to.len());
        }
        // SAFETY: the matrices lie in bounds by the assertions.
        unsafe { Self::transpose_squares_at(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride, shape) }
    }

    /// [`Transpose::transpose_squares`] into memory that others write between the rows.
    ///
    /// # Safety
    /// Both matrices lie in memory that is good for them, and nothing else uses the elements of `to`.
    unsafe fn transpose_squares_at(
        from: *const Self,
        from_stride: usize,
        to: *mut Self,
        to_stride: usize,
        shape: (usize, usize),
    ) -> (usize, usize);
}

macro_rules! transpose {
    ($T:ty, $side:literal, $square:ident) => {
        impl Transpose for $T {
            unsafe fn transpose_squares_at(
                from: *const Self,
                from_stride: usize,
                to: *mut Self,
                to_stride: usize,
                (rows, columns): (usize, usize),
            ) -> (usize, usize) {
                let (rows, columns) = (rows - rows % $side, columns - columns % $side);
                if rows == 0 || columns == 0 || !matches!(isa(), Isa::Avx2 | Isa::Avx512) {
                    return (0, 0);
                }
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the machine has AVX, and the caller's promise.
                unsafe {
                    x86::$square(from.cast(), from_stride, to.cast(), to_stride, (rows, columns));
                }
                (rows, columns)
            }
        }
    };
}

transpose!(f32, 8, squares_of_8);
transpose!(f64, 4, squares_of_4);
// Registers of floats hold any bits.
transpose!(i32, 8, squares_of_8);

impl Transpose for u8 {
    unsafe fn transpose_squares_at(
        _: *const u8,
        _: usize,
        _: *mut u8,
        _: usize,
        _: (usize, usize),
    ) -> (usize, usize) {
        (0, 0)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// # Safety
    /// The machine has AVX; the pointers are good for (columns, rows) and (rows, columns) elements, multiples of 8.
    #[target_feature(enable = "avx")]
    pub unsafe fn squares_of_8(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
        (rows, columns): (usize, usize),
    ) {
        for row in (0..rows).step_by(8) {
            for column in (0..columns).step_by(8) {
                // SAFETY: within the matrices.
                unsafe {
                    let from = from.add(column * from_stride + row);
                    let half =
                        |line: usize, offset: usize| _mm_loadu_ps(from.add(line * from_stride + offset));
                    // Lines 0 to 3 in the lower half and 4 to 7 in the upper half: four numbers of each.
                    let lines = |line: usize, offset: usize| {
                        _mm256_insertf128_ps::<1>(
                            _mm256_castps128_ps256(half(line, offset)),
                            half(line + 4, offset),
                        )
                    };
                    for offset in [0, 4] {
                        let (a, b) = (lines(0, offset), lines(1, offset));
                        let (c, d) = (lines(2, offset), lines(3, offset));
                        let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                        let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                        let to = to.add((row + offset) * to_stride + column);
                        _mm256_storeu_ps(to, _mm256_shuffle_ps::<0b0100_0100>(ab_low, cd_low));
                        _mm256_storeu_ps(to.add(to_stride), _mm256_shuffle_ps::<0b1110_1110>(ab_low, cd_low));
                        _mm256_storeu_ps(
                            to.add(2 * to_stride),
                            _mm256_shuffle_ps::<0b0100_0100>(ab_high, cd_high),
                        );
                        _mm256_storeu_ps(
                            to.add(3 * to_stride),
                            _mm256_shuffle_ps::<0b1110_1110>(ab_high, cd_high),
                        );
                    }
                }
            }
        }
    }

    /// # Safety
    /// As [`squares_of_8`], with multiples of 4.
    #[target_feature(enable = "avx")]
    pub unsafe fn squares_of_4(
        from: *const f64,
        from_stride: usize,
        to: *mut f64,
        to_stride: usize,
        (rows, columns): (usize, usize),
    ) {
        for row in (0..rows).step_by(4) {
            for column in (0..columns).step_by(4) {
                // SAFETY: within the matrices.
                unsafe {
                    let from = from.add(column * from_stride + row);
                    let half =
                        |line: usize, offset: usize| _mm_loadu_pd(from.add(line * from_stride + offset));
                    // Lines 0 and 1 in the lower half, 2 and 3 in the upper half: two numbers of each.
                    let lines = |line: usize, offset: usize| {
                        _mm256_insertf128_pd::<1>(
                            _mm256_castpd128_pd256(half(line, offset)),
                            half(line + 2, offset),
                        )
                    };
                    for offset in [0, 2] {
                        let (a, b) = (lines(0, offset), lines(1, offset));
                        let to = to.add((row + offset) * to_stride + column);
                        _mm256_storeu_pd(to, _mm256_unpacklo_pd(a, b));
                        _mm256_storeu_pd(to.add(to_stride), _mm256_unpackhi_pd(a, b));
                    }
                }
            }
        }
    }
}
