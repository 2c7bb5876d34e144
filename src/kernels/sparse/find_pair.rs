//! The elements of a pair of columns that are not zero, packed by which of the columns has one.

use super::find::CHUNK;
use crate::kernels::simd::{Isa, isa};

/// How many rows of a pair of columns have nonzero elements in both, and in the first alone and the second alone.
#[derive(Debug, Clone, Copy)]
pub struct PairCounts {
    pub both: u32,
    pub one: [u32; 2],
}

/// Lists that [`find_pair`] makes.
const LISTS: usize = 7;

impl PairCounts {
    pub fn elements(&self) -> usize {
        (2 * self.both + self.one[0] + self.one[1]) as usize
    }

    /// Words of all lists.
    pub fn words(&self) -> usize {
        self.list_words().iter().sum()
    }

    fn list_words(&self) -> [usize; LISTS] {
        let Self { both, one: [first, second] } = *self;
        [both, both, both, first, first, second, second].map(|count| count as usize)
    }
}

/// Words that [`find_pair`] needs for so many rows.
pub fn pair_words(rows: usize) -> usize {
    LISTS * room(rows)
}

/// Words that a list is written to: a chunk more than there are rows.
fn room(rows: usize) -> usize {
    rows.next_multiple_of(CHUNK) + CHUNK
}

/// Packs the nonzero elements of two columns into lists at the beginning of `words`, one after the other: the rows where both
/// columns have one, the values of the first there, and of the second; the rows where the first alone has one, and the
/// values; the same of the second. Values are bits. `words` has at least [`pair_words`], all of which may be written.
pub fn find_pair(columns: [&[f32]; 2], words: &mut [u32]) -> PairCounts {
    let rows = columns[0].len();
    let room = room(rows);
    let words = &mut words[..LISTS * room];
    assert_eq!(rows, columns[1].len(), "columns of a pair are equally long");
    let counts = match isa() {
        // SAFETY: `isa` says what the machine has, and lists have room for all rows and a chunk more.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { find_pair_avx512(columns, words, room) },
        _ => find_pair_from(0, [0; 3], columns, words, room),
    };
    let counts = PairCounts { both: counts[0] as u32, one: [counts[1] as u32, counts[2] as u32] };
    // Each list moves to the end of the one before, in whole chunks: what is written beyond it is not yet in use, as
    // lists are shorter than their rooms by a chunk.
    let mut end = counts.both as usize;
    for (list, count) in counts.list_words().into_iter().enumerate().skip(1) {
        for first in (0..count).step_by(CHUNK) {
            let from = list * room + first;
            words.copy_within(from..from + CHUNK, end + first);
        }
        end += count;
    }
    counts
}

/// [`find_pair`] with any instruction set, of the rows from `start` on, behind the `counts` that there are, and with lists
/// that are `room` apart.
fn find_pair_from(
    start: usize,
    mut counts: [usize; 3],
    [first, second]: [&[f32]; 2],
    words: &mut [u32],
    room: usize,
) -> [usize; 3] {
    for row in start..first.len() {
        let (a, b) = (first[row], second[row]);
        // All lists take the row, and those whose row it is count it.
        let [both, one, other] = counts;
        for (list, place, word) in [
            (0, both, row as u32),
            (1, both, a.to_bits()),
            (2, both, b.to_bits()),
            (3, one, row as u32),
            (4, one, a.to_bits()),
            (5, other, row as u32),
            (6, other, b.to_bits()),
        ] {
            words[list * room + place] = word;
        }
        let (has_a, has_b) = (a != 0.0, b != 0.0);
        counts[0] += usize::from(has_a & has_b);
        counts[1] += usize::from(has_a & !has_b);
        counts[2] += usize::from(has_b & !has_a);
    }
    counts
}

/// [`find_pair`] with AVX-512, and with lists that are `room` apart.
///
/// # Safety
/// The machine has AVX-512 F; columns are equally long, and lists have room for their rows and a chunk more.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn find_pair_avx512(columns: [&[f32]; 2], words: &mut [u32], room: usize) -> [usize; 3] {
    use std::arch::x86_64::*;

    let whole = columns[0].len() / CHUNK * CHUNK;
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let mut counts = [0; 3];
    for row in (0..whole).step_by(CHUNK) {
        // SAFETY: the chunk is within the columns, and each list has room for a chunk from its count on.
        unsafe {
            let [a, b] = columns.map(|column| _mm512_loadu_ps(column.as_ptr().add(row)));
            let has_a = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(a, _mm512_setzero_ps());
            let has_b = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(b, _mm512_setzero_ps());
            let rows = _mm512_add_epi32(lanes, _mm512_set1_epi32(row as i32));
            let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
            let masks = [has_a & has_b, has_a & !has_b, has_b & !has_a];
            let packed = [(0, rows), (0, a), (0, b), (1, rows), (1, a), (2, rows), (2, b)];
            for (list, (kind, elements)) in packed.into_iter().enumerate() {
                let to = words.as_mut_ptr().add(list * room + counts[kind]);
                _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(masks[kind], elements));
            }
            for (count, mask) in counts.iter_mut().zip(masks) {
                *count += mask.count_ones() as usize;
            }
        }
    }
    find_pair_from(whole, counts, columns, words, room)
}
