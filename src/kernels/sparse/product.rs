//! Sparse rows times a dense matrix, and their transpose times one.

use super::SparseRows;
use super::rows::SEGMENTS;
use crate::kernels::Epilogue;
use crate::kernels::gemm::k_blocks;
use crate::kernels::simd::{self, Kernel, Vector, isa};
use crate::threads::{DisjointMut, for_each_part};

/// Multiply-adds of one thread in a nanosecond, roughly: B is read for each.
const PRODUCTS_A_NANOSECOND: usize = 10;

/// Whether there is neither an infinity nor a NaN.
pub fn all_finite(elements: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    elements.chunks(1024).all(|chunk| {
        // Without a way out of the inner loop it runs over vectors.
        chunk.iter().fold(true, |finite, element| finite & (element.to_bits() & EXPONENT != EXPONENT))
    })
}

/// c (M, N) = a (M, K) · b (K, N) + addend (N), where b is finite.
pub fn product(
    a: SparseRows<'_>,
    b: &[f32],
    addend: Option<&[f32]>,
    c: &mut [f32],
    n: usize,
    epilogue: Option<&dyn Epilogue>,
) {
    const ROWS_A_PART: usize = 16;
    assert_eq!((b.len(), c.len()), (a.columns * n, a.rows * n), "the shapes of a product do not fit");
    assert!(addend.is_none_or(|addend| addend.len() == n), "the row does not fit the product");
    let c = DisjointMut::new(c);
    let work = a.rows * a.columns * n / 32 / PRODUCTS_A_NANOSECOND;
    for_each_part(a.rows.div_ceil(ROWS_A_PART), work as u64, &|part| {
        let rows = part * ROWS_A_PART..a.rows.min((part + 1) * ROWS_A_PART);
        for row in rows.clone() {
            // SAFETY: each row of c belongs to one part.
            let c = unsafe { c.slice(row * n..(row + 1) * n) };
            simd::run(isa(), RowProduct { a, row, b, addend, c });
        }
        if let Some(epilogue) = epilogue {
            epilogue.finish(rows, 0..n);
        }
    });
}

/// c (M, N) = aᵀ · b, where a is (K, M) and b (K, N) is finite.
pub fn transposed_product(
    a: SparseRows<'_>,
    b: &[f32],
    c: &mut [f32],
    n: usize,
    epilogue: Option<&dyn Epilogue>,
) {
    assert_eq!((b.len(), c.len()), (a.rows * n, a.columns * n), "the shapes of a product do not fit");
    let c = DisjointMut::new(c);
    let work = a.rows * a.columns * n / 32 / PRODUCTS_A_NANOSECOND;
    for_each_part(SEGMENTS, work as u64, &|segment| {
        let columns = a.segment(segment);
        // SAFETY: each segment is a range of rows of c of its own.
        let block = unsafe { c.slice(columns.start * n..columns.end * n) };
        simd::run(isa(), SegmentProduct { a, segment, b, c: block });
        if let Some(epilogue) = epilogue {
            epilogue.finish(columns, 0..n);
        }
    });
}

/// One row of c.
struct RowProduct<'a> {
    a: SparseRows<'a>,
    row: usize,
    b: &'a [f32],
    /// As long as the row of c.
    addend: Option<&'a [f32]>,
    c: &'a mut [f32],
}

impl Kernel for RowProduct<'_> {
    type Element = f32;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = f32>>(self) {
        let n = self.c.len();
        let (indices, values) = self.a.row(self.row, 0..SEGMENTS);
        for first in (0..n).step_by(V::LANES) {
            let count = (n - first).min(V::LANES);
            // SAFETY: indices are columns of a, so rows of b, of which `count` elements from `first` on exist.
            unsafe {
                let mut total = V::splat(0.0);
                let mut entry = 0;
                // Sums are cut where the dense product cuts them.
                for ks in k_blocks(self.a.columns) {
                    let mut sum = V::splat(0.0);
                    while entry < indices.len() && (indices[entry] as usize) < ks.end {
                        let b = self.b.as_ptr().add(indices[entry] as usize * n + first);
                        sum = sum.multiply_add(V::splat(values[entry]), load(b, count));
                        entry += 1;
                    }
                    total = match self.addend {
                        _ if ks.start > 0 => total.add(sum),
                        Some(addend) => load::<V>(addend.as_ptr().add(first), count).add(sum),
                        None => sum,
                    };
                }
                store(total, &mut self.c[first..first + count]);
            }
        }
    }
}

/// The rows of c that belong to a segment of a's columns.
struct SegmentProduct<'a> {
    a: SparseRows<'a>,
    segment: usize,
    b: &'a [f32],
    c: &'a mut [f32],
}

impl Kernel for SegmentProduct<'_> {
    type Element = f32;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = f32>>(self) {
        let Self { a, segment, b, c } = self;
        c.fill(0.0);
        let (start, n) = (a.segment(segment).start, b.len() / a.rows.max(1));
        for row in 0..a.rows {
            let (indices, values) = a.row(row, segment..segment + 1);
            for (&index, &value) in indices.iter().zip(values) {
                let c = &mut c[(index as usize - start) * n..][..n];
                for first in (0..n).step_by(V::LANES) {
                    let count = (n - first).min(V::LANES);
                    // SAFETY: `count` elements from `first` on exist in this row of b and of c.
                    unsafe {
                        let b: V = load(b.as_ptr().add(row * n + first), count);
                        let c = &mut c[first..first + count];
                        let sum: V = load(c.as_ptr(), count);
                        store(sum.multiply_add(V::splat(value), b), c);
                    }
                }
            }
        }
    }
}

/// # Safety
/// As for [`Vector`]; `from` is readable for `count` elements, of which there are at most [`Vector::LANES`].
#[inline(always)]
unsafe fn load<V: Vector<Element = f32>>(from: *const f32, count: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if count == V::LANES { V::load(from) } else { V::load_first(from, count) } }
}

/// # Safety
/// As for [`Vector`]; `to` has at most [`Vector::LANES`] elements.
#[inline(always)]
unsafe fn store<V: Vector<Element = f32>>(vector: V, to: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe {
        if to.len() == V::LANES {
            vector.store(to.as_mut_ptr());
        } else {
            vector.store_first(to.as_mut_ptr(), to.len());
        }
    }
}
