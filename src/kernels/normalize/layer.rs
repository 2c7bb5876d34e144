//! Layer normalisation: x (rows, columns), statistics over the columns of each row.
//!
//! With d = 1 / √(variance + epsilon) and x̂ = (x − mean) d: y = x̂ · gamma + beta.

use super::{BLOCK, COLUMNS, Shards, blocks, with_width};
use crate::kernels::Real;
use crate::kernels::lanes::{LANES, chunks, fold_lanes, load, sum};
use crate::kernels::parallel::{for_each_chunk, items_per_part};
use crate::kernels::simd::per_isa;
use crate::threads::{DisjointMut, for_each_part};

/// Elements of one part of a parallel loop.
const PART: usize = 1 << 13;

/// y (rows, columns) from x (rows, columns), gamma and beta (columns).
pub fn forward<T: Real>(y: &mut [T], x: &[T], gamma: &[T], beta: &[T], epsilon: T) {
    let columns = gamma.len();
    let per_part = items_per_part(x.len() / columns, columns, PART) * columns;
    for_each_chunk(y, per_part, x.len() as u64, &|part, y| {
        forward_rows(y, &x[part * per_part..][..y.len()], gamma, beta, epsilon)
    });
}

per_isa! {
    fn forward_rows[T: Real][T](y: &mut [T], x: &[T], gamma: &[T], beta: &[T], epsilon: T) {
        let columns = gamma.len();
        for (y, x) in y.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
            let (mean, scale) = statistics(x, epsilon);
            for (y, (&x, (&gamma, &beta))) in y.iter_mut().zip(x.iter().zip(gamma.iter().zip(beta))) {
                *y = (x - mean) * scale * gamma + beta;
            }
        }
    }
}

/// The mean of a row, and 1 / √(variance + epsilon).
#[inline(always)]
fn statistics<T: Real>(x: &[T], epsilon: T) -> (T, T) {
    let count = T::from_usize(x.len());
    let mean = sum(x) / count;
    let mut squares = [T::ZERO; LANES];
    for chunk in chunks(x.len()) {
        let x = load(x, chunk, mean);
        for lane in 0..LANES {
            squares[lane] += (x[lane] - mean) * (x[lane] - mean);
        }
    }
    let variance = fold_lanes(squares, |a, b| a + b) / count;
    (mean, T::ONE / (variance + epsilon).sqrt())
}

/// f64 elements of scratch that [`backward`] needs: two sums a column and shard.
pub fn workspace(rows: usize, columns: usize) -> usize {
    2 * columns * Shards::new(rows, columns).count
}

/// What the backward reads.
#[derive(Clone, Copy)]
pub struct Saved<'a, T> {
    pub x: &'a [T],
    pub gamma: &'a [T],
    pub epsilon: T,
}

/// dx (rows, columns), dgamma (columns) and dbeta (columns) from dy (rows, columns).
///
/// With g = dy · gamma: dx = d (g − mean(g) − x̂ mean(g x̂)); over the rows, dgamma = Σ dy x̂ and dbeta = Σ dy.
pub fn backward<T: Real>(
    dx: &mut [T],
    dgamma: &mut [T],
    dbeta: &mut [T],
    dy: &[T],
    saved: Saved<'_, T>,
    workspace: &mut [f64],
) {
    let columns = saved.gamma.len();
    let shards = Shards::new(dy.len() / columns, columns);
    let workspace = &mut workspace[..2 * columns * shards.count];
    {
        let (sums, dx) = (DisjointMut::new(workspace), DisjointMut::new(dx));
        for_each_part(shards.count, dy.len() as u64 * 2, &|shard| {
            let rows = shards.range(shard);
            let elements = rows.start * columns..rows.end * columns;
            let sums_range = shard * 2 * columns..(shard + 1) * 2 * columns;
            // SAFETY: every shard has rows and sums of its own.
            let (sums, dx) = unsafe { (sums.slice(sums_range), dx.slice(elements.clone())) };
            backward_of_shard(sums, dx, &dy[elements.clone()], Saved { x: &saved.x[elements], ..saved });
        });
    }
    for column in 0..columns {
        let total = |offset| workspace.chunks_exact(2 * columns).map(|sums| sums[offset + column]).sum();
        dbeta[column] = T::from_f64(total(0));
        dgamma[column] = T::from_f64(total(columns));
    }
}

per_isa! {
    /// dx, and Σ dy and Σ dy x̂ of each column.
    fn backward_of_shard[T: Real][T](sums: &mut [f64], dx: &mut [T], dy: &[T], saved: Saved<'_, T>) {
        let columns = saved.gamma.len();
        sums.fill(0.0);
        for rows in blocks(dy.len() / columns) {
            let elements = rows.start * columns..rows.end * columns;
            let (dx, dy, x) = (&mut dx[elements.clone()], &dy[elements.clone()], &saved.x[elements]);
            let mut of_rows = [(T::ZERO, T::ZERO); BLOCK];
            let inputs = dy.chunks_exact(columns).zip(x.chunks_exact(columns));
            for ((dx, (dy, x)), of_row) in dx.chunks_exact_mut(columns).zip(inputs).zip(&mut of_rows) {
                *of_row = statistics(x, saved.epsilon);
                dx_row(dx, dy, x, saved.gamma, *of_row);
            }
            for start in (0..columns).step_by(COLUMNS) {
                let width = COLUMNS.min(columns - start);
                let (of_dy, of_products) = with_width!(sum_products(dy, x, columns, start, &of_rows; width));
                for column in 0..width {
                    sums[start + column] += of_dy[column].to_f64();
                    sums[columns + start + column] += of_products[column].to_f64();
                }
            }
        }
    }
}

#[inline(always)]
fn dx_row<T: Real>(dx: &mut [T], dy: &[T], x: &[T], gamma: &[T], (mean, scale): (T, T)) {
    let (mut sums, mut products) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    for chunk in chunks(x.len()) {
        let (dy, gamma) = (load(dy, chunk, T::ZERO), load(gamma, chunk, T::ZERO));
        let x = load(x, chunk, mean);
        for lane in 0..LANES {
            let g = dy[lane] * gamma[lane];
            sums[lane] += g;
            products[lane] += g * (x[lane] - mean);
        }
    }
    let count = T::from_usize(x.len());
    let mean_g = fold_lanes(sums, |a, b| a + b) / count;
    // mean(g x̂) x̂ = slope (x − mean)
    let slope = fold_lanes(products, |a, b| a + b) / count * scale * scale;
    for (dx, ((&dy, &x), &gamma)) in dx.iter_mut().zip(dy.iter().zip(x).zip(gamma)) {
        *dx = scale * (dy * gamma - mean_g - (x - mean) * slope);
    }
}

/// Σ dy and Σ dy x̂ of each column of a tile.
#[inline(always)]
fn sum_products<T: Real>(
    dy: &[T],
    x: &[T],
    columns: usize,
    start: usize,
    of_rows: &[(T, T); BLOCK],
    width: usize,
) -> ([T; COLUMNS], [T; COLUMNS]) {
    let (mut sums, mut products) = ([T::ZERO; COLUMNS], [T::ZERO; COLUMNS]);
    let rows = dy.chunks_exact(columns).zip(x.chunks_exact(columns));
    for ((dy, x), &(mean, scale)) in rows.zip(of_rows) {
        let (dy, x) = (&dy[start..start + width], &x[start..start + width]);
        for column in 0..width {
            sums[column] += dy[column];
            products[column] += dy[column] * ((x[column] - mean) * scale);
        }
    }
    (sums, products)
}
