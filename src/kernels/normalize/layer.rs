//! Layer normalisation: x (rows, columns), statistics over the columns of each row.
//!
//! With d = 1 / √(variance + epsilon) and x̂ = (x − mean) d: y = x̂ · gamma + beta.

use super::{Shards, blocks};
use crate::kernels::Real;
use crate::kernels::lanes::{LANES, chunks, dot, fold_lanes, load, sum};
use crate::kernels::parallel::{elements_of, for_each_chunk, items_per_part};
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

/// f64 elements of scratch that [`backward`] needs: for each shard two sums a column, and as many of a block.
pub fn workspace(rows: usize, columns: usize) -> usize {
    4 * columns * Shards::new(rows, columns).count
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
    let workspace = &mut workspace[..4 * columns * shards.count];
    {
        let (sums, dx) = (DisjointMut::new(workspace), DisjointMut::new(dx));
        for_each_part(shards.count, dy.len() as u64 * 2, &|shard| {
            let rows = shards.range(shard);
            let elements = rows.start * columns..rows.end * columns;
            let sums_range = shard * 4 * columns..(shard + 1) * 4 * columns;
            // SAFETY: every shard has rows and sums of its own.
            let (sums, dx) = unsafe { (sums.slice(sums_range), dx.slice(elements.clone())) };
            backward_of_shard(sums, dx, &dy[elements.clone()], Saved { x: &saved.x[elements], ..saved });
        });
    }
    for column in 0..columns {
        let total = |offset| workspace.chunks_exact(4 * columns).map(|sums| sums[offset + column]).sum();
        dbeta[column] = T::from_f64(total(0));
        dgamma[column] = T::from_f64(total(columns));
    }
}

per_isa! {
    /// dx, and at the start of `sums` Σ dy and Σ dy x̂ of each column.
    fn backward_of_shard[T: Real][T](sums: &mut [f64], dx: &mut [T], dy: &[T], saved: Saved<'_, T>) {
        let columns = saved.gamma.len();
        let (sums, of_block) = sums.split_at_mut(2 * columns);
        let of_block = &mut elements_of::<T>(of_block)[..2 * columns];
        sums.fill(0.0);
        for rows in blocks(dy.len() / columns) {
            let elements = rows.start * columns..rows.end * columns;
            of_block.fill(T::ZERO);
            let (of_dy, of_products) = of_block.split_at_mut(columns);
            let inputs = dy[elements.clone()].chunks_exact(columns).zip(saved.x[elements.clone()].chunks_exact(columns));
            for (dx, (dy, x)) in dx[elements].chunks_exact_mut(columns).zip(inputs) {
                backward_row(dx, of_dy, of_products, dy, x, saved.gamma, saved.epsilon);
            }
            for (sum, &of_block) in sums.iter_mut().zip(&*of_block) {
                *sum += of_block.to_f64();
            }
        }
    }
}

/// dx of one row, and the row's part of Σ dy and Σ dy x̂.
#[inline(always)]
fn backward_row<T: Real>(
    dx: &mut [T],
    of_dy: &mut [T],
    of_products: &mut [T],
    dy: &[T],
    x: &[T],
    gamma: &[T],
    epsilon: T,
) {
    let columns = gamma.len();
    let (mean, scale) = statistics(x, epsilon);
    let count = T::from_usize(columns);
    let mean_g = dot(dy, gamma) / count;
    let mean_product = dot_with_deviations(dy, gamma, x, mean) * scale / count;
    let (dx, of_dy, of_products) = (&mut dx[..columns], &mut of_dy[..columns], &mut of_products[..columns]);
    let (dy, x) = (&dy[..columns], &x[..columns]);
    for column in 0..columns {
        let normal = (x[column] - mean) * scale;
        of_dy[column] += dy[column];
        of_products[column] += dy[column] * normal;
        dx[column] = scale * (dy[column] * gamma[column] - mean_g - normal * mean_product);
    }
}

/// Σ dy gamma (x − mean). A loop of its own: the compiler vectorises one sum at a time.
#[inline(always)]
fn dot_with_deviations<T: Real>(dy: &[T], gamma: &[T], x: &[T], mean: T) -> T {
    let mut sums = [T::ZERO; LANES];
    for chunk in chunks(x.len()) {
        let (dy, gamma) = (load(dy, chunk, T::ZERO), load(gamma, chunk, T::ZERO));
        let x = load(x, chunk, mean);
        for lane in 0..LANES {
            sums[lane] += dy[lane] * gamma[lane] * (x[lane] - mean);
        }
    }
    fold_lanes(sums, |a, b| a + b)
}
