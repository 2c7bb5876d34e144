//! Convolution forward, and backward by input, as one matrix product whose left rows are read where they lie.
//!
//! Both are correlations: a destination pixel is the sum over taps of a source pixel times the tap's matrix (source
//! channels × destination channels). Pixels that have the same taps ([`Run`]) are gathered into tiles of up to
//! [`Vector::ROWS`] pixels × 2 vectors of channels, whose sums stay in registers over all taps and source channels; the
//! kernel is packed into panels as wide as a tile. Nothing is copied out of the source, and taps that fall into
//! the padding cost nothing.

use std::ops::Range;

use super::Direction;
use super::parts::WIDEST_PANEL;
use super::runs::{Axis, Run};
use super::tile::{self, MAX_ROWS, Terms, VECTORS, with_rows};
use super::{Geometry, Parts, depthwise};
use crate::kernels::Epilogue;
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::{DisjointMut, for_each_part};

/// Packed panels that are worked on together stay below this, half of a small L2 cache.
const PANEL_BYTES: usize = 256 << 10;

/// An epilogue runs on blocks of about this size, while they are in the L2 cache beside the panels.
const EPILOGUE_BYTES: usize = 96 << 10;

/// Convolutions of so few pixels read each element of the kernel a few times only.
const FEW_PIXELS: usize = 160;

/// One correlation, of sources (B, SH, SW, groups · S) to destinations (B, DH, DW, groups · D).
#[derive(Debug, Clone, Copy)]
pub struct Correlation {
    geometry: Geometry,
    direction: Direction,
    axes: [Axis; 2],
    source: [usize; 2],
    destination: [usize; 2],
    /// S and D: channels in one group.
    source_channels: usize,
    destination_channels: usize,
}

impl Correlation {
    pub fn new(g: &Geometry, direction: Direction) -> Self {
        let (channels, filters) = (g.channels_per_group(), g.filters_per_group());
        let axis = |axis: usize| match direction {
            Direction::Forward => Axis::forward(&g.window, axis, g.input[axis]),
            Direction::Backward => Axis::backward(&g.window, axis, g.output[axis]),
        };
        let (source, destination, source_channels, destination_channels) = match direction {
            Direction::Forward => (g.input, g.output, channels, filters),
            Direction::Backward => (g.output, g.input, filters, channels),
        };
        Self {
            geometry: *g,
            direction,
            axes: [axis(0), axis(1)],
            source,
            destination,
            source_channels,
            destination_channels,
        }
    }

    /// Rows of a packed panel: the taps times S.
    fn depth(&self) -> usize {
        self.geometry.taps() * self.source_channels
    }

    /// Elements of the packed kernel where a vector has `lanes`.
    fn packed_len(&self, lanes: usize) -> usize {
        let panels = self.destination_channels.div_ceil(VECTORS * lanes);
        self.geometry.groups * panels * self.depth() * VECTORS * lanes
    }

    /// Whether packing the kernel would cost more than it spares: there are few pixels to use it for, and its rows
    /// are whole vectors, near each other.
    fn reads_kernel_in_place(&self, lanes: usize) -> bool {
        const NEAR: usize = 256;
        let g = &self.geometry;
        self.direction == Direction::Forward
            && self.destination_channels.is_multiple_of(lanes)
            && g.output_pixels() <= FEW_PIXELS
            && g.filters <= NEAR
    }

    /// The columns of each part, where there are so few pixels that parts divide the kernel rather than these.
    fn column_parts(&self) -> usize {
        let g = &self.geometry;
        let few = g.groups == 1 && g.batch * self.destination[0] * self.destination[1] <= FEW_PIXELS;
        if few { self.destination_channels.div_ceil(WIDEST_PANEL) } else { 1 }
    }

    /// Bytes of workspace: the packed kernel, for whichever instruction set turns out to be there.
    pub fn workspace<T: Vectorized>(&self) -> usize {
        if self.geometry.is_depthwise() {
            return 0;
        }
        let lanes = 64 / size_of::<T>();
        [lanes, lanes / 2, lanes / 4].map(|lanes| self.packed_len(lanes)).into_iter().max().unwrap_or(0)
            * size_of::<T>()
    }

    /// destination from source and kernel (KH, KW, C/groups, O).
    pub fn run<T: Vectorized>(
        &self,
        isa: Isa,
        source: &[T],
        kernel: &[T],
        destination: &mut [T],
        epilogue: Option<&dyn Epilogue>,
        packed: &mut [T],
    ) {
        let g = &self.geometry;
        if !g.is_depthwise() {
            simd::run(isa, Pack { correlation: self, kernel, packed });
        }
        let channels = g.groups * self.destination_channels;
        let width = self.destination[1] * channels;
        // In nanoseconds on one core; the smallest kernels spend their time on the pixels that they write.
        let work = g.flops() / 100 + destination.len() as u64 / 2;
        let column_parts = self.column_parts();
        let parts = Parts::new(g.batch, self.destination[0], if column_parts > 1 { 0 } else { work });
        let packed = &*packed;
        let destination = DisjointMut::new(destination);
        for_each_part(parts.count() * column_parts, work, &|part| {
            let (images, lines) = parts.part(part / column_parts);
            let column = |part: usize| self.destination_channels.div_ceil(WIDEST_PANEL) * part / column_parts;
            let (first, last) = (column(part % column_parts), column(part % column_parts + 1));
            let columns = first * WIDEST_PANEL..self.destination_channels.min(last * WIDEST_PANEL);
            let line_bytes = width * size_of::<T>();
            let block_bytes = if epilogue.is_some() { EPILOGUE_BYTES } else { usize::MAX };
            let blocks = Parts::of_bytes(images.len(), lines.len(), lines.len() * line_bytes, block_bytes);
            for block in 0..blocks.count() {
                let (block_images, block_lines) = blocks.part(block);
                let images = images.start + block_images.start..images.start + block_images.end;
                let lines = lines.start + block_lines.start..lines.start + block_lines.end;
                let first_line = images.start * self.destination[0] + lines.start;
                let last_line = (images.end - 1) * self.destination[0] + lines.end;
                if g.is_depthwise() {
                    let depthwise = depthwise::Correlate {
                        geometry: g,
                        direction: self.direction,
                        axes: self.axes,
                        source_size: self.source,
                        destination_size: self.destination,
                        source,
                        kernel,
                        // SAFETY: parts have lines of their own, for no depthwise convolution divides columns.
                        destination: unsafe { destination.slice(first_line * width..last_line * width) },
                        images,
                        lines,
                    };
                    simd::run(isa, depthwise);
                } else {
                    let correlate = Correlate {
                        correlation: self,
                        source,
                        kernel,
                        packed,
                        destination: destination.as_mut_ptr(),
                        images,
                        lines,
                        columns: columns.clone(),
                    };
                    simd::run(isa, correlate);
                }
                if let Some(epilogue) = epilogue {
                    let pixels = first_line * self.destination[1]..last_line * self.destination[1];
                    epilogue.finish(pixels, if column_parts > 1 { columns.clone() } else { 0..channels });
                }
            }
        });
    }
}

/// Copies the kernel into panels (group, panel, depth, 2 vectors), the missing columns of a last panel as zeros, unless
/// it is read where it lies.
struct Pack<'a, T> {
    correlation: &'a Correlation,
    kernel: &'a [T],
    packed: &'a mut [T],
}

impl<T: Vectorized> Kernel for Pack<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let (c, g) = (self.correlation, &self.correlation.geometry);
        if c.reads_kernel_in_place(V::LANES) {
            return;
        }
        let width = VECTORS * V::LANES;
        let (channels, filters) = (g.channels_per_group(), g.filters_per_group());
        let panels = c.destination_channels.div_ceil(width);
        for (row, packed) in self.packed[..c.packed_len(V::LANES)].chunks_exact_mut(width).enumerate() {
            let (panel, depth) = (row / c.depth(), row % c.depth());
            let (group, first) = (panel / panels, panel % panels * width);
            let (tap, s) = (depth / c.source_channels, depth % c.source_channels);
            let columns = width.min(c.destination_channels - first);
            match c.direction {
                Direction::Forward => {
                    let start = (tap * channels + s) * g.filters + group * filters + first;
                    packed[..columns].copy_from_slice(&self.kernel[start..start + columns]);
                }
                Direction::Backward => {
                    // Taps from the far end; S are the filters, D the channels.
                    let start = (g.taps() - 1 - tap) * channels * g.filters + group * filters + s;
                    for (column, packed) in packed[..columns].iter_mut().enumerate() {
                        *packed = self.kernel[start + (first + column) * g.filters];
                    }
                }
            }
            packed[columns..].fill(T::ZERO);
        }
    }
}

/// Where the kernel's panels lie, packed or not: the elements from one row, panel or group to the next.
struct Panels<'a, T> {
    data: &'a [T],
    row: usize,
    panel: usize,
    group: usize,
}

/// One part: whole images, or some lines of one, and columns that are whole panels of each group.
struct Correlate<'a, T> {
    correlation: &'a Correlation,
    source: &'a [T],
    kernel: &'a [T],
    packed: &'a [T],
    /// That of all parts.
    destination: *mut T,
    images: Range<usize>,
    lines: Range<usize>,
    columns: Range<usize>,
}

impl<T: Vectorized> Kernel for Correlate<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let c = self.correlation;
        let width = VECTORS * V::LANES;
        let panels = self.columns.start / width..self.columns.end.div_ceil(width);
        let panel_len = c.depth() * width;
        let together = (PANEL_BYTES / (panel_len * size_of::<T>()).max(1)).clamp(1, panels.len().max(1));
        for group in 0..c.geometry.groups {
            for first in panels.clone().step_by(together) {
                let last = panels.end.min(first + together);
                for vertical in c.axes[0].runs(self.lines.clone()) {
                    for horizontal in c.axes[1].runs(0..c.destination[1]) {
                        // SAFETY: the processor has the vectors of `V`.
                        unsafe {
                            self.correlate_runs::<V>(group, first..last, &vertical, &horizontal);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Vectorized> Correlate<'_, T> {
    /// The pixels that two runs cross at, in all images of the part.
    #[inline(always)]
    unsafe fn correlate_runs<V: Vector<Element = T>>(
        &self,
        group: usize,
        panels: Range<usize>,
        vertical: &Run,
        horizontal: &Run,
    ) {
        let c = self.correlation;
        let groups = c.geometry.groups;
        let (source_row, destination_row) = (groups * c.source_channels, groups * c.destination_channels);
        let panels_per_group = c.destination_channels.div_ceil(VECTORS * V::LANES);
        let right = if c.reads_kernel_in_place(V::LANES) {
            Panels {
                data: self.kernel,
                row: c.geometry.filters,
                panel: VECTORS * V::LANES,
                group: c.destination_channels,
            }
        } else {
            let panel = c.depth() * VECTORS * V::LANES;
            Panels { data: self.packed, row: VECTORS * V::LANES, panel, group: panels_per_group * panel }
        };
        let terms = self.terms(vertical, horizontal, right.row);
        let first_row = (vertical.tap * c.geometry.window.size[1] + horizontal.tap) * c.source_channels;
        let right_start = group * right.group + first_row * right.row;

        // The first pixels of line `i` of the runs in an image; those past the last line are never read.
        let (source_start, destination_start) = (self.source.as_ptr(), self.destination);
        let line = |image: usize, i: usize| {
            let source_line = image * c.source[0] + vertical.source + i * vertical.source_step;
            let source_pixel = source_line * c.source[1] + horizontal.source;
            let line = image * c.destination[0] + vertical.start + i * vertical.step;
            let pixel = line * c.destination[1] + horizontal.start;
            (
                source_start.wrapping_add(source_pixel * source_row + group * c.source_channels),
                destination_start.wrapping_add(pixel * destination_row + group * c.destination_channels),
            )
        };
        let source_step = horizontal.source_step * source_row;
        let destination_step = horizontal.step * destination_row;

        let mut remaining = self.images.len() * vertical.count * horizontal.count;
        let (mut image, mut i, mut j) = (self.images.start, 0, 0);
        let (mut source, mut destination) = line(image, i);
        while remaining > 0 {
            let rows = tile::next_rows::<V>(remaining);
            remaining -= rows;
            let mut sources = [std::ptr::null(); MAX_ROWS];
            let mut destinations = [std::ptr::null_mut(); MAX_ROWS];
            for row in 0..rows {
                (sources[row], destinations[row]) = (source, destination);
                j += 1;
                if j < horizontal.count {
                    source = source.wrapping_add(source_step);
                    destination = destination.wrapping_add(destination_step);
                    continue;
                }
                (i, j) = (i + 1, 0);
                if i == vertical.count {
                    (image, i) = (image + 1, 0);
                }
                (source, destination) = line(image, i);
            }
            for panel in panels.clone() {
                let column = panel * VECTORS * V::LANES;
                let columns = (VECTORS * V::LANES).min(c.destination_channels - column);
                let right = right.data[right_start + panel * right.panel..].as_ptr();
                // SAFETY: the runs keep every term inside the source image and every pixel inside the part;
                // `right` starts at the runs' first tap in a panel of all taps.
                unsafe {
                    with_rows!(V, rows, ROWS => if columns <= V::LANES {
                        tile::multiply::<V, ROWS, 1>(&sources, right, &terms, &destinations, column, columns);
                    } else {
                        tile::multiply::<V, ROWS, 2>(&sources, right, &terms, &destinations, column, columns);
                    });
                }
            }
        }
    }

    /// What a pixel of the two runs sums over; taps that are neighbours in memory are joined into one stretch.
    fn terms(&self, vertical: &Run, horizontal: &Run, panel_stride: usize) -> Terms {
        let c = self.correlation;
        let row = c.geometry.groups * c.source_channels;
        let terms = Terms {
            outer: vertical.taps,
            outer_source: vertical.source_tap_step * c.source[1] * row,
            outer_panel: vertical.tap_step * c.geometry.window.size[1] * c.source_channels,
            inner: horizontal.taps,
            inner_source: horizontal.source_tap_step * row,
            inner_panel: horizontal.tap_step * c.source_channels,
            length: c.source_channels,
            panel_stride,
        };
        if terms.inner_source == terms.length && terms.inner_panel == terms.length {
            return Terms { inner: terms.inner.min(1), length: terms.inner * terms.length, ..terms };
        }
        terms
    }
}
