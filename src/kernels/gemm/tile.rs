//! The innermost loop: a tile of the result that stays in registers while k runs.
//!
//! A tile has `rows` × (`vectors` · lanes) elements. For each k one row of B is loaded as vectors and multiplied by one
//! number of each row of A. The sizes fill the registers: 14 × 2 vectors leave 4 of AVX-512's 32 for B and A, 6 × 2
//! leave 4 of AVX2's 16. Results of few rows take more vectors instead, so that enough sums run side by side to hide
//! the latency of an addition. Every element is summed alone, in the order of k: tiles of all sizes agree to the bit.

use super::dot_kernel::{self, RowKernels};
use crate::kernels::Real;
use crate::kernels::simd::{Isa, Lanes, Vector, prefetch};

/// What one tile is made of.
pub struct Operands<T> {
    /// The sum runs over `0..k`.
    pub k: usize,
    /// a (rows, k)
    pub a: *const T,
    pub a_row_stride: usize,
    pub a_k_stride: usize,
    /// For listed tiles alone: element (i, k) of a is at `a_order[i] · a_row_stride + a_offsets[k]`.
    pub a_order: *const usize,
    pub a_offsets: *const usize,
    /// For listed tiles alone: from an element of A to one that is used later.
    pub a_next: usize,
    /// For the others: an element that is used later, and from it to the one that is asked for at the next k.
    pub prefetch: *const T,
    pub prefetch_stride: usize,
    /// b (k, columns), in panels of two vectors: `b_panel_stride` from the first column of one to that of the next.
    pub b: *const T,
    pub b_k_stride: usize,
    pub b_panel_stride: usize,
    /// From a row of B to one that is asked for meanwhile, by tiles that have loads to spare.
    pub b_prefetch: usize,
    /// c (rows, columns)
    pub c: *mut T,
    pub c_row_stride: usize,
    /// Elements of the last vector that exist; read by masked tiles alone.
    pub last: usize,
    /// (rows, columns): c = a · b + addend; null for none. Rows may be one and the same.
    pub addend: *const T,
    pub addend_row_stride: usize,
}

pub type TileKernel<T> = unsafe fn(&Operands<T>);

/// The tiles of one width.
pub struct Family<T: 'static> {
    pub vectors: usize,
    /// The kernel for `rows` rows is at `rows - 1`.
    pub full: &'static [TileKernel<T>],
    /// The same where the last vector is only partly there; none for the widest tiles.
    pub masked: &'static [TileKernel<T>],
}

/// All kernels of one instruction set and element type.
pub struct Kernels<T: 'static> {
    pub lanes: usize,
    /// 8, 4, 2 and 1 vectors wide.
    pub families: [Family<T>; 4],
    /// 1 vector wide, for an A whose rows or columns are listed.
    pub listed: Family<T>,
    /// The dot products of 1, 2, … columns.
    pub dots: &'static [RowKernels<T>],
}

impl<T> Kernels<T> {
    /// Columns of a panel of B.
    pub fn panel(&self) -> usize {
        2 * self.lanes
    }
}

/// c (ROWS, VECTORS · lanes) = a · b + addend.
///
/// # Safety
/// The operands' elements are readable and writable; the machine has V's instruction set.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // loops over constants, which become straight code over registers
unsafe fn tile<V: Vector, const ROWS: usize, const VECTORS: usize, const MASKED: bool, const LISTED: bool>(
    operands: &Operands<V::Element>,
) {
    // SAFETY: all accesses lie within the operands that the caller promises.
    unsafe {
        let is_masked = |vector: usize| MASKED && vector == VECTORS - 1;
        let mut sums = [[V::splat(V::Element::ZERO); VECTORS]; ROWS];
        let a_rows: [*const V::Element; ROWS] = std::array::from_fn(|row| {
            let row = if LISTED { *operands.a_order.add(row) } else { row };
            operands.a.add(row * operands.a_row_stride)
        });
        for row in 0..ROWS {
            prefetch(operands.c.add(row * operands.c_row_stride));
            prefetch(operands.c.add(row * operands.c_row_stride + (VECTORS - 1) * V::LANES));
        }
        let mut b_row = operands.b;
        let (mut a_offset, mut turn, mut next_line) = (0, 0, operands.prefetch);
        for k in 0..operands.k {
            if LISTED {
                a_offset = *operands.a_offsets.add(k);
            }
            let mut b = [V::splat(V::Element::ZERO); VECTORS];
            for vector in 0..VECTORS {
                let from = b_row.add(vector / 2 * operands.b_panel_stride + vector % 2 * V::LANES);
                // Where a k has more multiply-adds than loads there is time to ask for a row of B that is used later.
                if 2 * VECTORS + ROWS < ROWS * VECTORS && !LISTED {
                    prefetch(from.wrapping_add(operands.b_prefetch));
                }
                b[vector] =
                    if is_masked(vector) { V::load_first(from, operands.last) } else { V::load(from) };
            }
            for row in 0..ROWS {
                let a = V::splat(*a_rows[row].add(a_offset));
                for vector in 0..VECTORS {
                    sums[row][vector] = sums[row][vector].multiply_add(a, b[vector]);
                }
            }
            if LISTED {
                // Each row in its turn, which comes before the row's line is over.
                prefetch(a_rows[turn].wrapping_add(a_offset + operands.a_next));
                turn = if turn + 1 == ROWS { 0 } else { turn + 1 };
            } else {
                prefetch(next_line);
                next_line = next_line.wrapping_add(operands.prefetch_stride);
                a_offset += operands.a_k_stride;
            }
            b_row = b_row.add(operands.b_k_stride);
        }
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                let c = operands.c.add(row * operands.c_row_stride + vector * V::LANES);
                let addend =
                    operands.addend.wrapping_add(row * operands.addend_row_stride + vector * V::LANES);
                let adds = !operands.addend.is_null();
                if is_masked(vector) {
                    let sum = if adds { V::load_first(addend, operands.last).add(sum) } else { sum };
                    sum.store_first(c, operands.last);
                } else {
                    let sum = if adds { V::load(addend).add(sum) } else { sum };
                    sum.store(c);
                }
            }
        }
    }
}

/// The kernels of one instruction set as a static table, compiled with its instructions enabled.
macro_rules! kernels {
    ($module:ident: $T:ty as $V:ty $(, $features:literal)?;
     8: [$($eight:literal)*], 4: [$($four:literal)*], 2: [$($two:literal)*], 1: [$($one:literal)*],
     dots: [$($columns:literal of $sums:literal)*]) => {
        pub(super) mod $module {
            use super::*;

            $(#[target_feature(enable = $features)])?
            unsafe fn run<const ROWS: usize, const VECTORS: usize, const MASKED: bool, const LISTED: bool>(
                operands: &Operands<$T>,
            ) {
                // SAFETY: the caller's promise; the instructions are enabled here.
                unsafe { tile::<$V, ROWS, VECTORS, MASKED, LISTED>(operands) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn run_dots<const ROWS: usize, const COLUMNS: usize, const SUMS: usize>(
                operands: &dot_kernel::Operands<$T>,
            ) {
                // SAFETY: as above.
                unsafe { dot_kernel::dots::<$V, ROWS, COLUMNS, SUMS>(operands) }
            }

            pub static KERNELS: Kernels<$T> = Kernels {
                lanes: <$V as Vector>::LANES,
                families: [
                    Family { vectors: 8, full: &[$(run::<$eight, 8, false, false>),*], masked: &[] },
                    Family { vectors: 4, full: &[$(run::<$four, 4, false, false>),*], masked: &[] },
                    Family {
                        vectors: 2,
                        full: &[$(run::<$two, 2, false, false>),*],
                        masked: &[$(run::<$two, 2, true, false>),*],
                    },
                    Family {
                        vectors: 1,
                        full: &[$(run::<$one, 1, false, false>),*],
                        masked: &[$(run::<$one, 1, true, false>),*],
                    },
                ],
                listed: Family {
                    vectors: 1,
                    full: &[$(run::<$one, 1, false, true>),*],
                    masked: &[$(run::<$one, 1, true, true>),*],
                },
                dots: &[$([
                    run_dots::<1, $columns, $sums>,
                    run_dots::<2, $columns, $sums>,
                    run_dots::<3, $columns, $sums>,
                    run_dots::<4, $columns, $sums>,
                ]),*],
            };
        }
    };
}

kernels!(portable_f32: f32 as Lanes<f32, 4>; 8: [1], 4: [1 2], 2: [1 2 3 4], 1: [1 2 3 4],
        dots: [1 of 4]);
kernels!(portable_f64: f64 as Lanes<f64, 2>; 8: [1], 4: [1 2], 2: [1 2 3 4], 1: [1 2 3 4],
        dots: [1 of 4]);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    use super::*;

    kernels!(avx2_f32: f32 as __m256, "avx2,fma";
        8: [1], 4: [1 2 3], 2: [1 2 3 4 5 6], 1: [1 2 3 4 5 6 7 8 9 10 11 12],
        dots: [1 of 4 2 of 2 3 of 1]);
    kernels!(avx2_f64: f64 as __m256d, "avx2,fma";
        8: [1], 4: [1 2 3], 2: [1 2 3 4 5 6], 1: [1 2 3 4 5 6 7 8 9 10 11 12],
        dots: [1 of 4 2 of 2 3 of 1]);
    kernels!(avx512_f32: f32 as __m512, "avx512f,avx512vl,avx512dq,avx512bw";
        8: [1 2 3], 4: [1 2 3 4 5 6], 2: [1 2 3 4 5 6 7 8 9 10 11 12 13 14], 1: [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        dots: [1 of 4 2 of 2 3 of 1 4 of 1 5 of 1]);
    kernels!(avx512_f64: f64 as __m512d, "avx512f,avx512vl,avx512dq,avx512bw";
        8: [1 2 3], 4: [1 2 3 4 5 6], 2: [1 2 3 4 5 6 7 8 9 10 11 12 13 14], 1: [1 2 3 4 5 6 7 8 9 10 11 12 13 14],
        dots: [1 of 4 2 of 2 3 of 1 4 of 1 5 of 1]);
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::{float32x4_t, float64x2_t};

    use super::*;

    kernels!(neon_f32: f32 as float32x4_t;
        8: [1 2 3], 4: [1 2 3 4 5 6], 2: [1 2 3 4 5 6 7 8 9 10 11 12], 1: [1 2 3 4 5 6 7 8 9 10 11 12],
        dots: [1 of 4 2 of 2 3 of 1 4 of 1 5 of 1]);
    kernels!(neon_f64: f64 as float64x2_t;
        8: [1 2 3], 4: [1 2 3 4 5 6], 2: [1 2 3 4 5 6 7 8 9 10 11 12], 1: [1 2 3 4 5 6 7 8 9 10 11 12],
        dots: [1 of 4 2 of 2 3 of 1 4 of 1 5 of 1]);
}

/// The element types that there are kernels for.
pub trait HasKernels: Sized + 'static {
    /// The kernels of `isa`, which the machine must have.
    fn kernels(isa: Isa) -> &'static Kernels<Self>;
}

macro_rules! has_kernels {
    ($T:ty, $portable:ident, $avx2:ident, $avx512:ident, $neon:ident) => {
        impl HasKernels for $T {
            fn kernels(isa: Isa) -> &'static Kernels<Self> {
                debug_assert!(isa.is_available());
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => &x86::$avx2::KERNELS,
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => &x86::$avx512::KERNELS,
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => &arm::$neon::KERNELS,
                    _ => &$portable::KERNELS,
                }
            }
        }
    };
}

has_kernels!(f32, portable_f32, avx2_f32, avx512_f32, neon_f32);
has_kernels!(f64, portable_f64, avx2_f64, avx512_f64, neon_f64);
