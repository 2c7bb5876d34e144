//! Products of stacks of int32 matrices. Sums wrap around, as everywhere in int32.

use super::parallel::{for_each_chunk, items_per_part};

/// Multiplications of one part of a parallel loop.
const PART: usize = 1 << 16;

/// y (stack, m, n) = a (stack, m, k) · b (stack, k, n).
pub fn multiply(y: &mut [i32], a: &[i32], b: &[i32], (m, k, n): (usize, usize, usize)) {
    if y.is_empty() {
        return;
    }
    let rows = items_per_part(y.len() / n, k * n, PART);
    let work = (y.len() * k) as u64;
    for_each_chunk(y, rows * n, work, &|part, y| {
        for (row, y) in y.chunks_exact_mut(n).enumerate() {
            let row = part * rows + row;
            y.fill(0);
            let b = b[row / m * k * n..][..k * n].chunks_exact(n);
            for (&a, b) in a[row * k..][..k].iter().zip(b) {
                for (y, &b) in y.iter_mut().zip(b) {
                    *y = y.wrapping_add(a.wrapping_mul(b));
                }
            }
        }
    });
}
