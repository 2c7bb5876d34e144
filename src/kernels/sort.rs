//! Sorting rows. NaN counts as the greatest number.

use std::cmp::Ordering;

use super::parallel::{for_each_chunk, items_per_part};
use crate::tensor::Element;
use crate::threads::{DisjointMut, for_each_part};

/// Elements of one part of a parallel loop.
const PART: usize = 1 << 12;

#[allow(clippy::eq_op)] // x != x is the test for NaN
fn compare<T: Element>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

/// y (rows, length) = each row of x in ascending order.
pub fn sort<T: Element>(y: &mut [T], x: &[T], length: usize) {
    if y.is_empty() {
        return;
    }
    let per_part = items_per_part(y.len() / length, length, PART) * length;
    let work = y.len() as u64 * 10;
    for_each_chunk(y, per_part, work, &|part, y| {
        y.copy_from_slice(&x[part * per_part..][..y.len()]);
        for row in y.chunks_exact_mut(length) {
            row.sort_unstable_by(|&a, &b| compare(a, b));
        }
    });
}

/// positions (rows, length): what order each row of x must be read in to be ascending; equals keep their order.
pub fn argsort<T: Element>(positions: &mut [i32], x: &[T], length: usize) {
    if positions.is_empty() {
        return;
    }
    let per_part = items_per_part(positions.len() / length, length, PART) * length;
    let work = positions.len() as u64 * 20;
    for_each_chunk(positions, per_part, work, &|part, positions| {
        let x = x[part * per_part..].chunks_exact(length);
        for (positions, x) in positions.chunks_exact_mut(length).zip(x) {
            for (at, position) in positions.iter_mut().enumerate() {
                *position = at as i32;
            }
            // Positions decide between equals: as good as a stable sort, and it allocates nothing.
            positions.sort_unstable_by(|&a, &b| compare(x[a as usize], x[b as usize]).then(a.cmp(&b)));
        }
    });
}

/// values and positions (rows, k): the k greatest elements of each row of x (rows, length), the greatest first, the
/// earlier of equals first. `order` (rows, length) is scratch.
pub fn top_k<T: Element>(
    values: &mut [T],
    positions: &mut [i32],
    x: &[T],
    length: usize,
    k: usize,
    order: &mut [i32],
) {
    if values.is_empty() {
        return;
    }
    let rows = x.len() / length;
    let per_part = items_per_part(rows, length, PART);
    let (values, positions, order) =
        (DisjointMut::new(values), DisjointMut::new(positions), DisjointMut::new(order));
    for_each_part(rows.div_ceil(per_part), x.len() as u64 * 5, &|part| {
        for row in part * per_part..rows.min((part + 1) * per_part) {
            let x = &x[row * length..][..length];
            // SAFETY: every row belongs to one part.
            let (values, positions, order) = unsafe {
                let best = row * k..(row + 1) * k;
                (
                    values.slice(best.clone()),
                    positions.slice(best),
                    order.slice(row * length..(row + 1) * length),
                )
            };
            for (at, position) in order.iter_mut().enumerate() {
                *position = at as i32;
            }
            let descending = |&a: &i32, &b: &i32| compare(x[b as usize], x[a as usize]).then(a.cmp(&b));
            if k < length {
                order.select_nth_unstable_by(k - 1, descending);
            }
            order[..k].sort_unstable_by(descending);
            positions.copy_from_slice(&order[..k]);
            for (value, &position) in values.iter_mut().zip(&*positions) {
                *value = x[position as usize];
            }
        }
    });
}
