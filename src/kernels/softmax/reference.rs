//! The definitions, an element at a time, on one thread.

use crate::kernels::Real;

/// ln Σ exp x of a row, and its largest element.
fn log_sum<T: Real>(x: &[T]) -> T {
    let m = x.iter().fold(T::NEG_INFINITY, |m, &x| if x > m { x } else { m });
    let sum = x.iter().fold(T::ZERO, |sum, &x| sum + (x - m).exp());
    m + sum.ln()
}

/// See [`softmax`](super::softmax).
pub fn softmax<T: Real>(y: &mut [T], x: &[T], classes: usize) {
    log_softmax(y, x, classes);
    for y in y {
        *y = y.exp();
    }
}

/// See [`softmax_backward`](super::softmax_backward).
pub fn softmax_backward<T: Real>(dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
    for (start, dx) in dx.chunks_exact_mut(classes).enumerate() {
        let (y, dy) = (&y[start * classes..][..classes], &dy[start * classes..][..classes]);
        let mean = y.iter().zip(dy).fold(T::ZERO, |sum, (&y, &dy)| sum + y * dy);
        for (class, dx) in dx.iter_mut().enumerate() {
            *dx = y[class] * (dy[class] - mean);
        }
    }
}

/// See [`log_softmax`](super::log_softmax).
pub fn log_softmax<T: Real>(y: &mut [T], x: &[T], classes: usize) {
    for (y, x) in y.chunks_exact_mut(classes).zip(x.chunks_exact(classes)) {
        let log_s = log_sum(x);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x - log_s;
        }
    }
}

/// See [`log_softmax_backward`](super::log_softmax_backward).
pub fn log_softmax_backward<T: Real>(dx: &mut [T], y: &[T], dy: &[T], classes: usize) {
    for (start, dx) in dx.chunks_exact_mut(classes).enumerate() {
        let (y, dy) = (&y[start * classes..][..classes], &dy[start * classes..][..classes]);
        let total = dy.iter().fold(T::ZERO, |sum, &dy| sum + dy);
        for (class, dx) in dx.iter_mut().enumerate() {
            *dx = dy[class] - y[class].exp() * total;
        }
    }
}

/// See [`cross_entropy`](super::cross_entropy).
pub fn cross_entropy<T: Real>(loss: &mut [T], logits: &[T], target: &[T], classes: usize) {
    let rows = logits.chunks_exact(classes).zip(target.chunks_exact(classes));
    for (loss, (x, target)) in loss.iter_mut().zip(rows) {
        let log_s = log_sum(x);
        *loss = x.iter().zip(target).fold(T::ZERO, |sum, (&x, &target)| sum + target * (log_s - x));
    }
}

/// See [`cross_entropy_backward`](super::cross_entropy_backward).
pub fn cross_entropy_backward<T: Real>(
    dlogits: &mut [T],
    logits: &[T],
    target: &[T],
    dloss: &[T],
    classes: usize,
) {
    softmax(dlogits, logits, classes);
    for (row, dx) in dlogits.chunks_exact_mut(classes).enumerate() {
        let target = &target[row * classes..][..classes];
        let total = target.iter().fold(T::ZERO, |sum, &target| sum + target);
        for (dx, &target) in dx.iter_mut().zip(target) {
            *dx = (*dx * total - target) * dloss[row];
        }
    }
}

/// See [`sparse_cross_entropy`](super::sparse_cross_entropy).
pub fn sparse_cross_entropy<T: Real>(loss: &mut [T], logits: &[T], labels: &[i32], classes: usize) {
    for (row, x) in logits.chunks_exact(classes).enumerate() {
        loss[row] = log_sum(x) - x[labels[row] as usize];
    }
}

/// See [`sparse_cross_entropy_backward`](super::sparse_cross_entropy_backward).
pub fn sparse_cross_entropy_backward<T: Real>(
    dlogits: &mut [T],
    logits: &[T],
    labels: &[i32],
    dloss: &[T],
    classes: usize,
) {
    softmax(dlogits, logits, classes);
    for (row, dx) in dlogits.chunks_exact_mut(classes).enumerate() {
        dx[labels[row] as usize] -= T::ONE;
        for dx in dx {
            *dx *= dloss[row];
        }
    }
}
