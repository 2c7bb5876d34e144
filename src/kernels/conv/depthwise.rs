//! Convolution of every channel with a filter of its own (as many groups and filters as channels): vectors of channels
//! go through the taps side by side.

// Index loops: see `tile`.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::Direction;
use super::Geometry;
use super::runs::{Axis, Run};
use super::tile::store_row;
use crate::kernels::Epilogue;
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::{DisjointMut, for_each_part};

/// What the gradient by filter goes through for each row of taps: x and dy stay in a small L1 cache.
const BLOCK_BYTES: usize = 16 << 10;

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
        let terms = Terms {
            rows: vertical.taps,
            row_source: vertical.source_tap_step * line,
            row_taps: vertical.tap_step * self.geometry.window.size[1],
            columns: horizontal.taps,
            column_source: horizontal.source_tap_step * channels,
            column_taps: horizontal.tap_step,
            pixels: horizontal.count,
            source_step: horizontal.source_step * channels,
            destination_step: horizontal.step * channels,
        };
        let first_tap = vertical.tap * self.geometry.window.size[1] + horizontal.tap;
        for image in self.images.clone() {
            for i in 0..vertical.count {
                let source_line = image * self.source_size[0] + vertical.source + i * vertical.source_step;
                let source = source_line * line + horizontal.source * channels;
                let row = image * self.destination_size[0] + vertical.start + i * vertical.step - first_line;
                let pixel = row * self.destination_size[1] + horizontal.start;
                let source = self.source.as_ptr().wrapping_add(source);
                let destination = self.destination.as_mut_ptr().wrapping_add(pixel * channels);
                let whole = channels / V::LANES * V::LANES;
                // Channels outside, pixels inside: the weights of some channels stay in the L1 cache over the line.
                // SAFETY: runs keep every tap inside the source and every pixel inside the destination.
                unsafe {
                    for first in (0..whole).step_by(V::LANES) {
                        let (source, destination) = (source.add(first), destination.add(first));
                        let weights = self.kernel.as_ptr().add(first);
                        self.line::<V, true>(source, weights, destination, first_tap, &terms, V::LANES);
                    }
                    if whole < channels {
                        let (source, destination) = (source.add(whole), destination.add(whole));
                        let weights = self.kernel.as_ptr().add(whole);
                        self.line::<V, false>(
                            source,
                            weights,
                            destination,
                            first_tap,
                            &terms,
                            channels - whole,
                        );
                    }
                }
            }
        }
    }

    /// `count` channels, a whole vector where they are `WHOLE`, of a run's pixels in one line.
    ///
    /// # Safety
    /// As [`Vector`]; the pointers are to those channels of the first pixel, and all taps of the pixels exist.
    #[inline(always)]
    unsafe fn line<V: Vector<Element = T>, const WHOLE: bool>(
        &self,
        mut source: *const T,
        weights: *const T,
        mut destination: *mut T,
        first_tap: usize,
        terms: &Terms,
        count: usize,
    ) {
        let mut remaining = terms.pixels;
        while remaining > 0 {
            // SAFETY: the caller's promise.
            let pixels = unsafe {
                if remaining >= 4 {
                    self.tile::<V, 4, WHOLE>(source, weights, destination, first_tap, terms, count)
                } else if remaining >= 2 {
                    self.tile::<V, 2, WHOLE>(source, weights, destination, first_tap, terms, count)
                } else {
                    self.tile::<V, 1, WHOLE>(source, weights, destination, first_tap, terms, count)
                }
            };
            source = source.wrapping_add(pixels * terms.source_step);
            destination = destination.wrapping_add(pixels * terms.destination_step);
            remaining -= pixels;
        }
    }

    /// `PIXELS` neighbouring pixels, whose sums hide each other's latency and share the loads of weights.
    ///
    /// # Safety
    /// As [`Self::line`].
    #[inline(always)]
    unsafe fn tile<V: Vector<Element = T>, const PIXELS: usize, const WHOLE: bool>(
        &self,
        source: *const T,
        weights: *const T,
        destination: *mut T,
        first_tap: usize,
        terms: &Terms,
        count: usize,
    ) -> usize {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [V::splat(T::ZERO); PIXELS];
            for row in 0..terms.rows {
                for column in 0..terms.columns {
                    let tap = self.tap(first_tap + row * terms.row_taps + column * terms.column_taps);
                    let weights = load::<V, WHOLE>(weights.add(tap * self.geometry.channels), count);
                    let x = source.add(row * terms.row_source + column * terms.column_source);
                    for pixel in 0..PIXELS {
                        let x = load::<V, WHOLE>(x.add(pixel * terms.source_step), count);
                        sums[pixel] = sums[pixel].multiply_add(x, weights);
                    }
                }
            }
            for pixel in 0..PIXELS {
                store_row(&[sums[pixel]], destination.add(pixel * terms.destination_step), count);
            }
        }
        PIXELS
    }

    /// The tap of the kernel; backwards they are counted from its far end.
    #[inline(always)]
    fn tap(&self, tap: usize) -> usize {
        match self.direction {
            Direction::Forward => tap,
            Direction::Backward => self.geometry.taps() - 1 - tap,
        }
    }
}

/// The taps of a pixel, rows × columns of them, and how far apart they are in the source and in the kernel; the pixels of
/// a run in one line, and how far apart they are.
struct Terms {
    rows: usize,
    row_source: usize,
    row_taps: usize,
    columns: usize,
    column_source: usize,
    column_taps: usize,
    pixels: usize,
    source_step: usize,
    destination_step: usize,
}

/// # Safety
/// As [`Vector`]; `from` is readable for `count` elements, a whole vector where they are `WHOLE`.
#[inline(always)]
unsafe fn load<V: Vector, const WHOLE: bool>(from: *const V::Element, count: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if WHOLE { V::load(from) } else { V::load_first(from, count) } }
}

/// dkernel (KH, KW, 1, C) from x and dy, each part some channels.
pub fn backward_filter<T: Vectorized>(
    isa: Isa,
    g: &Geometry,
    x: &[T],
    dy: &[T],
    dkernel: &mut [T],
    epilogue: Option<&dyn Epilogue>,
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
        let line_bytes = 2 * g.output[1] * CHANNELS_PER_PART * size_of::<T>();
        let lines_together = (BLOCK_BYTES / line_bytes.max(1)).max(1);
        for image in 0..g.batch {
            for line in (0..g.output[0]).step_by(lines_together) {
                let lines = line..g.output[0].min(line + lines_together);
                for kh in 0..g.window.size[0] {
                    let sums =
                        Sums { shared: &shared, row: kh * g.window.size[1], channels: columns.clone() };
                    simd::run(isa, Accumulate { geometry: g, x, dy, sums, image, lines: lines.clone(), kh });
                }
            }
        }
        if let Some(epilogue) = epilogue {
            epilogue.finish(0..taps, columns);
        }
    });
}

/// Some channels of the taps of one row of the kernel, which begins at tap `row`. Only their part writes them.
struct Sums<'a, T> {
    shared: &'a DisjointMut<'a, T>,
    row: usize,
    channels: Range<usize>,
}

/// Adds the share of some lines of one image to the taps of row `kh`.
struct Accumulate<'a, T> {
    geometry: &'a Geometry,
    x: &'a [T],
    dy: &'a [T],
    sums: Sums<'a, T>,
    image: usize,
    lines: Range<usize>,
    kh: usize,
}

impl<T: Vectorized> Kernel for Accumulate<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        for first in self.sums.channels.clone().step_by(V::LANES) {
            let count = V::LANES.min(self.sums.channels.end - first);
            // SAFETY: the processor has the vectors of `V`; `count` channels follow `first`.
            unsafe {
                match self.geometry.window.size[1] {
                    3 => self.accumulate::<V, 3>(0, first, count),
                    5 => self.accumulate::<V, 5>(0, first, count),
                    width => {
                        for kw in 0..width {
                            self.accumulate::<V, 1>(kw, first, count);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Vectorized> Accumulate<'_, T> {
    /// Adds to `TAPS` neighbouring taps from `kw` on. Two sums a tap hide the latency of the additions.
    ///
    /// # Safety
    /// As [`Vector`]; `count` channels follow channel `first`.
    #[inline(always)]
    unsafe fn accumulate<V: Vector<Element = T>, const TAPS: usize>(
        &self,
        kw: usize,
        first: usize,
        count: usize,
    ) {
        let (g, window) = (self.geometry, &self.geometry.window);
        let [stride, dilation] = [window.strides[1], window.dilation[1]];
        let inside = |tap: usize| window.positions_inside(1, kw + tap, g.input[1], g.output[1]);
        // Where all taps lie inside x.
        let (mut start, mut end) = (0, g.output[1]);
        for tap in 0..TAPS {
            (start, end) = (start.max(inside(tap).start), end.min(inside(tap).end));
        }
        let common = start.min(end)..end;
        let rows = window.positions_inside(0, self.kh, g.input[0], g.output[0]);
        let rows = rows.start.max(self.lines.start)..rows.end.min(self.lines.end);
        // The element of x under tap `tap` of position `ow`, where it lies inside, relative to the line.
        let column =
            |ow: usize, tap: usize| (ow * stride + (kw + tap) * dilation - window.before[1]) * g.channels;
        // SAFETY: positions are those at which a tap lies inside x, and the caller's promise.
        unsafe {
            let mut sums = [[V::splat(T::ZERO); TAPS]; 2];
            for oh in rows {
                let h = oh * window.strides[0] + self.kh * window.dilation[0] - window.before[0];
                let x = self.x.as_ptr().add((self.image * g.input[0] + h) * g.input[1] * g.channels + first);
                let dy = (self.image * g.output[0] + oh) * g.output[1] * g.channels + first;
                let dy = self.dy.as_ptr().add(dy);
                for tap in 0..TAPS {
                    let inside = inside(tap);
                    let left = inside.start..common.start.min(inside.end);
                    for ow in left.chain(common.end.max(inside.start)..inside.end) {
                        let dy = V::load_first(dy.add(ow * g.channels), count);
                        let x = V::load_first(x.add(column(ow, tap)), count);
                        sums[0][tap] = sums[0][tap].multiply_add(x, dy);
                    }
                }
                let mut ow = common.start;
                while ow < common.end {
                    let pixels = 2.min(common.end - ow);
                    for pixel in 0..2 {
                        if pixel < pixels {
                            let dy = V::load_first(dy.add((ow + pixel) * g.channels), count);
                            for tap in 0..TAPS {
                                let x = V::load_first(x.add(column(ow + pixel, tap)), count);
                                sums[pixel][tap] = sums[pixel][tap].multiply_add(x, dy);
                            }
                        }
                    }
                    ow += pixels;
                }
            }
            for tap in 0..TAPS {
                let start = (self.sums.row + kw + tap) * g.channels + first;
                let total = self.sums.shared.slice(start..start + count).as_mut_ptr();
                let sum = V::load_first(total, count).add(sums[0][tap].add(sums[1][tap]));
                store_row(&[sum], total, count);
            }
        }
    }
}
