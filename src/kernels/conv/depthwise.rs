//! Convolution of every channel with a filter of its own (as many groups and filters as channels): vectors of channels
//! go through the taps side by side.

use std::ops::Range;

use super::Geometry;
use super::correlate::Direction;
use super::runs::{Axis, Run};
use super::tile::store_row;
use crate::graph::Epilogue;
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::{DisjointMut, for_each_part};

/// Channels of one part of the gradient by filter: a cache line of f32.
const CHANNELS_PER_PART: usize = 16;

/// Some lines of y, or of dx, from all they depend on.
pub struct Correlate<'a, T> {
    pub geometry: &'a Geometry,
    pub direction: Direction,
    /// The axes, with the pixels of the source and of the destination along each.
    pub axes: [Axis; 2],
    pub source_size: [usize; 2],
    pub destination_size: [usize; 2],
    pub source: &'a [T],
    /// (KH, KW, 1, C).
    pub kernel: &'a [T],
    /// The lines of this part only.
    pub destination: &'a mut [T],
    pub images: Range<usize>,
    pub lines: Range<usize>,
}

impl<T: Vectorized> Kernel for Correlate<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(mut self) {
        for vertical in self.axes[0].runs(self.lines.clone()) {
            for horizontal in self.axes[1].runs(0..self.destination_size[1]) {
                // SAFETY: the processor has the vectors of `V`.
                unsafe { self.correlate_runs::<V>(&vertical, &horizontal) };
            }
        }
    }
}

impl<T: Vectorized> Correlate<'_, T> {
    #[inline(always)]
    unsafe fn correlate_runs<V: Vector<Element = T>>(&mut self, vertical: &Run, horizontal: &Run) {
        let channels = self.geometry.channels;
        let line = self.source_size[1] * channels;
        let first_line = self.images.start * self.destination_size[0] + self.lines.start;
        for image in self.images.clone() {
            for i in 0..vertical.count {
                for j in 0..horizontal.count {
                    let source_line =
                        image * self.source_size[0] + vertical.source + i * vertical.source_step;
                    let source =
                        source_line * line + (horizontal.source + j * horizontal.source_step) * channels;
                    let row =
                        image * self.destination_size[0] + vertical.start + i * vertical.step - first_line;
                    let pixel = row * self.destination_size[1] + horizontal.start + j * horizontal.step;
                    let destination = self.destination[pixel * channels..(pixel + 1) * channels].as_mut_ptr();
                    for first in (0..channels).step_by(V::LANES) {
                        let count = V::LANES.min(channels - first);
                        // SAFETY: runs keep every tap inside the source; `count` channels follow `first`.
                        unsafe {
                            let mut sum = V::splat(T::ZERO);
                            for vertical_tap in 0..vertical.taps {
                                for horizontal_tap in 0..horizontal.taps {
                                    let x = source
                                        + vertical_tap * vertical.source_tap_step * line
                                        + horizontal_tap * horizontal.source_tap_step * channels
                                        + first;
                                    let tap = self.tap(
                                        vertical.tap + vertical_tap * vertical.tap_step,
                                        horizontal.tap + horizontal_tap * horizontal.tap_step,
                                    );
                                    let x = V::load_first(self.source.as_ptr().add(x), count);
                                    let weights = self.kernel.as_ptr().add(tap * channels + first);
                                    sum = sum.multiply_add(x, V::load_first(weights, count));
                                }
                            }
                            store_row(&[sum], destination.add(first), count);
                        }
                    }
                }
            }
        }
    }

    /// The tap of the kernel; backwards they are counted from its far end.
    #[inline(always)]
    fn tap(&self, vertical: usize, horizontal: usize) -> usize {
        let tap = vertical * self.geometry.window.size[1] + horizontal;
        match self.direction {
            Direction::Forward => tap,
            Direction::Backward => self.geometry.taps() - 1 - tap,
        }
    }
}

/// dkernel (KH, KW, 1, C) from x and dy, each part some channels.
pub fn backward_filter<T: Vectorized>(
    isa: Isa,
    g: &Geometry,
    x: &[T],
    dy: &[T],
    dkernel: &mut [T],
    epilogue: Option<Epilogue<'_>>,
) {
    let (channels, taps) = (g.channels, g.taps());
    let shared = DisjointMut::new(dkernel);
    for_each_part(channels.div_ceil(CHANNELS_PER_PART), g.flops() / 5, &|part| {
        let first = part * CHANNELS_PER_PART;
        let columns = first..channels.min(first + CHANNELS_PER_PART);
        for tap in 0..taps {
            let range = tap * channels + columns.start..tap * channels + columns.end;
            // SAFETY: parts have channels of their own.
            unsafe { shared.slice(range) }.fill(T::ZERO);
        }
        for image in 0..g.batch {
            for tap in 0..taps {
                let range = tap * channels + columns.start..tap * channels + columns.end;
                // SAFETY: as above.
                let sums = unsafe { shared.slice(range) };
                simd::run(isa, Accumulate { geometry: g, x, dy, sums, image, tap, first });
            }
        }
        if let Some(epilogue) = epilogue {
            epilogue(0..taps, columns);
        }
    });
}

/// Adds one image's share to some channels of one tap.
struct Accumulate<'a, T> {
    geometry: &'a Geometry,
    x: &'a [T],
    dy: &'a [T],
    sums: &'a mut [T],
    image: usize,
    tap: usize,
    first: usize,
}

impl<T: Vectorized> Kernel for Accumulate<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let g = self.geometry;
        let (kh, kw) = (self.tap / g.window.size[1], self.tap % g.window.size[1]);
        let rows = g.window.positions_inside(0, kh, g.input[0], g.output[0]);
        let columns = g.window.positions_inside(1, kw, g.input[1], g.output[1]);
        for start in (0..self.sums.len()).step_by(V::LANES) {
            let count = V::LANES.min(self.sums.len() - start);
            let channel = self.first + start;
            // SAFETY: the positions are those at which the tap lies inside x; `count` channels follow `channel`.
            unsafe {
                let sums = self.sums.as_mut_ptr().add(start);
                let mut sum = V::load_first(sums, count);
                for oh in rows.clone() {
                    let h = oh * g.window.strides[0] + kh * g.window.dilation[0] - g.window.before[0];
                    for ow in columns.clone() {
                        let w = ow * g.window.strides[1] + kw * g.window.dilation[1] - g.window.before[1];
                        let x = ((self.image * g.input[0] + h) * g.input[1] + w) * g.channels + channel;
                        let dy = ((self.image * g.output[0] + oh) * g.output[1] + ow) * g.channels + channel;
                        let x = V::load_first(self.x.as_ptr().add(x), count);
                        sum = sum.multiply_add(x, V::load_first(self.dy.as_ptr().add(dy), count));
                    }
                }
                store_row(&[sum], sums, count);
            }
        }
    }
}
