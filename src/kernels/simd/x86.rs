//! The vectors of AVX2 and AVX-512.

use std::arch::x86_64::*;

use super::Vector;

macro_rules! vector {
    ($V:ty: $lanes:literal of $T:ty, $rows:literal rows; $set1:ident, $loadu:ident, $load_masked:ident,
     $storeu:ident, $store_masked:ident, $mask:ident, $add:ident, $sub:ident, $mul:ident,
     $div:ident, $sqrt:ident, $max:ident, $fmadd:ident, $where_positive:ident $(, $rsqrt:ident, $totals:ident)?) => {
        impl Vector for $V {
            type Element = $T;
            const LANES: usize = $lanes;
            const ROWS: usize = $rows;

            #[inline(always)]
            unsafe fn splat(element: $T) -> Self {
                // SAFETY: the trait's contract, here and below.
                unsafe { $set1(element) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $T) -> Self {
                // SAFETY: as above.
                unsafe { $loadu(from) }
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $T, count: usize) -> Self {
                // SAFETY: as above; a masked load reads only the lanes of its mask.
                unsafe { $load_masked(from, $mask(count)) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $T) {
                // SAFETY: as above.
                unsafe { $storeu(to, self) }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $T, count: usize) {
                // SAFETY: as above; a masked store writes only the lanes of its mask.
                unsafe { $store_masked(to, $mask(count), self) }
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $add(self, other) }
            }
            #[inline(always)]
            unsafe fn subtract(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $sub(self, other) }
            }
            #[inline(always)]
            unsafe fn multiply(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $mul(self, other) }
            }
            #[inline(always)]
            unsafe fn divide(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $div(self, other) }
            }
            #[inline(always)]
            unsafe fn square_root(self) -> Self {
                // SAFETY: as above.
                unsafe { $sqrt(self) }
            }
            $(
                #[inline(always)]
                unsafe fn reciprocal_square_root(self) -> Self {
                    // SAFETY: as above.
                    unsafe { $rsqrt(self) }
                }
                #[inline(always)]
                unsafe fn totals(vectors: [Self; 4]) -> [$T; 4] {
                    // SAFETY: as above.
                    unsafe { $totals(vectors) }
                }
            )?
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // SAFETY: as above. The maximum is its second operand where that is NaN or −0, to which 0 is added.
                unsafe { $add($max($set1(0.0), self), $set1(0.0)) }
            }
            #[inline(always)]
            unsafe fn where_positive(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $where_positive(self, other) }
            }
            #[inline(always)]
            unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { $fmadd(a, b, self) }
            }
        }
    };
}

// 14 · 2 sums, 2 vectors of B and one of A fill 31 of 32 registers; 6 · 2 + 2 + 1 fill 15 of 16.
#[rustfmt::skip]
vector!(__m512: 16 of f32, 14 rows; _mm512_set1_ps, _mm512_loadu_ps, load_masked_16, _mm512_storeu_ps,
    _mm512_mask_storeu_ps, mask_16, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_div_ps,
    _mm512_sqrt_ps, _mm512_max_ps, _mm512_fmadd_ps, where_positive_16, reciprocal_square_root_16, totals_16);
#[rustfmt::skip]
vector!(__m512d: 8 of f64, 14 rows; _mm512_set1_pd, _mm512_loadu_pd, load_masked_8, _mm512_storeu_pd,
    _mm512_mask_storeu_pd, mask_8, _mm512_add_pd, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd,
    _mm512_sqrt_pd, _mm512_max_pd, _mm512_fmadd_pd, where_positive_8_of_f64);
#[rustfmt::skip]
vector!(__m256: 8 of f32, 6 rows; _mm256_set1_ps, _mm256_loadu_ps, _mm256_maskload_ps, _mm256_storeu_ps,
    _mm256_maskstore_ps, mask_of_8, _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps, _mm256_div_ps,
    _mm256_sqrt_ps, _mm256_max_ps, _mm256_fmadd_ps, where_positive_8, reciprocal_square_root_8, totals_8);
#[rustfmt::skip]
vector!(__m256d: 4 of f64, 6 rows; _mm256_set1_pd, _mm256_loadu_pd, _mm256_maskload_pd, _mm256_storeu_pd,
    _mm256_maskstore_pd, mask_of_4, _mm256_add_pd, _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd,
    _mm256_sqrt_pd, _mm256_max_pd, _mm256_fmadd_pd, where_positive_4);

#[inline(always)]
unsafe fn where_positive_16(x: __m512, other: __m512) -> __m512 {
    // SAFETY: the trait's contract.
    unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(other, _mm512_setzero_ps()), x) }
}

#[inline(always)]
unsafe fn where_positive_8_of_f64(x: __m512d, other: __m512d) -> __m512d {
    // SAFETY: the trait's contract.
    unsafe { _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(other, _mm512_setzero_pd()), x) }
}

#[inline(always)]
unsafe fn where_positive_8(x: __m256, other: __m256) -> __m256 {
    // SAFETY: the trait's contract.
    unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(other, _mm256_setzero_ps()), x) }
}

#[inline(always)]
unsafe fn where_positive_4(x: __m256d, other: __m256d) -> __m256d {
    // SAFETY: the trait's contract.
    unsafe { _mm256_and_pd(_mm256_cmp_pd::<_CMP_GT_OQ>(other, _mm256_setzero_pd()), x) }
}

/// 1 / √x from an estimate of 14 bits, where square roots and divisions take four times as long. With y the estimate and
/// e = 1 − x·y², 1 / √x = y / √(1 − e) = y · (1 + e/2 + 3/8 e² + …): here the terms up to e, as e is at most 2⁻¹³. An estimate of
/// 0 or ∞ is exact, but e is not a number then: the minimum is its second operand, any positive number, with which y stays
/// what it is.
#[inline(always)]
unsafe fn reciprocal_square_root_16(x: __m512) -> __m512 {
    // SAFETY: the trait's contract.
    unsafe {
        let (y, half) = (_mm512_rsqrt14_ps(x), _mm512_set1_ps(0.5));
        let e = _mm512_fnmadd_ps(_mm512_mul_ps(x, y), y, _mm512_set1_ps(1.0));
        let e = _mm512_min_ps(e, half);
        _mm512_fmadd_ps(_mm512_mul_ps(y, half), e, y)
    }
}

/// [`reciprocal_square_root_16`] from an estimate of 12 bits, so with the term of e² too. The estimate is ∞ for subnormal
/// numbers: e is −∞ then.
#[inline(always)]
unsafe fn reciprocal_square_root_8(x: __m256) -> __m256 {
    // SAFETY: the trait's contract.
    unsafe {
        let y = _mm256_rsqrt_ps(x);
        let e = _mm256_fnmadd_ps(_mm256_mul_ps(x, y), y, _mm256_set1_ps(1.0));
        let e = _mm256_min_ps(e, _mm256_set1_ps(0.5));
        let series = _mm256_fmadd_ps(e, _mm256_set1_ps(0.375), _mm256_set1_ps(0.5));
        _mm256_fmadd_ps(_mm256_mul_ps(y, e), series, y)
    }
}

/// Sums of neighbours until each four lanes hold a sum of each vector; these fours are then added up.
#[inline(always)]
unsafe fn totals_16([a, b, c, d]: [__m512; 4]) -> [f32; 4] {
    // SAFETY: the trait's contract.
    unsafe { totals_8([sum_of_halves(a), sum_of_halves(b), sum_of_halves(c), sum_of_halves(d)]) }
}

#[inline(always)]
unsafe fn sum_of_halves(vector: __m512) -> __m256 {
    // SAFETY: the trait's contract.
    unsafe {
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(vector)));
        _mm256_add_ps(_mm512_castps512_ps256(vector), upper)
    }
}

/// [`totals_16`]
#[inline(always)]
unsafe fn totals_8([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
    // SAFETY: the trait's contract.
    unsafe {
        let fours = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        let totals = _mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps::<1>(fours));
        let mut lanes = [0.0; 4];
        _mm_storeu_ps(lanes.as_mut_ptr(), totals);
        lanes
    }
}

#[inline(always)]
unsafe fn load_masked_16(from: *const f32, mask: __mmask16) -> __m512 {
    // SAFETY: as [`Vector::load_first`].
    unsafe { _mm512_maskz_loadu_ps(mask, from) }
}

#[inline(always)]
unsafe fn load_masked_8(from: *const f64, mask: __mmask8) -> __m512d {
    // SAFETY: as [`Vector::load_first`].
    unsafe { _mm512_maskz_loadu_pd(mask, from) }
}

#[inline(always)]
fn mask_16(count: usize) -> __mmask16 {
    u16::MAX >> (16 - count)
}

#[inline(always)]
fn mask_8(count: usize) -> __mmask8 {
    u8::MAX >> (8 - count)
}

/// AVX2's masks are vectors, whose lanes count where the top bit is set.
#[inline(always)]
unsafe fn mask_of_8(count: usize) -> __m256i {
    static LANES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: `count` is 1 to 8.
    unsafe { _mm256_loadu_si256(LANES.as_ptr().add(8 - count).cast()) }
}

#[inline(always)]
unsafe fn mask_of_4(count: usize) -> __m256i {
    static LANES: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];
    // SAFETY: `count` is 1 to 4.
    unsafe { _mm256_loadu_si256(LANES.as_ptr().add(4 - count).cast()) }
}
