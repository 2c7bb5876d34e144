//! The elements of a row that are not zero, packed.

use std::ops::Range;

use crate::kernels::simd;

/// Elements that are looked at together.
pub const CHUNK: usize = 16;

/// Appends the nonzero elements of `row[columns]` to the `count` that there are; `None` if there is no room.
pub fn find(
    row: &[f32],
    columns: Range<usize>,
    indices: &mut [u32],
    values: &mut [f32],
    count: usize,
) -> Option<usize> {
    match simd::isa() {
        // SAFETY: `isa` says what the machine has.
        #[cfg(target_arch = "x86_64")]
        simd::Isa::Avx512 => unsafe { find_avx512(row, columns, indices, values, count) },
        _ => find_one_by_one(row, columns, indices, values, count),
    }
}

/// [`find`] with any instruction set.
fn find_one_by_one(
    row: &[f32],
    columns: Range<usize>,
    indices: &mut [u32],
    values: &mut [f32],
    mut count: usize,
) -> Option<usize> {
    let first = columns.start;
    for (chunk, elements) in row[columns].chunks(CHUNK).enumerate() {
        // The sign bit is left out: −0 is zero.
        if elements.iter().fold(0, |any, element| any | element.to_bits() << 1) == 0 {
            continue;
        }
        if count + CHUNK > values.len() {
            return None;
        }
        for (lane, &element) in elements.iter().enumerate() {
            indices[count] = (first + chunk * CHUNK + lane) as u32;
            values[count] = element;
            count += usize::from(element != 0.0);
        }
    }
    Some(count)
}

/// [`find`] with AVX-512.
///
/// # Safety
/// The machine has AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn find_avx512(
    row: &[f32],
    columns: Range<usize>,
    indices: &mut [u32],
    values: &mut [f32],
    mut count: usize,
) -> Option<usize> {
    use std::arch::x86_64::*;

    let whole = columns.start..columns.start + columns.len() / CHUNK * CHUNK;
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for first in whole.clone().step_by(CHUNK) {
        if count + CHUNK > values.len() {
            return None;
        }
        // SAFETY: the chunk is within the row, and there is room for a chunk from `count` on.
        unsafe {
            let elements = _mm512_loadu_ps(row[first..first + CHUNK].as_ptr());
            let nonzero = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(elements, _mm512_setzero_ps());
            let columns = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32));
            _mm512_storeu_ps(values.as_mut_ptr().add(count), _mm512_maskz_compress_ps(nonzero, elements));
            let columns = _mm512_maskz_compress_epi32(nonzero, columns);
            _mm512_storeu_si512(indices.as_mut_ptr().add(count).cast(), columns);
            count += nonzero.count_ones() as usize;
        }
    }
    find_one_by_one(row, whole.end..columns.end, indices, values, count)
}
