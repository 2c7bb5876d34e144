//! The vectors of NEON.

use std::arch::aarch64::*;

use super::Vector;

macro_rules! vector {
    ($V:ty: $lanes:literal of $T:ty; $dup:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident,
     $div:ident, $sqrt:ident, $max:ident, $fma:ident, $gt:ident, $select:ident) => {
        // NEON is in the baseline, so that some of its intrinsics are safe to call.
        #[allow(unused_unsafe)]
        impl Vector for $V {
            type Element = $T;
            const LANES: usize = $lanes;
            // 12 · 2 sums, 2 vectors of B and one of A fill 27 of 32 registers.
            const ROWS: usize = 12;

            #[inline(always)]
            unsafe fn splat(element: $T) -> Self {
                // SAFETY: the trait's contract, here and below.
                unsafe { $dup(element) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $T) -> Self {
                // SAFETY: as above.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $T, count: usize) -> Self {
                let mut lanes = [0.0; $lanes];
                // SAFETY: as above.
                unsafe {
                    std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
                    $load(lanes.as_ptr())
                }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $T) {
                // SAFETY: as above.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $T, count: usize) {
                let mut lanes = [0.0; $lanes];
                // SAFETY: as above.
                unsafe {
                    $store(lanes.as_mut_ptr(), self);
                    std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
                }
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
            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // SAFETY: as above. The maximum of NaN and 0 is NaN, that of −0 and 0 is 0.
                unsafe { $max(self, $dup(0.0)) }
            }
            #[inline(always)]
            unsafe fn where_positive(self, other: Self) -> Self {
                // SAFETY: as above.
                unsafe { $select($gt(other, $dup(0.0)), self, $dup(0.0)) }
            }
            #[inline(always)]
            unsafe fn multiply_add(self, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                unsafe { $fma(self, a, b) }
            }
        }
    };
}

vector!(float32x4_t: 4 of f32; vdupq_n_f32, vld1q_f32, vst1q_f32, vaddq_f32, vsubq_f32, vmulq_f32,
    vdivq_f32, vsqrtq_f32, vmaxq_f32, vfmaq_f32, vcgtq_f32, vbslq_f32);
vector!(float64x2_t: 2 of f64; vdupq_n_f64, vld1q_f64, vst1q_f64, vaddq_f64, vsubq_f64, vmulq_f64,
    vdivq_f64, vsqrtq_f64, vmaxq_f64, vfmaq_f64, vcgtq_f64, vbslq_f64);
