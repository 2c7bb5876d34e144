//! Softmax, its logarithm and its cross-entropies over rows of `classes` elements, each with its backward.
//!
//! Rows are read in chunks of [`LANES`], the last one filled up with an element that changes nothing. With
//! m = max x and s = Σ exp(x − m): softmax p = exp(x − m) / s, log-softmax = x − m − ln s.

use super::Real;
use super::elementwise::math;
use super::lanes::{LANES, chunks, dot, fold_lanes, load, store, sum};
use super::parallel::{for_each_chunk, items_per_part};
use super::simd::per_isa;

/// Elements of one part of a parallel loop.
const PART: usize = 1 << 13;

/// eˣ in the form that vectorises.
pub trait Exponential: Real {
    fn exponential<const FMA: bool>(self) -> Self;
}

impl Exponential for f32 {
    #[inline(always)]
    fn exponential<const FMA: bool>(self) -> Self {
        math::exp::<FMA>(self)
    }
}

impl Exponential for f64 {
    #[inline(always)]
    fn exponential<const FMA: bool>(self) -> Self {
        self.exp()
    }
}

/// The larger one, NaN where either is.
#[inline(always)]
#[allow(clippy::eq_op)] // b != b is the test for NaN
fn larger<T: Real>(a: T, b: T) -> T {
    if b > a || b != b { b } else { a }
}

#[inline(always)]
fn maximum<T: Real>(row: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    for chunk in chunks(row.len()) {
        let elements = load(row, chunk, T::NEG_INFINITY);
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], elements[lane]);
        }
    }
    fold_lanes(lanes, larger)
}

/// exp(x − m), and its sum.
#[inline(always)]
fn exponentials<T: Exponential, const FMA: bool>(y: &mut [T], x: &[T], m: T) -> T {
    let mut sums = [T::ZERO; LANES];
    for chunk in chunks(x.len()) {
        let mut lanes = load(x, chunk, T::NEG_INFINITY);
        for lane in 0..LANES {
            lanes[lane] = (lanes[lane] - m).exponential::<FMA>();
            sums[lane] += lanes[lane];
        }
        store(y, chunk, lanes);
    }
    fold_lanes(sums, |a, b| a + b)
}

/// Σ exp(x − m)
#[inline(always)]
fn sum_of_exponentials<T: Exponential, const FMA: bool>(x: &[T], m: T) -> T {
    let mut sums = [T::ZERO; LANES];
    for chunk in chunks(x.len()) {
        let lanes = load(x, chunk, T::NEG_INFINITY);
        for lane in 0..LANES {
            sums[lane] += (lanes[lane] - m).exponential::<FMA>();
        }
    }
    fold_lanes(sums, |a, b| a + b)
}

/// Rows that one part takes, and the work of all rows in nanoseconds.
fn split(size: usize, classes: usize) -> (usize, u64) {
    (items_per_part(size / classes, classes, PART), size as u64)
}

/// y (rows, classes) = softmax of each row of x.
pub fn softmax<T: Exponential>(y: &mut [T], x: &[T], classes: usize) {
    over_rows(y, x, classes, softmax_rows);
}

per_isa! {
    fn softmax_rows[T: Exponential][T](y: &mut [T], x: &[T], classes: usize) {
        for (y, x) in y.chunks_exact_mut(classes).zip(x.chunks_exact(classes)) {
            let s = exponentials::<T, FMA>(y, x, maximum(x));
            let factor = T::ONE / s;
            for y in y {
                *y *= factor;
            }
        }
    }
}

/// dx = y · (dy − Σ dy·y), from y = softmax x.
pub fn softmax_backward<T: Exponential>(dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
    over_rows2(dx, y, dy, classes, softmax_backward_rows);
}

per_isa! {
    fn softmax_backward_rows[T: Exponential][T](dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
        let rows = y.chunks_exact(classes).zip(dy.chunks_exact(classes));
        for (dx, (y, dy)) in dx.chunks_exact_mut(classes).zip(rows) {
            let mean = dot(y, dy);
            for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
                *dx = y * (dy - mean);
            }
        }
    }
}

/// y (rows, classes) = log-softmax of each row of x.
pub fn log_softmax<T: Exponential>(y: &mut [T], x: &[T], classes: usize) {
    over_rows(y, x, classes, log_softmax_rows);
}

per_isa! {
    fn log_softmax_rows[T: Exponential][T](y: &mut [T], x: &[T], classes: usize) {
        for (y, x) in y.chunks_exact_mut(classes).zip(x.chunks_exact(classes)) {
            let m = maximum(x);
            let log_s = sum_of_exponentials::<T, FMA>(x, m).ln();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - m) - log_s;
            }
        }
    }
}

/// dx = dy − exp(y) Σ dy, from y = log-softmax x.
pub fn log_softmax_backward<T: Exponential>(dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
    over_rows2(dx, y, dy, classes, log_softmax_backward_rows);
}

per_isa! {
    fn log_softmax_backward_rows[T: Exponential][T](dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
        let rows = y.chunks_exact(classes).zip(dy.chunks_exact(classes));
        for (dx, (y, dy)) in dx.chunks_exact_mut(classes).zip(rows) {
            let total = sum(dy);
            for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
                *dx = dy - y.exponential::<FMA>() * total;
            }
        }
    }
}

/// loss (rows) = −Σ target · log-softmax(logits); logits and target (rows, classes).
pub fn cross_entropy<T: Exponential>(loss: &mut [T], logits: &[T], target: &[T], classes: usize) {
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(loss, per_part, work, &|part, loss| {
        let elements = part * per_part * classes..(part * per_part + loss.len()) * classes;
        cross_entropy_rows(loss, &logits[elements.clone()], &target[elements], classes);
    });
}

per_isa! {
    fn cross_entropy_rows[T: Exponential][T](loss: &mut [T], logits: &[T], target: &[T], classes: usize) {
        let rows = logits.chunks_exact(classes).zip(target.chunks_exact(classes));
        for (loss, (x, target)) in loss.iter_mut().zip(rows) {
            let m = maximum(x);
            let log_s = sum_of_exponentials::<T, FMA>(x, m).ln();
            let mut sums = [T::ZERO; LANES];
            for chunk in chunks(classes) {
                let (x, target) = (load(x, chunk, m), load(target, chunk, T::ZERO));
                for lane in 0..LANES {
                    sums[lane] += target[lane] * (log_s - (x[lane] - m));
                }
            }
            *loss = fold_lanes(sums, |a, b| a + b);
        }
    }
}

/// dlogits = (p Σ target − target) · dloss, with p = softmax(logits).
pub fn cross_entropy_backward<T: Exponential>(
    dlogits: &mut [T],
    logits: &[T],
    target: &[T],
    dloss: &[T],
    classes: usize,
) {
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(dlogits, per_part * classes, work, &|part, dlogits| {
        let start = part * per_part;
        let elements = start * classes..start * classes + dlogits.len();
        let dloss = &dloss[start..start + dlogits.len() / classes];
        cross_entropy_backward_rows(dlogits, &logits[elements.clone()], &target[elements], dloss, classes);
    });
}

per_isa! {
    fn cross_entropy_backward_rows[T: Exponential][T](
        dlogits: &mut [T],
        logits: &[T],
        target: &[T],
        dloss: &[T],
        classes: usize,
    ) {
        let rows = logits.chunks_exact(classes).zip(target.chunks_exact(classes)).zip(dloss);
        for (dx, ((x, target), &dloss)) in dlogits.chunks_exact_mut(classes).zip(rows) {
            let s = exponentials::<T, FMA>(dx, x, maximum(x));
            let factor = sum(target) / s;
            for (dx, &target) in dx.iter_mut().zip(target) {
                *dx = (*dx * factor - target) * dloss;
            }
        }
    }
}

/// loss (rows) = −log-softmax(logits)[label]; logits (rows, classes), labels (rows) within the classes.
pub fn sparse_cross_entropy<T: Exponential>(loss: &mut [T], logits: &[T], labels: &[i32], classes: usize) {
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(loss, per_part, work, &|part, loss| {
        let start = part * per_part;
        let logits = &logits[start * classes..(start + loss.len()) * classes];
        sparse_cross_entropy_rows(loss, logits, &labels[start..start + loss.len()], classes);
    });
}

per_isa! {
    fn sparse_cross_entropy_rows[T: Exponential][T](loss: &mut [T], logits: &[T], labels: &[i32], classes: usize) {
        let rows = logits.chunks_exact(classes).zip(labels);
        for (loss, (x, &label)) in loss.iter_mut().zip(rows) {
            let m = maximum(x);
            *loss = sum_of_exponentials::<T, FMA>(x, m).ln() - (x[label as usize] - m);
        }
    }
}

/// dlogits = (p − one-hot(label)) · dloss, with p = softmax(logits).
pub fn sparse_cross_entropy_backward<T: Exponential>(
    dlogits: &mut [T],
    logits: &[T],
    labels: &[i32],
    dloss: &[T],
    classes: usize,
) {
    let (per_part, work) = split(logits.len(), classes);
    for_each_chunk(dlogits, per_part * classes, work, &|part, dlogits| {
        let rows = part * per_part..part * per_part + dlogits.len() / classes;
        let logits = &logits[rows.start * classes..rows.end * classes];
        sparse_cross_entropy_backward_rows(dlogits, logits, &labels[rows.clone()], &dloss[rows], classes);
    });
}

per_isa! {
    fn sparse_cross_entropy_backward_rows[T: Exponential][T](
        dlogits: &mut [T],
        logits: &[T],
        labels: &[i32],
        dloss: &[T],
        classes: usize,
    ) {
        let rows = logits.chunks_exact(classes).zip(labels.iter().zip(dloss));
        for (dx, (x, (&label, &dloss))) in dlogits.chunks_exact_mut(classes).zip(rows) {
            let factor = dloss / exponentials::<T, FMA>(dx, x, maximum(x));
            for dx in dx.iter_mut() {
                *dx *= factor;
            }
            dx[label as usize] -= dloss;
        }
    }
}

fn over_rows<T: Real>(y: &mut [T], x: &[T], classes: usize, body: fn(&mut [T], &[T], usize)) {
    if y.is_empty() {
        return;
    }
    let (per_part, work) = split(x.len(), classes);
    for_each_chunk(y, per_part * classes, work, &|part, y| {
        body(y, &x[part * per_part * classes..][..y.len()], classes)
    });
}

fn over_rows2<T: Real>(y: &mut [T], a: &[T], b: &[T], classes: usize, body: fn(&mut [T], &[T], &[T], usize)) {
    if y.is_empty() {
        return;
    }
    let (per_part, work) = split(y.len(), classes);
    for_each_chunk(y, per_part * classes, work, &|part, y| {
        let start = part * per_part * classes;
        body(y, &a[start..][..y.len()], &b[start..][..y.len()], classes)
    });
}
