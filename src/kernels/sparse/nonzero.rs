//! Which of some numbers are not zero, as bits of a word.

use crate::kernels::simd;

/// Numbers that a word has bits for.
pub const WORD: usize = u64::BITS as usize;

/// Bit i is set where element i, of [`WORD`] at most, is not zero.
pub fn nonzero(elements: &[f32]) -> u64 {
    assert!(elements.len() <= WORD);
    match simd::isa() {
        // SAFETY: `isa` says what the machine has.
        #[cfg(target_arch = "x86_64")]
        simd::Isa::Avx512 => unsafe { x86::nonzero_avx512(elements) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        simd::Isa::Avx2 => unsafe { x86::nonzero_avx2(elements) },
        _ => nonzero_one_by_one(elements),
    }
}

/// [`nonzero`] with any instruction set.
fn nonzero_one_by_one(elements: &[f32]) -> u64 {
    elements.iter().rev().fold(0, |word, &element| word << 1 | u64::from(element != 0.0))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::nonzero_one_by_one;

    /// [`nonzero`](super::nonzero) where `bits` tells it of `N` elements.
    #[inline(always)]
    fn nonzero_by_chunks<const N: usize>(elements: &[f32], bits: impl Fn(&[f32; N]) -> u64) -> u64 {
        let (chunks, rest) = elements.as_chunks::<N>();
        chunks.iter().rev().fold(nonzero_one_by_one(rest), |word, chunk| word << N | bits(chunk))
    }

    /// # Safety
    /// The machine has AVX-512 F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn nonzero_avx512(elements: &[f32]) -> u64 {
        nonzero_by_chunks::<16>(elements, |chunk| {
            // SAFETY: a chunk is a vector long.
            let chunk = unsafe { _mm512_loadu_ps(chunk.as_ptr()) };
            u64::from(_mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(chunk, _mm512_setzero_ps()))
        })
    }

    /// # Safety
    /// The machine has AVX.
    #[target_feature(enable = "avx")]
    pub unsafe fn nonzero_avx2(elements: &[f32]) -> u64 {
        nonzero_by_chunks::<8>(elements, |chunk| {
            // SAFETY: a chunk is a vector long.
            let chunk = unsafe { _mm256_loadu_ps(chunk.as_ptr()) };
            let is_nonzero = _mm256_cmp_ps::<_CMP_NEQ_UQ>(chunk, _mm256_setzero_ps());
            u64::from(_mm256_movemask_ps(is_nonzero) as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_for_each_number() {
        for count in [0, 1, 7, 8, 23, 40, 63, 64] {
            let elements: Vec<f32> =
                (0..count).map(|index| [0.0, 1.5, -0.0, f32::NAN, -1e-45][index * index % 5]).collect();
            let word = nonzero(&elements);
            assert_eq!(word, nonzero_one_by_one(&elements));
            for bit in 0..WORD {
                let expected = elements.get(bit).is_some_and(|&element| element != 0.0);
                assert_eq!(word >> bit & 1 == 1, expected, "element {bit} of {count}");
            }
        }
    }
}
