//! Maximum and average pooling over NHWC tensors; padding never takes part.

use crate::kernels::Real;
use crate::kernels::conv::Window;
use crate::kernels::parallel::for_each_chunk;

/// The sizes of one pooling: x (B, H, W, C), y (B, OH, OW, C). Every window covers at least one pixel of x.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    pub batch: usize,
    /// H, W.
    pub input: [usize; 2],
    pub channels: usize,
    /// OH, OW.
    pub output: [usize; 2],
    pub window: Window,
}

/// Channels that are worked on together, in registers.
const LANES: usize = 16;

impl Pooling {
    fn image_len(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    fn output_image_len(&self) -> usize {
        self.output[0] * self.output[1] * self.channels
    }

    /// An estimate in nanoseconds: each element of x is touched once for each window over it.
    fn work(&self) -> u64 {
        (self.batch * self.output_image_len() * self.window.size[0] * self.window.size[1] / 8) as u64
    }

    /// Visits the windows of one image as (offset in its y, offsets in its x with the number of the tap).
    fn for_each_window(&self, mut visit: impl FnMut(usize, &Taps<'_>)) {
        for oh in 0..self.output[0] {
            let rows = self.window.taps_inside(0, oh, self.input[0]);
            for ow in 0..self.output[1] {
                let columns = self.window.taps_inside(1, ow, self.input[1]);
                let taps = Taps { pooling: self, oh, ow, rows: rows.clone(), columns };
                visit((oh * self.output[1] + ow) * self.channels, &taps);
            }
        }
    }
}

/// The pixels of x under the window at (oh, ow).
struct Taps<'a> {
    pooling: &'a Pooling,
    oh: usize,
    ow: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl Taps<'_> {
    fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Offsets of the pixels' first channel within the image, row by row.
    #[inline(always)]
    fn for_each(&self, mut visit: impl FnMut(usize)) {
        let (p, window) = (self.pooling, &self.pooling.window);
        for kh in self.rows.clone() {
            let h = self.oh * window.strides[0] + kh * window.dilation[0] - window.before[0];
            for kw in self.columns.clone() {
                let w = self.ow * window.strides[1] + kw * window.dilation[1] - window.before[1];
                visit((h * p.input[1] + w) * p.channels);
            }
        }
    }
}

/// y = max over each window of x; NaN where the window holds one.
pub fn max_forward<T: Real>(p: &Pooling, x: &[T], y: &mut [T]) {
    for_each_chunk(y, p.output_image_len(), p.work(), &|image, y| {
        let x = &x[image * p.image_len()..][..p.image_len()];
        p.for_each_window(|start, taps| {
            let y = &mut y[start..start + p.channels];
            y.fill(T::NEG_INFINITY);
            taps.for_each(|tap| {
                for (best, &x) in y.iter_mut().zip(&x[tap..tap + p.channels]) {
                    if x > *best || x.is_nan() {
                        *best = x;
                    }
                }
            });
        });
    });
}

/// dx, where each dy goes to the first maximum of its window, row by row.
pub fn max_backward<T: Real>(p: &Pooling, x: &[T], dy: &[T], dx: &mut [T]) {
    for_each_chunk(dx, p.image_len(), p.work(), &|image, dx| {
        let x = &x[image * p.image_len()..][..p.image_len()];
        let dy = &dy[image * p.output_image_len()..][..p.output_image_len()];
        dx.fill(T::ZERO);
        p.for_each_window(|start, taps| {
            for_each_lanes(p.channels, |lanes| {
                let first = first_maximum(x, taps, &lanes);
                let dy = &dy[start + lanes.start..start + lanes.end];
                let mut number = T::ZERO;
                taps.for_each(|tap| {
                    let dx = &mut dx[tap + lanes.start..tap + lanes.end];
                    for ((dx, &dy), &first) in dx.iter_mut().zip(dy).zip(&first) {
                        *dx += if first == number { dy } else { T::ZERO };
                    }
                    number += T::ONE;
                });
            });
        });
    });
}

/// y[window] = values at the first maximum of x in the window: what [`max_backward`] is the transpose of.
pub fn max_select<T: Real>(p: &Pooling, x: &[T], values: &[T], y: &mut [T]) {
    for_each_chunk(y, p.output_image_len(), p.work(), &|image, y| {
        let x = &x[image * p.image_len()..][..p.image_len()];
        let values = &values[image * p.image_len()..][..p.image_len()];
        p.for_each_window(|start, taps| {
            for_each_lanes(p.channels, |lanes| {
                let first = first_maximum(x, taps, &lanes);
                let y = &mut y[start + lanes.start..start + lanes.end];
                let mut number = T::ZERO;
                taps.for_each(|tap| {
                    let values = &values[tap + lanes.start..tap + lanes.end];
                    for ((y, &value), &first) in y.iter_mut().zip(values).zip(&first) {
                        *y = if first == number { value } else { *y };
                    }
                    number += T::ONE;
                });
            });
        });
    });
}

/// The number of the tap that holds each channel's first maximum. It is kept as a `T`, so that it is as wide as the
/// numbers it is compared beside.
#[inline(always)]
fn first_maximum<T: Real>(x: &[T], taps: &Taps<'_>, lanes: &std::ops::Range<usize>) -> [T; LANES] {
    let mut first = [T::ZERO; LANES];
    let mut best = [T::NEG_INFINITY; LANES];
    let mut number = T::ZERO;
    taps.for_each(|tap| {
        let x = &x[tap + lanes.start..tap + lanes.end];
        for ((best, first), &x) in best.iter_mut().zip(&mut first).zip(x) {
            let larger = x > *best;
            *best = if larger { x } else { *best };
            *first = if larger { number } else { *first };
        }
        number += T::ONE;
    });
    first
}

/// y = the mean over the pixels of x under each window.
pub fn average_forward<T: Real>(p: &Pooling, x: &[T], y: &mut [T]) {
    for_each_chunk(y, p.output_image_len(), p.work(), &|image, y| {
        let x = &x[image * p.image_len()..][..p.image_len()];
        p.for_each_window(|start, taps| {
            let y = &mut y[start..start + p.channels];
            y.fill(T::ZERO);
            taps.for_each(|tap| {
                for (y, &x) in y.iter_mut().zip(&x[tap..tap + p.channels]) {
                    *y += x;
                }
            });
            let share = T::ONE / T::from_usize(taps.count());
            for y in y {
                *y *= share;
            }
        });
    });
}

/// dx, where each dy is shared out evenly among the pixels under its window.
pub fn average_backward<T: Real>(p: &Pooling, dy: &[T], dx: &mut [T]) {
    for_each_chunk(dx, p.image_len(), p.work(), &|image, dx| {
        let dy = &dy[image * p.output_image_len()..][..p.output_image_len()];
        dx.fill(T::ZERO);
        p.for_each_window(|start, taps| {
            let dy = &dy[start..start + p.channels];
            let share = T::ONE / T::from_usize(taps.count());
            taps.for_each(|tap| {
                for (dx, &dy) in dx[tap..tap + p.channels].iter_mut().zip(dy) {
                    *dx += dy * share;
                }
            });
        });
    });
}

/// Splits `0..channels` into runs of at most [`LANES`].
#[inline(always)]
fn for_each_lanes(channels: usize, mut visit: impl FnMut(std::ops::Range<usize>)) {
    for start in (0..channels).step_by(LANES) {
        visit(start..channels.min(start + LANES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(size: [usize; 2], strides: [usize; 2]) -> Window {
        Window { size, strides, before: [0, 0], after: [0, 0], dilation: [1, 1] }
    }

    #[test]
    fn ties_go_to_the_first_maximum_of_the_window() {
        let p =
            Pooling { batch: 1, input: [2, 2], channels: 1, output: [1, 1], window: window([2, 2], [2, 2]) };
        let x = [1.0f32, 3.0, 3.0, 3.0];
        let mut dx = [f32::NAN; 4];
        max_backward(&p, &x, &[5.0], &mut dx);
        assert_eq!(dx, [0.0, 5.0, 0.0, 0.0]);
        let mut y = [0.0];
        max_select(&p, &x, &[10.0, 20.0, 30.0, 40.0], &mut y);
        assert_eq!(y, [20.0]);
    }

    #[test]
    fn a_nan_in_the_window_is_the_maximum() {
        let p =
            Pooling { batch: 1, input: [1, 4], channels: 1, output: [1, 2], window: window([1, 2], [1, 2]) };
        let mut y = [0.0f32; 2];
        max_forward(&p, &[f32::NAN, 1.0, 2.0, f32::NEG_INFINITY], &mut y);
        assert!(y[0].is_nan());
        assert_eq!(y[1], 2.0);
    }

    #[test]
    fn padding_does_not_count_in_the_mean() {
        let window = Window { before: [0, 1], after: [0, 1], ..window([1, 3], [1, 2]) };
        let p = Pooling { batch: 1, input: [1, 3], channels: 1, output: [1, 2], window };
        let mut y = [0.0f64; 2];
        average_forward(&p, &[1.0, 3.0, 8.0], &mut y);
        assert_eq!(y, [2.0, 5.5]);
        let mut dx = [f64::NAN; 3];
        average_backward(&p, &[2.0, 4.0], &mut dx);
        assert_eq!(dx, [1.0, 3.0, 2.0]);
    }
}
