//! Where the largest and the smallest elements are.

use super::parallel::{for_each_chunk, items_per_part};
use super::simd::per_isa;
use super::transposed_rows::{LANES, MOST_COLUMNS, each, memory, transpose};
use crate::tensor::Element;

/// The position, along an axis of x (outer, length, inner), of its largest element, or of its smallest: the first one
/// where several are equal and the first NaN where there is one. `positions` is (outer, inner).
pub fn arg_best<T: Element, const LARGEST: bool>(
    positions: &mut [i32],
    x: &[T],
    length: usize,
    inner: usize,
) {
    if positions.is_empty() {
        return;
    }
    let per_part = items_per_part(positions.len() / inner, length * inner, 1 << 14);
    let work = x.len() as u64;
    for_each_chunk(positions, per_part * inner, work, &|part, positions| {
        let x = &x[part * per_part * length * inner..][..positions.len() * length];
        if inner == 1 && length <= MOST_COLUMNS {
            short_rows::<T, LARGEST>(positions, x, length);
        } else {
            one_by_one::<T, LARGEST>(positions, x, length, inner);
        }
    });
}

/// Whether an element beats the best one before it.
#[inline(always)]
#[allow(clippy::eq_op)] // x != x is the test for NaN
fn wins<T: Element, const LARGEST: bool>(element: T, best: T) -> bool {
    let is_better = if LARGEST { element > best } else { element < best };
    is_better | ((element != element) & (best == best))
}

fn one_by_one<T: Element, const LARGEST: bool>(positions: &mut [i32], x: &[T], length: usize, inner: usize) {
    for (positions, x) in positions.chunks_exact_mut(inner).zip(x.chunks_exact(length * inner)) {
        for (column, position) in positions.iter_mut().enumerate() {
            let (mut best, mut best_at) = (x[column], 0);
            for at in 1..length {
                let element = x[at * inner + column];
                if wins::<T, LARGEST>(element, best) {
                    (best, best_at) = (element, at);
                }
            }
            *position = best_at as i32;
        }
    }
}

per_isa! {
    /// Rows (positions.len(), length), sixteen side by side.
    fn short_rows[T: Element, const LARGEST: bool][T, LARGEST](positions: &mut [i32], x: &[T], length: usize) {
        let transposed = &mut memory::<T>()[..length];
        for (positions, x) in positions.chunks_mut(LANES).zip(x.chunks(LANES * length)) {
            transpose(transposed, x);
            let (mut best, mut best_at) = (transposed[0], [0; LANES]);
            for (at, elements) in (1..).zip(each(&transposed[1..])) {
                for lane in 0..LANES {
                    let wins = wins::<T, LARGEST>(elements[lane], best[lane]);
                    best[lane] = if wins { elements[lane] } else { best[lane] };
                    best_at[lane] = if wins { at } else { best_at[lane] };
                }
            }
            positions.copy_from_slice(&best_at[..positions.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const LARGEST: bool>() {
        let pool = [1.0, -2.0, 3.0, 3.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -2.0, 0.0, -0.0];
        for length in [1, 2, 9, 10, 32, 33] {
            for rows in [1, 15, 16, 37] {
                let element = |index: usize| pool[(index * 7 + index / 3 + index / 50) % pool.len()];
                let x: Vec<f32> = (0..rows * length).map(element).collect();
                let (mut got, mut expected) = (vec![-1; rows], vec![-1; rows]);
                arg_best::<f32, LARGEST>(&mut got, &x, length, 1);
                one_by_one::<f32, LARGEST>(&mut expected, &x, length, 1);
                assert_eq!(got, expected, "{rows} rows of {length}");
            }
        }
    }

    #[test]
    fn short_rows_agree_with_one_by_one() {
        check::<true>();
        check::<false>();
    }
}
