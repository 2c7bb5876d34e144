//! Convolution backward by filter: the adjoint of the forward transforms.
//!
//! dkernel = Gᵀ (Σ over tiles of (A dy Aᵀ) ⊙ (Bᵀ x B)) G: for each point the sum is a product (channels × tiles) ·
//! (tiles × filters), which is kept in the cache for a rectangle of channels and filters; the last transform comes once.

use std::ops::Range;

use super::grid::{Grid, Images};
use super::transforms::{Map, for_each_vector, load, load_square, on_both_sides, store};
use super::{DestinationAdjoint, GAP, KernelAdjoint, POINTS, SIDE, SourceMap};
use crate::kernels::Epilogue;
use crate::kernels::conv::Geometry;
use crate::kernels::conv::tile::{self, MAX_ROWS, Pixels, TileSums, VECTORS, with_rows};
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::{DisjointMut, Slots, for_each_part};

/// Most channels and most filters of a rectangle: the sums of its 16 points take 256 KiB of the L2 cache.
const RECTANGLE: usize = 64;

/// Most tiles in a block. Sums are loaded and stored once for each; more would not fit the L2 cache beside them.
const BLOCK: usize = 42;

/// Fewer tiles are not worth sums of their own.
const TILES_PER_SHARD: usize = 2 * BLOCK;

/// Enough to keep some threads busy. Each part has sums of its own.
const MOST_PARTS: usize = 16;

const FLOPS_PER_PART: u64 = 2_000_000;

/// Channels of one part of the last transform.
const CHANNELS_PER_PART: usize = 4;

/// How the sums are split: dkernel into rectangles, and each of these by tiles into shards, which are added in order.
#[derive(Debug, Clone, Copy)]
pub struct FilterGradient {
    geometry: Geometry,
    grid: Grid,
    /// Channels and filters of a rectangle; the last ones may have fewer.
    rectangle: [usize; 2],
    /// Rectangles along the channels and along the filters.
    rectangles: [usize; 2],
    shards: usize,
}

impl FilterGradient {
    /// `g` has a 3×3 kernel, stride 1, dilation 1 and one group.
    pub fn new(g: &Geometry) -> Self {
        let grid = Grid::new(g.batch, g.output, SIDE);
        let sizes = [g.channels, g.filters];
        // About equal, in whole vectors.
        let rectangle = sizes.map(|size| size.div_ceil(size.div_ceil(RECTANGLE)).next_multiple_of(16));
        let rectangles = [0, 1].map(|axis| sizes[axis].div_ceil(rectangle[axis]));
        let wanted = (g.flops() / FLOPS_PER_PART).clamp(1, MOST_PARTS as u64) as usize;
        let shards = wanted / (rectangles[0] * rectangles[1]);
        let shards = shards.min(grid.tiles() / TILES_PER_SHARD).max(1);
        Self { geometry: *g, grid, rectangle, rectangles, shards }
    }

    fn parts(&self) -> usize {
        self.shards * self.rectangles[0] * self.rectangles[1]
    }

    /// Elements from the matrix of one point to that of the next: of the sums, of x and of dy.
    fn strides(&self) -> [usize; 3] {
        let [channels, filters] = self.rectangle;
        [channels * filters, BLOCK * channels, BLOCK * filters].map(|len| len + GAP)
    }

    /// Elements of a part's sums, and of a block's transformed x and dy.
    fn lens(&self) -> [usize; 3] {
        self.strides().map(|stride| POINTS * POINTS * stride)
    }

    fn zeros_len(&self) -> usize {
        self.geometry.channels.max(self.geometry.filters).next_multiple_of(GAP)
    }

    /// Elements of workspace.
    pub fn workspace_len(&self) -> usize {
        self.zeros_len() + self.parts() * self.lens().iter().sum::<usize>()
    }

    /// dkernel (3, 3, C, O) from x (B, H, W, C) and dy (B, OH, OW, O).
    pub fn run<T: Vectorized>(
        &self,
        isa: Isa,
        x: &[T],
        dy: &[T],
        dkernel: &mut [T],
        epilogue: Option<&dyn Epilogue>,
        workspace: &mut [T],
    ) {
        let g = &self.geometry;
        let [sums_len, x_len, dy_len] = self.lens();
        let (zeros, rest) = workspace[..self.workspace_len()].split_at_mut(self.zeros_len());
        let (sums, blocks) = rest.split_at_mut(self.parts() * sums_len);
        zeros.fill(T::ZERO);
        let zeros = &*zeros;
        let x = Images { pixels: x, size: g.input, channels: g.channels, zeros };
        let dy = Images { pixels: dy, size: g.output, channels: g.filters, zeros };
        let all_sums = DisjointMut::new(sums);
        let blocks = Slots::new(blocks, x_len + dy_len);
        for_each_part(self.parts(), g.flops() / 100, &|part| {
            // SAFETY: parts have sums of their own.
            let sums = unsafe { all_sums.slice(part * sums_len..(part + 1) * sums_len) };
            blocks.with(|block| {
                simd::run(isa, Accumulate { gradient: self, x: &x, dy: &dy, sums, block, part });
            });
        });

        let sums = &*sums;
        let dkernel = DisjointMut::new(dkernel);
        let work = (sums.len() / 16) as u64;
        for_each_part(g.channels.div_ceil(CHANNELS_PER_PART), work, &|part| {
            let first = part * CHANNELS_PER_PART;
            let channels = first..g.channels.min(first + CHANNELS_PER_PART);
            let finish = Finish { gradient: self, sums, dkernel: &dkernel, channels: channels.clone() };
            simd::run(isa, finish);
            if let Some(epilogue) = epilogue {
                for tap in 0..9 {
                    epilogue.finish(
                        tap * g.channels + channels.start..tap * g.channels + channels.end,
                        0..g.filters,
                    );
                }
            }
        });
    }

    /// The number of the part with a rectangle, given by its place along the channels and the filters, and a shard.
    fn part(&self, [channel, filter]: [usize; 2], shard: usize) -> usize {
        (channel * self.rectangles[1] + filter) * self.shards + shard
    }

    /// The channels, filters and tiles of a part.
    fn ranges(&self, part: usize) -> [Range<usize>; 3] {
        let (rectangle, shard) = (part / self.shards, part % self.shards);
        let along = |axis: usize, number: usize, size: usize| {
            let first = number * self.rectangle[axis];
            first..size.min(first + self.rectangle[axis])
        };
        let tiles = |shard: usize| self.grid.tiles() * shard / self.shards;
        [
            along(0, rectangle / self.rectangles[1], self.geometry.channels),
            along(1, rectangle % self.rectangles[1], self.geometry.filters),
            tiles(shard)..tiles(shard + 1),
        ]
    }
}

/// The sums of one part.
struct Accumulate<'a, T> {
    gradient: &'a FilterGradient,
    x: &'a Images<'a, T>,
    dy: &'a Images<'a, T>,
    sums: &'a mut [T],
    /// Memory for a block.
    block: &'a mut [T],
    part: usize,
}

impl<T: Vectorized> Kernel for Accumulate<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(mut self) {
        let gradient = self.gradient;
        let [_, x_len, _] = gradient.lens();
        // sums (point, channel, filter), x (point, tile, channel), dy (point, tile, filter), as far as the rectangle's
        // size, the matrices of two points a gap apart.
        let sums = std::mem::take(&mut self.sums);
        let (x, dy) = std::mem::take(&mut self.block).split_at_mut(x_len);
        let [channels, filters, tiles] = gradient.ranges(self.part);
        let before = gradient.geometry.window.before.map(|before| before as isize);
        // A part without tiles has sums too: zeros.
        let blocks = tiles.len().div_ceil(BLOCK).max(1);
        for block in 0..blocks {
            let first = tiles.start + tiles.len() * block / blocks;
            let end = tiles.start + tiles.len() * (block + 1) / blocks;
            for (row, number) in (first..end).enumerate() {
                let tile = gradient.grid.tile(number);
                let pixel = tile.pixel.map(|pixel| pixel as isize);
                let [x_width, dy_width] = gradient.rectangle;
                let [_, x_stride, dy_stride] = gradient.strides();
                let x_pixels = self.x.square(tile.image, [pixel[0] - before[0], pixel[1] - before[1]]);
                let dy_pixels = self.dy.square(tile.image, pixel);
                // SAFETY: the pixels have all channels; x and dy have a row for each of a block's tiles.
                unsafe {
                    let to = x[row * x_width..].as_mut_ptr();
                    transform::<V, SourceMap, POINTS>(&x_pixels, &channels, to, x_stride);
                    let to = dy[row * dy_width..].as_mut_ptr();
                    transform::<V, DestinationAdjoint, SIDE>(&dy_pixels, &filters, to, dy_stride);
                }
            }
            let sizes = [channels.len(), filters.len(), end - first];
            // SAFETY: the processor has the vectors of `V`.
            unsafe { self.multiply::<V>(x, dy, sums, sizes, block == 0) };
        }
    }
}

/// The points of one tile, for some channels of its pixels.
///
/// # Safety
/// The processor has the vectors of `V`, the pixels have the channels, and `to` is writable for as many elements at
/// each multiple of `stride` up to the number of points.
#[inline(always)]
unsafe fn transform<V: Vector, M: Map<N, POINTS>, const N: usize>(
    pixels: &[[*const V::Element; N]; N],
    channels: &Range<usize>,
    to: *mut V::Element,
    stride: usize,
) {
    for_each_vector!(V, channels.len(), (channel, count, WHOLE) => {
        // SAFETY: the caller's promise.
        unsafe {
            let square = load_square::<V, N, WHOLE>(pixels, channels.start + channel, count);
            let points = on_both_sides::<M, V, N, POINTS>(&square);
            for (point, &vector) in points.as_flattened().iter().enumerate() {
                store::<V, WHOLE>(vector, to.add(point * stride + channel), count);
            }
        }
    });
}

impl<T: Vectorized> Accumulate<'_, T> {
    /// sums (point, channel, filter) += x (point, tile, channel)ᵀ · dy (point, tile, filter), or = where `fresh`.
    ///
    /// # Safety
    /// The processor has the vectors of `V`.
    #[inline(always)]
    unsafe fn multiply<V: Vector<Element = T>>(
        &self,
        x: &[T],
        dy: &[T],
        sums: &mut [T],
        [channels, filters, tiles]: [usize; 3],
        fresh: bool,
    ) {
        let [x_width, dy_width] = self.gradient.rectangle;
        let [sums_stride, x_stride, dy_stride] = self.gradient.strides();
        let pixels = Pixels {
            images: 1,
            image_x: 0,
            image_dy: 0,
            lines: 1,
            line_x: 0,
            line_dy: 0,
            columns: tiles,
            column_x: x_width,
            column_dy: dy_width,
        };
        for point in 0..POINTS * POINTS {
            let x = x[point * x_stride..].as_ptr();
            let dy = dy[point * dy_stride..].as_ptr();
            let sums = sums[point * sums_stride..].as_mut_ptr();
            for column in (0..filters).step_by(VECTORS * V::LANES) {
                let columns = (filters - column).min(VECTORS * V::LANES);
                let whole = columns == VECTORS * V::LANES;
                let width = if whole { columns } else { V::LANES };
                let mut row = 0;
                while row < channels {
                    let rows = tile::next_rows::<V>(channels - row);
                    let mut offsets = [0; MAX_ROWS];
                    for (i, offset) in offsets.iter_mut().enumerate() {
                        *offset = row + i;
                    }
                    for column in (column..column + columns).step_by(width) {
                        let sums = TileSums {
                            start: sums.wrapping_add(row * dy_width + column),
                            stride: dy_width,
                            columns: width.min(filters - column),
                            fresh,
                        };
                        let dy = dy.wrapping_add(column);
                        // SAFETY: the matrices have the rows and columns.
                        unsafe {
                            with_rows!(V, rows, ROWS => if whole {
                                tile::accumulate::<V, ROWS, 2>(x, &offsets, dy, &pixels, &sums);
                            } else {
                                tile::accumulate::<V, ROWS, 1>(x, &offsets, dy, &pixels, &sums);
                            });
                        }
                    }
                    row += rows;
                }
            }
        }
    }
}

/// Some channels of dkernel, for all taps and filters, from the sums of all parts.
struct Finish<'a, T> {
    gradient: &'a FilterGradient,
    sums: &'a [T],
    dkernel: &'a DisjointMut<'a, T>,
    channels: Range<usize>,
}

impl<T: Vectorized> Kernel for Finish<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let gradient = self.gradient;
        let g = &gradient.geometry;
        let [sums_len, ..] = gradient.lens();
        let [stride, ..] = gradient.strides();
        let [height, width] = gradient.rectangle;
        for channel in self.channels {
            for number in 0..gradient.rectangles[1] {
                let first_part = gradient.part([channel / height, number], 0);
                let [_, filters, _] = gradient.ranges(first_part);
                for_each_vector!(V, filters.len(), (filter, count, WHOLE) => {
                    // SAFETY: the processor has the vectors of `V`; parts have channels of their own.
                    unsafe {
                    let mut points = [[V::splat(T::ZERO); POINTS]; POINTS];
                    for part in first_part..first_part + gradient.shards {
                        let from = &self.sums[part * sums_len..][channel % height * width + filter..];
                        for (point, sum) in points.as_flattened_mut().iter_mut().enumerate() {
                            *sum = sum.add(load::<V, WHOLE>(from[point * stride..].as_ptr(), count));
                        }
                    }
                    let taps = on_both_sides::<KernelAdjoint, V, POINTS, 3>(&points);
                    for (tap, &vector) in taps.as_flattened().iter().enumerate() {
                        let start = (tap * g.channels + channel) * g.filters + filters.start + filter;
                        let to = self.dkernel.slice(start..start + count);
                        store::<V, WHOLE>(vector, to.as_mut_ptr(), count);
                    }
                    }
                });
            }
        }
    }
}
