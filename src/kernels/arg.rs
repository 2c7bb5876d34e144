//! Where the largest and the smallest elements are.

use super::parallel::{for_each_chunk, items_per_part};
use crate::tensor::Element;

/// The position, along an axis of x (outer, length, inner), of its largest element by `is_better`, the first one where
/// several are equal and the first NaN where there is one. `positions` is (outer, inner).
pub fn arg_best<T: Element>(
    positions: &mut [i32],
    x: &[T],
    length: usize,
    inner: usize,
    is_better: impl Fn(T, T) -> bool + Sync,
) {
    if positions.is_empty() {
        return;
    }
    let per_part = items_per_part(positions.len() / inner, length * inner, 1 << 14);
    let work = x.len() as u64;
    for_each_chunk(positions, per_part * inner, work, &|part, positions| {
        let x = x[part * per_part * length * inner..].chunks_exact(length * inner);
        for (positions, x) in positions.chunks_exact_mut(inner).zip(x) {
            for (column, position) in positions.iter_mut().enumerate() {
                let (mut best, mut best_at) = (x[column], 0);
                for at in 1..length {
                    let element = x[at * inner + column];
                    #[allow(clippy::eq_op)] // x != x is the test for NaN
                    if is_better(element, best) || (element != element && best == best) {
                        (best, best_at) = (element, at);
                    }
                }
                *position = best_at as i32;
            }
        }
    });
}
