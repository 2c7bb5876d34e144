//! Maximum and average pooling over NHWC tensors; padding never takes part.

// Index loops: iterator adapters are not always inlined into code for the machine's vectors.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use crate::kernels::conv::Window;
use crate::kernels::parallel::for_each_chunk;
use crate::kernels::simd::{self, Kernel, Vector, Vectorized, isa};

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

    /// One image of x.
    fn image<'a, T>(&self, x: &'a [T], image: usize) -> &'a [T] {
        &x[image * self.image_len()..][..self.image_len()]
    }

    /// One image of y.
    fn output_image<'a, T>(&self, y: &'a [T], image: usize) -> &'a [T] {
        &y[image * self.output_image_len()..][..self.output_image_len()]
    }

    /// An estimate in nanoseconds: each element of x is touched once for each window over it.
    fn work(&self) -> u64 {
        (self.batch * self.output_image_len() * self.window.size[0] * self.window.size[1] / 8) as u64
    }

    /// The windows of one image, row by row.
    #[inline(always)]
    fn windows(&self) -> Windows<'_> {
        Windows { pooling: self, oh: 0, ow: 0, rows: self.window.taps_inside(0, 0, self.input[0]) }
    }
}

struct Windows<'a> {
    pooling: &'a Pooling,
    oh: usize,
    ow: usize,
    rows: Range<usize>,
}

impl Iterator for Windows<'_> {
    type Item = Taps;

    #[inline(always)]
    fn next(&mut self) -> Option<Taps> {
        let (p, window) = (self.pooling, &self.pooling.window);
        if self.ow == p.output[1] {
            (self.oh, self.ow) = (self.oh + 1, 0);
            self.rows = window.taps_inside(0, self.oh, p.input[0]);
        }
        if self.oh == p.output[0] {
            return None;
        }
        let columns = window.taps_inside(1, self.ow, p.input[1]);
        let h = self.oh * window.strides[0] + self.rows.start * window.dilation[0] - window.before[0];
        let w = self.ow * window.strides[1] + columns.start * window.dilation[1] - window.before[1];
        let taps = Taps {
            output: (self.oh * p.output[1] + self.ow) * p.channels,
            first: (h * p.input[1] + w) * p.channels,
            rows: self.rows.len(),
            row_step: window.dilation[0] * p.input[1] * p.channels,
            columns: columns.len(),
            column_step: window.dilation[1] * p.channels,
        };
        self.ow += 1;
        Some(taps)
    }
}

/// The pixels of x under one window: offsets of their first channels, `rows` × `columns` of them.
#[derive(Clone, Copy)]
struct Taps {
    /// The offset of the window's pixel in y.
    output: usize,
    first: usize,
    rows: usize,
    row_step: usize,
    columns: usize,
    column_step: usize,
}

impl Taps {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> usize {
        self.first + row * self.row_step + column * self.column_step
    }

    #[inline(always)]
    fn share<T: Vectorized>(&self) -> T {
        T::ONE / T::from_usize(self.rows * self.columns)
    }
}

/// y = max over each window of x; NaN where the window holds one.
pub fn max_forward<T: Vectorized>(p: &Pooling, x: &[T], y: &mut [T]) {
    for_each_chunk(y, p.output_image_len(), p.work(), &|image, y| {
        simd::run(isa(), Pass::Max { p, x: p.image(x, image), y });
    });
}

/// dx, where each dy goes to the first maximum of its window, row by row.
pub fn max_backward<T: Vectorized>(p: &Pooling, x: &[T], dy: &[T], dx: &mut [T]) {
    for_each_chunk(dx, p.image_len(), p.work(), &|image, dx| {
        simd::run(isa(), Pass::MaxBackward { p, x: p.image(x, image), dy: p.output_image(dy, image), dx });
    });
}

/// y[window] = values at the first maximum of x in the window: what [`max_backward`] is the transpose of.
pub fn max_select<T: Vectorized>(p: &Pooling, x: &[T], values: &[T], y: &mut [T]) {
    for_each_chunk(y, p.output_image_len(), p.work(), &|image, y| {
        simd::run(isa(), Pass::MaxSelect { p, x: p.image(x, image), values: p.image(values, image), y });
    });
}

/// y = the mean over the pixels of x under each window.
pub fn average_forward<T: Vectorized>(p: &Pooling, x: &[T], y: &mut [T]) {
    for_each_chunk(y, p.output_image_len(), p.work(), &|image, y| {
        simd::run(isa(), Pass::Average { p, x: p.image(x, image), y });
    });
}

/// dx, where each dy is shared out evenly among the pixels under its window.
pub fn average_backward<T: Vectorized>(p: &Pooling, dy: &[T], dx: &mut [T]) {
    for_each_chunk(dx, p.image_len(), p.work(), &|image, dx| {
        simd::run(isa(), Pass::AverageBackward { p, dy: p.output_image(dy, image), dx });
    });
}

/// One of the five on one image.
enum Pass<'a, T> {
    Max { p: &'a Pooling, x: &'a [T], y: &'a mut [T] },
    MaxBackward { p: &'a Pooling, x: &'a [T], dy: &'a [T], dx: &'a mut [T] },
    MaxSelect { p: &'a Pooling, x: &'a [T], values: &'a [T], y: &'a mut [T] },
    Average { p: &'a Pooling, x: &'a [T], y: &'a mut [T] },
    AverageBackward { p: &'a Pooling, dy: &'a [T], dx: &'a mut [T] },
}

impl<T: Vectorized> Kernel for Pass<'_, T> {
    type Element = T;

    // The loops are left to the compiler, which has the instructions of `V` at hand here.
    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        match self {
            Self::Max { p, x, y } => {
                for taps in p.windows() {
                    let y = &mut y[taps.output..][..p.channels];
                    y.fill(T::NEG_INFINITY);
                    for row in 0..taps.rows {
                        for column in 0..taps.columns {
                            let x = &x[taps.at(row, column)..][..p.channels];
                            for c in 0..p.channels {
                                y[c] = if x[c] > y[c] || x[c].is_nan() { x[c] } else { y[c] };
                            }
                        }
                    }
                }
            }
            Self::MaxBackward { p, x, dy, dx } => {
                dx.fill(T::ZERO);
                for taps in p.windows() {
                    for first in (0..p.channels).step_by(LANES) {
                        let lanes = Lanes { first, count: LANES.min(p.channels - first) };
                        let winner = first_maximum(x, taps, lanes);
                        let dy = lanes.of(dy, taps.output);
                        let mut number = T::ZERO;
                        for row in 0..taps.rows {
                            for column in 0..taps.columns {
                                let tap = taps.at(row, column);
                                let mut sums = lanes.of(dx, tap);
                                for lane in 0..LANES {
                                    let won = winner[lane] == number;
                                    sums[lane] += if won { dy[lane] } else { T::ZERO };
                                }
                                lanes.write(&sums, dx, tap);
                                number += T::ONE;
                            }
                        }
                    }
                }
            }
            Self::MaxSelect { p, x, values, y } => {
                for taps in p.windows() {
                    for first in (0..p.channels).step_by(LANES) {
                        let lanes = Lanes { first, count: LANES.min(p.channels - first) };
                        let winner = first_maximum(x, taps, lanes);
                        let mut selected = [T::ZERO; LANES];
                        let mut number = T::ZERO;
                        for row in 0..taps.rows {
                            for column in 0..taps.columns {
                                let values = lanes.of(values, taps.at(row, column));
                                for lane in 0..LANES {
                                    let won = winner[lane] == number;
                                    selected[lane] = if won { values[lane] } else { selected[lane] };
                                }
                                number += T::ONE;
                            }
                        }
                        lanes.write(&selected, y, taps.output);
                    }
                }
            }
            Self::Average { p, x, y } => {
                for taps in p.windows() {
                    let y = &mut y[taps.output..][..p.channels];
                    y.fill(T::ZERO);
                    for row in 0..taps.rows {
                        for column in 0..taps.columns {
                            let x = &x[taps.at(row, column)..][..p.channels];
                            for c in 0..p.channels {
                                y[c] += x[c];
                            }
                        }
                    }
                    let share: T = taps.share();
                    for c in 0..p.channels {
                        y[c] *= share;
                    }
                }
            }
            Self::AverageBackward { p, dy, dx } => {
                dx.fill(T::ZERO);
                for taps in p.windows() {
                    let dy = &dy[taps.output..][..p.channels];
                    let share: T = taps.share();
                    for row in 0..taps.rows {
                        for column in 0..taps.columns {
                            let dx = &mut dx[taps.at(row, column)..][..p.channels];
                            for c in 0..p.channels {
                                dx[c] += dy[c] * share;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The number of the tap that holds each channel's first maximum. It is kept as a `T`, so that it is as wide as the
/// numbers it is compared beside.
#[inline(always)]
fn first_maximum<T: Vectorized>(x: &[T], taps: Taps, lanes: Lanes) -> [T; LANES] {
    let mut first = [T::ZERO; LANES];
    let mut best = [T::NEG_INFINITY; LANES];
    let mut number = T::ZERO;
    for row in 0..taps.rows {
        for column in 0..taps.columns {
            let x = lanes.of(x, taps.at(row, column));
            for lane in 0..LANES {
                let larger = x[lane] > best[lane];
                best[lane] = if larger { x[lane] } else { best[lane] };
                first[lane] = if larger { number } else { first[lane] };
            }
            number += T::ONE;
        }
    }
    first
}

/// The channels `first..first + count`, at most [`LANES`].
#[derive(Clone, Copy)]
struct Lanes {
    first: usize,
    count: usize,
}

impl Lanes {
    /// These channels of the pixel at `pixel`, the missing ones as zeros.
    #[inline(always)]
    fn of<T: Vectorized>(self, from: &[T], pixel: usize) -> [T; LANES] {
        let from = &from[pixel + self.first..][..self.count];
        if let Some(lanes) = from.first_chunk() {
            return *lanes;
        }
        let mut lanes = [T::ZERO; LANES];
        lanes[..from.len()].copy_from_slice(from);
        lanes
    }

    #[inline(always)]
    fn write<T: Vectorized>(self, lanes: &[T; LANES], to: &mut [T], pixel: usize) {
        let to = &mut to[pixel + self.first..][..self.count];
        match to.first_chunk_mut() {
            Some(whole) => *whole = *lanes,
            None => to.copy_from_slice(&lanes[..to.len()]),
        }
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
