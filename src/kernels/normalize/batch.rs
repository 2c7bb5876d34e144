//! Batch normalisation: x (rows, columns), statistics over the rows of each column.
//!
//! mean = Σ x / rows, variance = Σ (x − mean)² / rows, y = (x − mean) · gamma / √(variance + epsilon) + beta.

use super::{COLUMNS, Shards, blocks, with_width};
use crate::kernels::Real;
use crate::kernels::parallel::{for_each_chunk, items_per_part};
use crate::kernels::simd::per_isa;

/// Elements of one part of a parallel loop.
const PART: usize = 1 << 14;

/// One number for each column of a tile.
type Tile<T> = [T; COLUMNS];

/// f64 elements of scratch that [`moments`] and [`backward`] need: two sums a column and shard.
pub fn workspace(rows: usize, columns: usize) -> usize {
    2 * columns * Shards::new(rows, columns).count
}

/// mean (columns) and biased variance (columns) of x (rows, columns); rows and columns above 0.
///
/// Each block of rows is summed and then, still in cache, its deviations from its own mean are; blocks combine as Chan,
/// Golub and LeVeque describe, so that a large mean takes nothing from a small variance.
pub fn moments<T: Real>(mean: &mut [T], variance: &mut [T], x: &[T], workspace: &mut [f64]) {
    let columns = mean.len();
    let shards = Shards::new(x.len() / columns, columns);
    let workspace = &mut workspace[..2 * columns * shards.count];
    for_each_chunk(workspace, 2 * columns, x.len() as u64 / 2, &|shard, sums| {
        let (mean, squares) = sums.split_at_mut(columns);
        let rows = shards.range(shard);
        moments_of_shard(mean, squares, &x[rows.start * columns..rows.end * columns]);
    });
    let (total, others) = workspace.split_at_mut(2 * columns);
    let (total_mean, total_squares) = total.split_at_mut(columns);
    for (shard, sums) in others.chunks_exact(2 * columns).enumerate() {
        let (before, rows) = (shards.range(shard).end, shards.range(shard + 1).len());
        for column in 0..columns {
            let total = (&mut total_mean[column], &mut total_squares[column]);
            combine(total, before, (sums[column], sums[columns + column]), rows);
        }
    }
    for column in 0..columns {
        mean[column] = T::from_f64(total_mean[column]);
        variance[column] = T::from_f64(total_squares[column] / shards.rows as f64);
    }
}

/// To the mean and the squared deviations of `count` numbers adds those of `more` other numbers.
#[inline(always)]
fn combine(total: (&mut f64, &mut f64), count: usize, (mean, squares): (f64, f64), more: usize) {
    let (count, more) = (count as f64, more as f64);
    let delta = mean - *total.0;
    let share = more / (count + more);
    *total.0 += delta * share;
    *total.1 += squares + delta * delta * count * share;
}

per_isa! {
    fn moments_of_shard[T: Real][T](mean: &mut [f64], squares: &mut [f64], x: &[T]) {
        let columns = mean.len();
        mean.fill(0.0);
        squares.fill(0.0);
        for rows in blocks(x.len() / columns) {
            let block = &x[rows.start * columns..rows.end * columns];
            let count = rows.len() as f64;
            for start in (0..columns).step_by(COLUMNS) {
                let width = COLUMNS.min(columns - start);
                let sums = with_width!(sum_tile(block, columns, start; width));
                let center = sums.map(|sum| sum / T::from_usize(rows.len()));
                let (sums, squared) = with_width!(deviations_of_tile(block, columns, start, &center; width));
                for column in 0..width {
                    // The center is a rounded mean: the sum of the deviations from it says by how much.
                    let (sum, squared) = (sums[column].to_f64(), squared[column].to_f64());
                    let of_block = (center[column].to_f64() + sum / count, squared - sum * sum / count);
                    let total = (&mut mean[start + column], &mut squares[start + column]);
                    combine(total, rows.start, of_block, rows.len());
                }
            }
        }
    }
}

/// Σ x of each column of a tile.
#[inline(always)]
fn sum_tile<T: Real>(block: &[T], columns: usize, start: usize, width: usize) -> Tile<T> {
    let mut sums = [T::ZERO; COLUMNS];
    for row in block.chunks_exact(columns) {
        let row = &row[start..start + width];
        for column in 0..width {
            sums[column] += row[column];
        }
    }
    sums
}

/// Σ (x − center) and Σ (x − center)² of each column of a tile.
#[inline(always)]
fn deviations_of_tile<T: Real>(
    block: &[T],
    columns: usize,
    start: usize,
    center: &Tile<T>,
    width: usize,
) -> (Tile<T>, Tile<T>) {
    let (mut sums, mut squares) = ([T::ZERO; COLUMNS], [T::ZERO; COLUMNS]);
    for row in block.chunks_exact(columns) {
        let row = &row[start..start + width];
        for column in 0..width {
            let deviation = row[column] - center[column];
            sums[column] += deviation;
            squares[column] += deviation * deviation;
        }
    }
    (sums, squares)
}

/// y = (x − mean) · gamma / √(variance + epsilon) + beta.
pub fn apply<T: Real>(y: &mut [T], x: &[T], mean: &[T], variance: &[T], gamma: &[T], beta: &[T], epsilon: T) {
    let columns = gamma.len();
    let per_part = items_per_part(x.len() / columns, columns, PART) * columns;
    for_each_chunk(y, per_part, x.len() as u64 / 2, &|part, y| {
        apply_rows(y, &x[part * per_part..][..y.len()], mean, variance, gamma, beta, epsilon)
    });
}

per_isa! {
    fn apply_rows[T: Real][T](
        y: &mut [T],
        x: &[T],
        mean: &[T],
        variance: &[T],
        gamma: &[T],
        beta: &[T],
        epsilon: T,
    ) {
        let columns = gamma.len();
        for start in (0..columns).step_by(COLUMNS) {
            let width = COLUMNS.min(columns - start);
            let [mut scale, mut center, mut shift] = [[T::ZERO; COLUMNS]; 3];
            for column in 0..width {
                scale[column] = gamma[start + column] / (variance[start + column] + epsilon).sqrt();
                center[column] = mean[start + column];
                shift[column] = beta[start + column];
            }
            with_width!(apply_tile(y, x, columns, start, &scale, &center, &shift; width));
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn apply_tile<T: Real>(
    y: &mut [T],
    x: &[T],
    columns: usize,
    start: usize,
    scale: &Tile<T>,
    center: &Tile<T>,
    shift: &Tile<T>,
    width: usize,
) {
    for (y, x) in y.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
        let (y, x) = (&mut y[start..start + width], &x[start..start + width]);
        for column in 0..width {
            y[column] = (x[column] - center[column]) * scale[column] + shift[column];
        }
    }
}

/// What the backward reads.
#[derive(Clone, Copy)]
pub struct Saved<'a, T> {
    pub x: &'a [T],
    pub gamma: &'a [T],
    pub mean: &'a [T],
    pub variance: &'a [T],
    pub epsilon: T,
}

/// dx (rows, columns), dgamma (columns) and dbeta (columns) from dy (rows, columns).
///
/// With d = 1 / √(variance + epsilon) and x̂ = (x − mean) d: dbeta = Σ dy, dgamma = Σ dy x̂,
/// dx = gamma d (dy − dbeta / rows − x̂ dgamma / rows).
pub fn backward<T: Real>(
    dx: &mut [T],
    dgamma: &mut [T],
    dbeta: &mut [T],
    dy: &[T],
    saved: Saved<'_, T>,
    workspace: &mut [f64],
) {
    let columns = dgamma.len();
    let shards = Shards::new(dy.len() / columns, columns);
    let work = dy.len() as u64 / 2;
    let workspace = &mut workspace[..2 * columns * shards.count];
    for_each_chunk(workspace, 2 * columns, work, &|shard, sums| {
        let rows = shards.range(shard);
        let elements = rows.start * columns..rows.end * columns;
        sums_of_shard(sums, &dy[elements.clone()], &saved.x[elements], saved.mean);
    });
    let (total, others) = workspace.split_at_mut(2 * columns);
    for sums in others.chunks_exact(2 * columns) {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    for column in 0..columns {
        let deviation = T::ONE / (saved.variance[column] + saved.epsilon).sqrt();
        dbeta[column] = T::from_f64(total[column]);
        dgamma[column] = T::from_f64(total[columns + column] * deviation.to_f64());
    }
    let per_part = items_per_part(shards.rows, columns, PART) * columns;
    let (dgamma, dbeta) = (&*dgamma, &*dbeta);
    for_each_chunk(dx, per_part, work, &|part, dx| {
        let elements = part * per_part..part * per_part + dx.len();
        dx_rows(dx, &dy[elements.clone()], &saved.x[elements], saved, dgamma, dbeta, shards.rows);
    });
}

per_isa! {
    /// Σ dy and Σ dy (x − mean) of each column.
    fn sums_of_shard[T: Real][T](sums: &mut [f64], dy: &[T], x: &[T], mean: &[T]) {
        let columns = mean.len();
        sums.fill(0.0);
        for rows in blocks(x.len() / columns) {
            let elements = rows.start * columns..rows.end * columns;
            let (dy, x) = (&dy[elements.clone()], &x[elements]);
            for start in (0..columns).step_by(COLUMNS) {
                let width = COLUMNS.min(columns - start);
                let (of_dy, of_products) = with_width!(sum_products(dy, x, columns, start, mean; width));
                for column in 0..width {
                    sums[start + column] += of_dy[column].to_f64();
                    sums[columns + start + column] += of_products[column].to_f64();
                }
            }
        }
    }
}

/// Σ dy and Σ dy (x − mean) of each column of a tile.
#[inline(always)]
fn sum_products<T: Real>(
    dy: &[T],
    x: &[T],
    columns: usize,
    start: usize,
    mean: &[T],
    width: usize,
) -> (Tile<T>, Tile<T>) {
    let (mut sums, mut products) = ([T::ZERO; COLUMNS], [T::ZERO; COLUMNS]);
    let mean = &mean[start..start + width];
    for (dy, x) in dy.chunks_exact(columns).zip(x.chunks_exact(columns)) {
        let (dy, x) = (&dy[start..start + width], &x[start..start + width]);
        for column in 0..width {
            sums[column] += dy[column];
            products[column] += dy[column] * (x[column] - mean[column]);
        }
    }
    (sums, products)
}

per_isa! {
    fn dx_rows[T: Real][T](
        dx: &mut [T],
        dy: &[T],
        x: &[T],
        saved: Saved<'_, T>,
        dgamma: &[T],
        dbeta: &[T],
        rows: usize,
    ) {
        let columns = saved.gamma.len();
        let share = T::ONE / T::from_usize(rows);
        for start in (0..columns).step_by(COLUMNS) {
            let width = COLUMNS.min(columns - start);
            let zeros = [T::ZERO; COLUMNS];
            let mut tile = DxTile { scale: zeros, shift: zeros, slope: zeros, mean: zeros };
            for column in 0..width {
                let at = start + column;
                let deviation = T::ONE / (saved.variance[at] + saved.epsilon).sqrt();
                tile.scale[column] = saved.gamma[at] * deviation;
                tile.shift[column] = dbeta[at] * share;
                tile.slope[column] = dgamma[at] * share * deviation;
                tile.mean[column] = saved.mean[at];
            }
            with_width!(dx_tile(dx, dy, x, columns, start, &tile; width));
        }
    }
}

/// dx = scale (dy − shift − (x − mean) slope)
struct DxTile<T> {
    scale: Tile<T>,
    shift: Tile<T>,
    slope: Tile<T>,
    mean: Tile<T>,
}

#[inline(always)]
fn dx_tile<T: Real>(
    dx: &mut [T],
    dy: &[T],
    x: &[T],
    columns: usize,
    start: usize,
    tile: &DxTile<T>,
    width: usize,
) {
    let rows = dy.chunks_exact(columns).zip(x.chunks_exact(columns));
    for (dx, (dy, x)) in dx.chunks_exact_mut(columns).zip(rows) {
        let (dy, x) = (&dy[start..start + width], &x[start..start + width]);
        let dx = &mut dx[start..start + width];
        for column in 0..width {
            let centered = x[column] - tile.mean[column];
            let projected = tile.shift[column] + centered * tile.slope[column];
            dx[column] = tile.scale[column] * (dy[column] - projected);
        }
    }
}
