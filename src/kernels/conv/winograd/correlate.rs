//! Convolution forward, and backward by input: correlations of a source with the kernel or with its mirror image.

use std::ops::Range;

use super::grid::{Grid, Images};
use super::kernel::{self, TransformKernel};
use super::transforms::{for_each_vector, load_square, on_both_sides, store};
use super::{DestinationMap, GAP, POINTS, SIDE, SourceMap};
use crate::graph::Epilogue;
use crate::kernels::conv::Geometry;
use crate::kernels::conv::correlate::Direction;
use crate::kernels::conv::tile::{self, MAX_ROWS, Terms, VECTORS, with_rows};
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::{DisjointMut, Slots, for_each_part};

/// What a block of tiles keeps between its steps stays below this, unless it would then be less than
/// [`FEWEST_TILES`].
const BLOCK_BYTES: usize = 384 << 10;

/// Fewer would not make up for reading the transformed kernel once for every block.
const FEWEST_TILES: usize = 28;

/// Enough to keep some threads busy.
const MOST_PARTS: usize = 16;

const FLOPS_PER_PART: u64 = 2_000_000;

/// One correlation, of sources (B, SH, SW, S) to destinations (B, DH, DW, D).
#[derive(Debug, Clone, Copy)]
pub struct Correlation {
    direction: Direction,
    source: [usize; 2],
    source_channels: usize,
    destination_channels: usize,
    /// Lines and columns of zeros before the first of the source; fewer than none where some are left out.
    before: [isize; 2],
    grid: Grid,
    /// Most tiles in a block.
    block: usize,
    parts: usize,
    flops: u64,
}

impl Correlation {
    /// `g` has a 3×3 kernel, stride 1, dilation 1 and one group.
    pub fn new(g: &Geometry, direction: Direction) -> Self {
        let before = g.window.before.map(|before| before as isize);
        let (source, destination, source_channels, destination_channels, before) = match direction {
            Direction::Forward => (g.input, g.output, g.channels, g.filters, before),
            Direction::Backward => {
                (g.output, g.input, g.filters, g.channels, before.map(|before| 2 - before))
            }
        };
        let grid = Grid::new(g.batch, destination, SIDE);
        let tile_bytes = POINTS * POINTS * (source_channels + 32) * 4;
        let block = (BLOCK_BYTES / tile_bytes).max(FEWEST_TILES);
        let wanted = (g.flops() / FLOPS_PER_PART).min((grid.tiles() / FEWEST_TILES) as u64);
        let wanted = wanted.clamp(1, MOST_PARTS as u64) as usize;
        // A power of two: odd parts would leave one of two threads without work at the end.
        let parts = if wanted.is_power_of_two() { wanted } else { wanted.next_power_of_two() / 2 };
        Self {
            direction,
            source,
            source_channels,
            destination_channels,
            before,
            grid,
            block,
            parts: parts.min(grid.rows()),
            flops: g.flops(),
        }
    }

    /// Elements of the transformed source of a block, and of its products in one panel of `width` columns.
    fn block_len(&self, width: usize) -> [usize; 2] {
        [self.source_channels, width].map(|columns| POINTS * POINTS * (self.block * columns + GAP))
    }

    fn panels(&self, width: usize) -> usize {
        self.destination_channels.div_ceil(width)
    }

    /// Elements of the transformed kernel, of the zeros and of a block, where a panel has `width` columns.
    fn workspace_lens(&self, width: usize) -> [usize; 3] {
        let kernel = self.panels(width) * POINTS * POINTS * self.source_channels * width;
        let block: usize = self.block_len(width).iter().sum();
        [kernel, self.source_channels, block].map(|len| len.next_multiple_of(GAP))
    }

    /// Bytes of workspace, for whichever instruction set turns out to be there.
    pub fn workspace<T: Vectorized>(&self) -> usize {
        let widest = VECTORS * 64 / size_of::<T>();
        let [kernel, zeros, block] = self.workspace_lens(widest);
        (kernel + zeros + self.parts * block) * size_of::<T>()
    }

    /// destination from source and kernel (3, 3, C, O).
    pub fn run<T: Vectorized>(
        &self,
        isa: Isa,
        source: &[T],
        kernel: &[T],
        destination: &mut [T],
        epilogue: Option<Epilogue<'_>>,
        workspace: &mut [T],
    ) {
        let width = T::kernels(isa).panel();
        let [kernel_len, zeros_len, block_len] = self.workspace_lens(width);
        let (packed, rest) = workspace.split_at_mut(kernel_len);
        let (zeros, blocks) = rest.split_at_mut(zeros_len);
        zeros.fill(T::ZERO);
        self.transform_kernel(isa, kernel, packed);

        let source =
            Images { pixels: source, size: self.source, channels: self.source_channels, zeros: &*zeros };
        let (blocks, destination) = (Slots::new(blocks, block_len), DisjointMut::new(destination));
        for_each_part(self.parts, self.flops / 100, &|part| {
            let row = |part: usize| self.grid.rows() * part / self.parts;
            let rows = row(part)..row(part + 1);
            blocks.with(|memory| {
                self.run_part(isa, &source, packed, memory, rows, &destination, epilogue);
            });
        });
    }

    fn transform_kernel<T: Vectorized>(&self, isa: Isa, kernel: &[T], packed: &mut [T]) {
        let panels = self.panels(T::kernels(isa).panel());
        let work = (packed.len() / 8) as u64;
        let packed = DisjointMut::new(packed);
        for_each_part(panels * self.source_channels.div_ceil(kernel::ROWS), work, &|part| {
            let (first, panel) = (part / panels * kernel::ROWS, part % panels);
            let transform = TransformKernel {
                direction: self.direction,
                source_channels: self.source_channels,
                destination_channels: self.destination_channels,
                kernel,
                packed: &packed,
                panel,
                rows: first..self.source_channels.min(first + kernel::ROWS),
            };
            simd::run(isa, transform);
        });
    }

    /// Some rows of tiles, in blocks of about equal size, each followed by the epilogue of the lines that it completes.
    #[allow(clippy::too_many_arguments)]
    fn run_part<T: Vectorized>(
        &self,
        isa: Isa,
        source: &Images<'_, T>,
        packed: &[T],
        memory: &mut [T],
        rows: Range<usize>,
        destination: &DisjointMut<'_, T>,
        epilogue: Option<Epilogue<'_>>,
    ) {
        let columns = self.grid.columns();
        let (first, count) = (rows.start * columns, rows.len() * columns);
        let blocks = count.div_ceil(self.block);
        let pixel = |row: usize| self.grid.line(row) * self.grid.width();
        let mut finished = rows.start;
        for block in 0..blocks {
            let tiles = first + count * block / blocks..first + count * (block + 1) / blocks;
            let touched = pixel(tiles.start / columns)..pixel(tiles.end.div_ceil(columns));
            let channels = self.destination_channels;
            // SAFETY: parts have rows of tiles of their own, and so lines of pixels.
            let pixels = unsafe { destination.slice(touched.start * channels..touched.end * channels) };
            let block = Block {
                correlation: self,
                source,
                packed,
                memory,
                destination: pixels,
                first_pixel: touched.start,
                tiles: tiles.clone(),
            };
            simd::run(isa, block);
            let completed = tiles.end / columns;
            if let Some(epilogue) = epilogue
                && completed > finished
            {
                epilogue(pixel(finished)..pixel(completed), 0..channels);
                finished = completed;
            }
        }
    }
}

/// One block of tiles: its source transformed, multiplied, and the products transformed into the destination.
struct Block<'a, T> {
    correlation: &'a Correlation,
    source: &'a Images<'a, T>,
    packed: &'a [T],
    memory: &'a mut [T],
    /// The lines that the tiles lie in, from the pixel `first_pixel` of all images on.
    destination: &'a mut [T],
    first_pixel: usize,
    tiles: Range<usize>,
}

impl<T: Vectorized> Kernel for Block<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(mut self) {
        let c = self.correlation;
        let width = VECTORS * V::LANES;
        let [transformed_len, products_len] = c.block_len(width);
        // transformed (point, tile, S), products (point, tile, width), the matrices of two points a gap apart.
        let (transformed, rest) = std::mem::take(&mut self.memory).split_at_mut(transformed_len);
        let products = &mut rest[..products_len];
        // SAFETY: the processor has the vectors of `V`; the rest is promised by the lengths above.
        unsafe {
            self.transform_source::<V>(transformed);
            for panel in 0..c.panels(width) {
                self.multiply::<V>(panel, transformed, products);
                self.transform_products::<V>(panel, products);
            }
        }
    }
}

impl<T: Vectorized> Block<'_, T> {
    /// Elements from the matrix of one point to that of the next.
    fn stride(&self, columns: usize) -> usize {
        self.correlation.block * columns + GAP
    }

    /// # Safety
    /// The processor has the vectors of `V`.
    #[inline(always)]
    unsafe fn transform_source<V: Vector<Element = T>>(&self, transformed: &mut [T]) {
        let c = self.correlation;
        let stride = self.stride(c.source_channels);
        for (row, number) in self.tiles.clone().enumerate() {
            let tile = c.grid.tile(number);
            let first = [0, 1].map(|axis| tile.pixel[axis] as isize - c.before[axis]);
            let pixels = self.source.square::<POINTS>(tile.image, first);
            let to = transformed[row * c.source_channels..].as_mut_ptr();
            for_each_vector!(V, c.source_channels, (channel, count, WHOLE) => {
                // SAFETY: the pixels have all channels; `transformed` has a row for each of a block's tiles.
                unsafe {
                    let square = load_square::<V, POINTS, WHOLE>(&pixels, channel, count);
                    let points =
                        on_both_sides::<SourceMap, V, POINTS, POINTS>(&square);
                    for (point, &vector) in points.as_flattened().iter().enumerate() {
                        store::<V, WHOLE>(vector, to.add(point * stride + channel), count);
                    }
                }
            });
        }
    }

    /// products (point, tile, width) = transformed (point, tile, S) · one panel (point, S, width).
    ///
    /// # Safety
    /// The processor has the vectors of `V`.
    #[inline(always)]
    unsafe fn multiply<V: Vector<Element = T>>(&self, panel: usize, transformed: &[T], products: &mut [T]) {
        let c = self.correlation;
        let width = VECTORS * V::LANES;
        let (depth, row_stride) = (c.source_channels, c.source_channels);
        let terms = Terms {
            outer: 1,
            outer_source: 0,
            outer_panel: 0,
            inner: 1,
            inner_source: 0,
            inner_panel: 0,
            length: depth,
            panel_stride: width,
        };
        let narrow = c.destination_channels - panel * width <= V::LANES;
        for point in 0..POINTS * POINTS {
            let right =
                self.packed[(panel * POINTS * POINTS + point) * depth * width..][..depth * width].as_ptr();
            let left = transformed[point * self.stride(depth)..].as_ptr();
            let to = products[point * self.stride(width)..].as_mut_ptr();
            let mut row = 0;
            while row < self.tiles.len() {
                let rows = tile::next_rows::<V>(self.tiles.len() - row);
                let mut sources = [std::ptr::null(); MAX_ROWS];
                let mut destinations = [std::ptr::null_mut(); MAX_ROWS];
                for i in 0..rows {
                    sources[i] = left.wrapping_add((row + i) * row_stride);
                    destinations[i] = to.wrapping_add((row + i) * width);
                }
                // SAFETY: the matrices have a row for each of a block's tiles.
                unsafe {
                    with_rows!(V, rows, HEIGHT => if narrow {
                        tile::multiply::<V, HEIGHT, 1>(&sources, right, &terms, &destinations, 0, V::LANES);
                    } else {
                        tile::multiply::<V, HEIGHT, 2>(&sources, right, &terms, &destinations, 0, width);
                    });
                }
                row += rows;
            }
        }
    }

    /// The columns of one panel in the destination, as much of each tile as lies inside.
    ///
    /// # Safety
    /// The processor has the vectors of `V`.
    #[inline(always)]
    unsafe fn transform_products<V: Vector<Element = T>>(&mut self, panel: usize, products: &[T]) {
        let c = self.correlation;
        let width = VECTORS * V::LANES;
        let (channels, first) = (c.destination_channels, panel * width);
        let stride = self.stride(width);
        let [height, line] = c.grid.size();
        for (row, number) in self.tiles.clone().enumerate() {
            let tile = c.grid.tile(number);
            let inside = [height - tile.pixel[0], line - tile.pixel[1]].map(|pixels| pixels.min(SIDE));
            let pixel = (tile.image * height + tile.pixel[0]) * line + tile.pixel[1] - self.first_pixel;
            let to = self.destination[pixel * channels + first..].as_mut_ptr();
            let from = products[row * width..].as_ptr();
            for_each_vector!(V, width.min(channels - first), (channel, count, WHOLE) => {
                // SAFETY: `products` has a row for each of a block's tiles; only pixels inside the image are written.
                unsafe {
                    let mut points = [[V::splat(T::ZERO); POINTS]; POINTS];
                    for (point, vector) in points.as_flattened_mut().iter_mut().enumerate() {
                        *vector = V::load(from.add(point * stride + channel));
                    }
                    let square =
                        on_both_sides::<DestinationMap, V, POINTS, SIDE>(&points);
                    for (i, vectors) in square.iter().enumerate().take(inside[0]) {
                        for (j, &vector) in vectors.iter().enumerate().take(inside[1]) {
                            let to = to.wrapping_add((i * line + j) * channels + channel);
                            store::<V, WHOLE>(vector, to, count);
                        }
                    }
                }
            });
        }
    }
}
