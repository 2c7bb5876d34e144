//! Blocks of a matrix transposed in registers.

#[cfg(target_arch = "x86_64")]
use crate::kernels::simd::{Isa, isa};

/// Element types of matrices that can be transposed, square by square in registers where the machine allows it.
pub trait Transpose: Copy {
    /// Writes to (rows, columns), `to_stride` apart, where `from` holds its columns, `from_stride` apart.
    fn transpose(
        from: &[Self],
        from_stride: usize,
        to: &mut [Self],
        to_stride: usize,
        (rows, columns): (usize, usize),
    ) {
        if rows == 0 || columns == 0 {
            return;
        }
        assert!((columns - 1) * from_stride + rows <= from.len());
        assert!((rows - 1) * to_stride + columns <= to.len());
        // SAFETY: the matrices lie in bounds by the assertions.
        unsafe {
            Self::transpose_at(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride, (rows, columns));
        }
    }

    /// [`Transpose::transpose`] into memory that others write between the rows.
    ///
    /// # Safety
    /// Both matrices lie in memory that is good for them, and nothing else uses the elements of `to`.
    unsafe fn transpose_at(
        from: *const Self,
        from_stride: usize,
        to: *mut Self,
        to_stride: usize,
        (rows, columns): (usize, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let (whole_rows, whole_columns) =
                Self::transpose_squares(from, from_stride, to, to_stride, (rows, columns));
            for row in 0..rows {
                let first = if row < whole_rows { whole_columns } else { 0 };
                for column in first..columns {
                    *to.add(row * to_stride + column) = *from.add(column * from_stride + row);
                }
            }
        }
    }

    /// Writes as much as whole squares cover of `to`. Returns the rows and columns covered, which may be none.
    ///
    /// # Safety
    /// As [`Transpose::transpose_at`].
    unsafe fn transpose_squares(
        _from: *const Self,
        _from_stride: usize,
        _to: *mut Self,
        _to_stride: usize,
        _shape: (usize, usize),
    ) -> (usize, usize) {
        (0, 0)
    }
}

macro_rules! transpose {
    ($T:ty, $side:literal, $squares:ident) => {
        impl Transpose for $T {
            #[cfg(target_arch = "x86_64")]
            unsafe fn transpose_squares(
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
                // SAFETY: the machine has AVX, and the caller's promise.
                unsafe { x86::$squares(from.cast(), from_stride, to.cast(), to_stride, (rows, columns)) };
                (rows, columns)
            }
        }
    };
}

transpose!(f32, 8, squares_of_16_or_8);
transpose!(f64, 4, squares_of_4);
// Registers of floats hold any bits.
transpose!(i32, 8, squares_of_16_or_8);

impl Transpose for u8 {}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Isa, isa};

    /// # Safety
    /// As [`squares_of_8`].
    pub unsafe fn squares_of_16_or_8(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
        (rows, columns): (usize, usize),
    ) {
        // SAFETY: within the matrices; `isa` returns instruction sets that the machine has.
        unsafe {
            if isa() != Isa::Avx512 {
                return squares_of_8(from, from_stride, to, to_stride, (rows, columns));
            }
            let (inner_rows, inner_columns) = (rows - rows % 16, columns - columns % 16);
            squares_of_16(from, from_stride, to, to_stride, (inner_rows, inner_columns));
            let (right, from_right) = (to.add(inner_columns), from.add(inner_columns * from_stride));
            squares_of_8(from_right, from_stride, right, to_stride, (inner_rows, columns - inner_columns));
            let (below, from_below) = (to.add(inner_rows * to_stride), from.add(inner_rows));
            squares_of_8(from_below, from_stride, below, to_stride, (rows - inner_rows, columns));
        }
    }

    /// Pairs of numbers of a and b side by side: the even ones, and the odd ones.
    #[target_feature(enable = "avx512f")]
    fn pairs(a: __m512, b: __m512) -> [__m512; 2] {
        let (a, b) = (_mm512_castps_pd(a), _mm512_castps_pd(b));
        [_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b))]
    }

    /// # Safety
    /// The machine has AVX-512; the pointers are good for (columns, rows) and (rows, columns) elements, multiples of 16.
    #[target_feature(enable = "avx512f")]
    #[allow(clippy::needless_range_loop)] // over four arrays at once
    unsafe fn squares_of_16(
        from: *const f32,
        from_stride: usize,
        to: *mut f32,
        to_stride: usize,
        (rows, columns): (usize, usize),
    ) {
        for row in (0..rows).step_by(16) {
            for column in (0..columns).step_by(16) {
                // SAFETY: within the matrices.
                unsafe {
                    let from = from.add(column * from_stride + row);
                    let to = to.add(row * to_stride + column);
                    // Four lines at a time: `lanes[i][j]` has, in its lane l, number 4·l + j of lines 4·i to 4·i + 3.
                    let lanes: [[__m512; 4]; 4] = std::array::from_fn(|i| {
                        let line = |line: usize| _mm512_loadu_ps(from.add((4 * i + line) * from_stride));
                        let (a, b, c, d) = (line(0), line(1), line(2), line(3));
                        let low = pairs(_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                        let high = pairs(_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                        [low[0], low[1], high[0], high[1]]
                    });
                    for j in 0..4 {
                        let [a, b, c, d] = [lanes[0][j], lanes[1][j], lanes[2][j], lanes[3][j]];
                        let (ab_even, ab_odd) =
                            (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                        let (cd_even, cd_odd) =
                            (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
                        let store =
                            |number: usize, v: __m512| _mm512_storeu_ps(to.add(number * to_stride), v);
                        store(j, _mm512_shuffle_f32x4::<0x88>(ab_even, cd_even));
                        store(4 + j, _mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd));
                        store(8 + j, _mm512_shuffle_f32x4::<0xdd>(ab_even, cd_even));
                        store(12 + j, _mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd));
                    }
                }
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Transpose + PartialEq + std::fmt::Debug + Default>(element: impl Fn(usize) -> T) {
        for (rows, columns) in [(16, 16), (8, 24), (43, 37), (7, 64), (1, 5)] {
            let (from_stride, to_stride) = (rows + 3, columns + 5);
            let from: Vec<T> = (0..columns * from_stride).map(&element).collect();
            let mut to = vec![T::default(); rows * to_stride];
            T::transpose(&from, from_stride, &mut to, to_stride, (rows, columns));
            for (row, line) in to.chunks(to_stride).enumerate() {
                let expected = (0..columns).map(|column| from[column * from_stride + row]);
                assert!(line[..columns].iter().copied().eq(expected), "{rows} × {columns}, row {row}");
                assert!(line[columns..].iter().all(|&element| element == T::default()));
            }
        }
    }

    #[test]
    fn whole_squares_and_what_is_left_of_every_dtype() {
        check(|index| index as f32 + 1.0);
        check(|index| index as f64 + 1.0);
        check(|index| (index as i32).wrapping_mul(65_537) + 1);
        check(|index| index as u8 | 1);
    }
}
