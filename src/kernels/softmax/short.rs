//! Rows of few classes, sixteen side by side: see [`transposed_rows`](crate::kernels::transposed).

use super::{Exponential, larger};
use crate::kernels::Real;
use crate::kernels::simd::per_isa;
use crate::kernels::transposed_rows::{LANES, Lanes, each, each_mut, memory, transpose, transpose_back};

/// One number of each row, zeros after the last.
#[inline(always)]
fn load<T: Real>(numbers: &[T]) -> Lanes<T> {
    let mut lanes = [T::ZERO; LANES];
    lanes[..numbers.len()].copy_from_slice(numbers);
    lanes
}

#[inline(always)]
fn map<T: Real>(mut a: Lanes<T>, b: Lanes<T>, of: impl Fn(T, T) -> T) -> Lanes<T> {
    for lane in 0..LANES {
        a[lane] = of(a[lane], b[lane]);
    }
    a
}

/// x − m in place of x; returns m.
#[inline(always)]
fn shift<T: Real>(x: &mut [Lanes<T>]) -> Lanes<T> {
    let mut m = x[0];
    for x in each(&x[1..]) {
        m = map(m, *x, larger);
    }
    for x in each_mut(x) {
        *x = map(*x, m, |x, m| x - m);
    }
    m
}

/// exp(x − m) in place of x; returns its sum.
#[inline(always)]
fn exponentials<T: Exponential, const FMA: bool>(x: &mut [Lanes<T>]) -> Lanes<T> {
    shift(x);
    let mut sums = [T::ZERO; LANES];
    for x in each_mut(x) {
        for lane in 0..LANES {
            x[lane] = x[lane].exponential::<FMA>();
            sums[lane] += x[lane];
        }
    }
    sums
}

/// x − m in place of x; returns m and ln Σ exp(x − m).
#[inline(always)]
fn shift_and_log_sum<T: Exponential, const FMA: bool>(x: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
    let m = shift(x);
    let mut sums = [T::ZERO; LANES];
    for x in each_mut(x) {
        for lane in 0..LANES {
            sums[lane] += x[lane].exponential::<FMA>();
        }
    }
    for sum in &mut sums {
        *sum = sum.logarithm::<FMA>();
    }
    (m, sums)
}

per_isa! {
    pub fn softmax[T: Exponential][T](y: &mut [T], x: &[T], classes: usize) {
        let transposed = &mut memory::<T>()[..classes];
        for (y, x) in y.chunks_mut(LANES * classes).zip(x.chunks(LANES * classes)) {
            transpose(transposed, x);
            let factor = map([T::ONE; LANES], exponentials::<T, FMA>(transposed), |one, s| one / s);
            for lanes in each_mut(transposed) {
                *lanes = map(*lanes, factor, |p, factor| p * factor);
            }
            transpose_back(y, transposed);
        }
    }
}

per_isa! {
    pub fn log_softmax[T: Exponential][T](y: &mut [T], x: &[T], classes: usize) {
        let transposed = &mut memory::<T>()[..classes];
        for (y, x) in y.chunks_mut(LANES * classes).zip(x.chunks(LANES * classes)) {
            transpose(transposed, x);
            let (_, log_s) = shift_and_log_sum::<T, FMA>(transposed);
            for lanes in each_mut(transposed) {
                *lanes = map(*lanes, log_s, |x, log_s| x - log_s);
            }
            transpose_back(y, transposed);
        }
    }
}

per_isa! {
    pub fn cross_entropy[T: Exponential][T](loss: &mut [T], logits: &[T], target: &[T], classes: usize) {
        let (transposed, targets) = (&mut memory::<T>()[..classes], &mut memory::<T>()[..classes]);
        let rows = logits.chunks(LANES * classes).zip(target.chunks(LANES * classes));
        for (loss, (x, target)) in loss.chunks_mut(LANES).zip(rows) {
            transpose(transposed, x);
            transpose(targets, target);
            let (_, log_s) = shift_and_log_sum::<T, FMA>(transposed);
            let mut sums = [T::ZERO; LANES];
            for (x, target) in each(transposed).zip(each(targets)) {
                for lane in 0..LANES {
                    sums[lane] += target[lane] * (log_s[lane] - x[lane]);
                }
            }
            loss.copy_from_slice(&sums[..loss.len()]);
        }
    }
}

per_isa! {
    pub fn cross_entropy_backward[T: Exponential][T](
        dlogits: &mut [T],
        logits: &[T],
        target: &[T],
        dloss: &[T],
        classes: usize,
    ) {
        let (transposed, targets) = (&mut memory::<T>()[..classes], &mut memory::<T>()[..classes]);
        let rows = logits.chunks(LANES * classes).zip(target.chunks(LANES * classes)).zip(dloss.chunks(LANES));
        for (dx, ((x, target), dloss)) in dlogits.chunks_mut(LANES * classes).zip(rows) {
            transpose(transposed, x);
            transpose(targets, target);
            let mut total = [T::ZERO; LANES];
            for &target in each(targets) {
                total = map(total, target, |sum, target| sum + target);
            }
            let factor = map(total, exponentials::<T, FMA>(transposed), |total, s| total / s);
            let dloss = load(dloss);
            for (x, target) in each_mut(transposed).zip(each(targets)) {
                for lane in 0..LANES {
                    x[lane] = (x[lane] * factor[lane] - target[lane]) * dloss[lane];
                }
            }
            transpose_back(dx, transposed);
        }
    }
}

per_isa! {
    pub fn sparse_cross_entropy[T: Exponential][T](loss: &mut [T], logits: &[T], labels: &[i32], classes: usize) {
        let transposed = &mut memory::<T>()[..classes];
        let rows = logits.chunks(LANES * classes).zip(labels.chunks(LANES));
        for (loss, (x, labels)) in loss.chunks_mut(LANES).zip(rows) {
            transpose(transposed, x);
            let (m, log_s) = shift_and_log_sum::<T, FMA>(transposed);
            let rows = x.chunks_exact(classes).zip(labels);
            for (row, (loss, (x, &label))) in loss.iter_mut().zip(rows).enumerate() {
                *loss = log_s[row] - (x[label as usize] - m[row]);
            }
        }
    }
}

per_isa! {
    pub fn sparse_cross_entropy_backward[T: Exponential][T](
        dlogits: &mut [T],
        logits: &[T],
        labels: &[i32],
        dloss: &[T],
        classes: usize,
    ) {
        let transposed = &mut memory::<T>()[..classes];
        let rows = logits.chunks(LANES * classes).zip(labels.chunks(LANES).zip(dloss.chunks(LANES)));
        for (dx, (x, (labels, dloss))) in dlogits.chunks_mut(LANES * classes).zip(rows) {
            transpose(transposed, x);
            let factor = map(load(dloss), exponentials::<T, FMA>(transposed), |dloss, s| dloss / s);
            for lanes in each_mut(transposed) {
                *lanes = map(*lanes, factor, |p, factor| p * factor);
            }
            transpose_back(dx, transposed);
            for (dx, (&label, &dloss)) in dx.chunks_exact_mut(classes).zip(labels.iter().zip(dloss)) {
                dx[label as usize] -= dloss;
            }
        }
    }
}
