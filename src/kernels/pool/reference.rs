//! Pooling as its definition reads: the oracle of the fast kernels.

use super::Pooling;
use crate::kernels::Real;

/// Calls `visit(index in y, tap, index in x)` for every pixel and channel under every window, window by window.
fn for_each_tap(p: &Pooling, mut visit: impl FnMut(usize, i32, usize)) {
    let (window, [height, width]) = (&p.window, p.window.size);
    for image in 0..p.batch {
        for oh in 0..p.output[0] {
            for ow in 0..p.output[1] {
                for c in 0..p.channels {
                    let output = ((image * p.output[0] + oh) * p.output[1] + ow) * p.channels + c;
                    for tap in 0..height * width {
                        let inside = |axis: usize, position: usize, tap: usize| {
                            (position * window.strides[axis] + tap)
                                .checked_sub(window.before[axis])
                                .filter(|&pixel| pixel < p.input[axis])
                        };
                        let (h, w) = (inside(0, oh, tap / width), inside(1, ow, tap % width));
                        if let (Some(h), Some(w)) = (h, w) {
                            let input = ((image * p.input[0] + h) * p.input[1] + w) * p.channels + c;
                            visit(output, tap as i32, input);
                        }
                    }
                }
            }
        }
    }
}

/// y and argmax of [`super::max_forward`].
pub fn max_forward<T: Real>(p: &Pooling, x: &[T], y: &mut [T], argmax: &mut [i32]) {
    argmax.fill(-1);
    for_each_tap(p, |output, tap, input| {
        let (x, y) = (x[input], &mut y[output]);
        if argmax[output] < 0 || x > *y || (x.is_nan() && !y.is_nan()) {
            (*y, argmax[output]) = (x, tap);
        }
    });
}

/// dx of [`super::max_backward`].
pub fn max_backward<T: Real>(p: &Pooling, argmax: &[i32], dy: &[T], dx: &mut [T]) {
    dx.fill(T::ZERO);
    for_each_tap(p, |output, tap, input| {
        if argmax[output] == tap {
            dx[input] += dy[output];
        }
    });
}

/// y of [`super::max_select`].
pub fn max_select<T: Real>(p: &Pooling, argmax: &[i32], values: &[T], y: &mut [T]) {
    for_each_tap(p, |output, tap, input| {
        if argmax[output] == tap {
            y[output] = values[input];
        }
    });
}

/// y of [`super::average_forward`].
pub fn average_forward<T: Real>(p: &Pooling, x: &[T], y: &mut [T]) {
    let counts = counts(p, y.len());
    y.fill(T::ZERO);
    for_each_tap(p, |output, _, input| y[output] += x[input]);
    for (y, count) in y.iter_mut().zip(counts) {
        *y *= T::ONE / T::from_usize(count);
    }
}

/// dx of [`super::average_backward`].
pub fn average_backward<T: Real>(p: &Pooling, dy: &[T], dx: &mut [T]) {
    let counts = counts(p, dy.len());
    dx.fill(T::ZERO);
    for_each_tap(p, |output, _, input| dx[input] += dy[output] * (T::ONE / T::from_usize(counts[output])));
}

/// How many pixels of x lie under each window.
fn counts(p: &Pooling, outputs: usize) -> Vec<usize> {
    let mut counts = vec![0; outputs];
    for_each_tap(p, |output, _, _| counts[output] += 1);
    counts
}
