//! One row after another, in chunks of [`LANES`] elements, the last one filled up with an element that changes nothing.

use super::{Exponential, larger};
use crate::kernels::Real;
use crate::kernels::lanes::{LANES, chunks, dot, fold_lanes, load, store, sum};
use crate::kernels::simd::per_isa;

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

per_isa! {
    pub fn softmax[T: Exponential][T](y: &mut [T], x: &[T], classes: usize) {
        for (y, x) in y.chunks_exact_mut(classes).zip(x.chunks_exact(classes)) {
            let s = exponentials::<T, FMA>(y, x, maximum(x));
            let factor = T::ONE / s;
            for y in y {
                *y *= factor;
            }
        }
    }
}

per_isa! {
    pub fn softmax_backward[T: Exponential][T](dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
        let rows = y.chunks_exact(classes).zip(dy.chunks_exact(classes));
        for (dx, (y, dy)) in dx.chunks_exact_mut(classes).zip(rows) {
            let mean = dot(y, dy);
            for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
                *dx = y * (dy - mean);
            }
        }
    }
}

per_isa! {
    pub fn log_softmax[T: Exponential][T](y: &mut [T], x: &[T], classes: usize) {
        for (y, x) in y.chunks_exact_mut(classes).zip(x.chunks_exact(classes)) {
            let m = maximum(x);
            let log_s = sum_of_exponentials::<T, FMA>(x, m).ln();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - m) - log_s;
            }
        }
    }
}

per_isa! {
    pub fn log_softmax_backward[T: Exponential][T](dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
        let rows = y.chunks_exact(classes).zip(dy.chunks_exact(classes));
        for (dx, (y, dy)) in dx.chunks_exact_mut(classes).zip(rows) {
            let total = sum(dy);
            for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
                *dx = dy - y.exponential::<FMA>() * total;
            }
        }
    }
}

per_isa! {
    pub fn cross_entropy[T: Exponential][T](loss: &mut [T], logits: &[T], target: &[T], classes: usize) {
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

per_isa! {
    pub fn cross_entropy_backward[T: Exponential][T](
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

per_isa! {
    pub fn sparse_cross_entropy[T: Exponential][T](loss: &mut [T], logits: &[T], labels: &[i32], classes: usize) {
        let rows = logits.chunks_exact(classes).zip(labels);
        for (loss, (x, &label)) in loss.iter_mut().zip(rows) {
            let m = maximum(x);
            *loss = sum_of_exponentials::<T, FMA>(x, m).ln() - (x[label as usize] - m);
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
