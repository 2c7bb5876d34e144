//! Running sums and products along an axis of (outer, length, inner) tensors.

use super::number::Number;
use super::parallel::{for_each_chunk, items_per_part};
use super::reduce::Fold;

/// Which elements each running total covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Direction {
    /// From the end of the axis instead of from its start.
    pub reverse: bool,
    /// Without the element itself: the first total is that of nothing.
    pub exclusive: bool,
}

impl Direction {
    /// The position along the axis of the `step`-th element visited.
    #[inline(always)]
    fn position(self, step: usize, length: usize) -> usize {
        if self.reverse { length - 1 - step } else { step }
    }
}

/// Blocks of (length, inner) that one part takes, and the work of all of them in nanoseconds.
fn split(size: usize, block: usize) -> (usize, u64) {
    (items_per_part(size / block, block, 1 << 14), size as u64)
}

/// y (outer, length, inner) = running totals of x along `length`.
pub fn scan<T: Number, F: Fold<T>>(y: &mut [T], x: &[T], length: usize, inner: usize, direction: Direction) {
    if y.is_empty() {
        return;
    }
    let block = length * inner;
    let (per_part, work) = split(y.len(), block);
    for_each_chunk(y, per_part * block, work, &|part, y| {
        let x = &x[part * per_part * block..];
        for (y, x) in y.chunks_exact_mut(block).zip(x.chunks_exact(block)) {
            scan_block::<T, F>(y, x, length, inner, direction);
        }
    });
}

fn scan_block<T: Number, F: Fold<T>>(
    y: &mut [T],
    x: &[T],
    length: usize,
    inner: usize,
    direction: Direction,
) {
    let row = |step| direction.position(step, length) * inner;
    for step in 0..length {
        let (here, before) = (row(step), row(step.max(1) - 1));
        for column in 0..inner {
            let total = if step == 0 { F::IDENTITY } else { y[before + column] };
            y[here + column] = match (direction.exclusive, step) {
                (false, _) => F::combine(total, x[here + column]),
                (true, 0) => F::IDENTITY,
                (true, _) => F::combine(total, x[before + column]),
            };
        }
    }
}

/// dx of y = the running product of x: right for any x, zeros included, because nothing is divided.
///
/// With dy and x in the order of the scan and y inclusive, dx[k] = (Π x[..k]) · s[k], where
/// s[k] = dy[k] + x[k+1] · s[k+1] gathers the totals that x[k] is part of. An exclusive total leaves out its own
/// element, so that dy[k+1] takes the place of dy[k].
pub fn product_backward<T: Number>(
    dx: &mut [T],
    x: &[T],
    dy: &[T],
    length: usize,
    inner: usize,
    direction: Direction,
) {
    if dx.is_empty() {
        return;
    }
    let block = length * inner;
    let (per_part, work) = split(dx.len(), block);
    let later = usize::from(direction.exclusive);
    for_each_chunk(dx, per_part * block, 4 * work, &|part, dx| {
        let start = part * per_part * block;
        let blocks = x[start..].chunks_exact(block).zip(dy[start..].chunks_exact(block));
        for (dx, (x, dy)) in dx.chunks_exact_mut(block).zip(blocks) {
            let at = |step, column| direction.position(step, length) * inner + column;
            for column in 0..inner {
                let mut product = T::ONE;
                for step in 0..length {
                    dx[at(step, column)] = product;
                    product = product.multiply(x[at(step, column)]);
                }
                let mut gathered = T::ZERO;
                for step in (0..length).rev() {
                    if step + 1 < length {
                        gathered = x[at(step + 1, column)].multiply(gathered);
                    }
                    if step + later < length {
                        gathered = gathered.add(dy[at(step + later, column)]);
                    }
                    let total = &mut dx[at(step, column)];
                    *total = total.multiply(gathered);
                }
            }
        }
    });
}
