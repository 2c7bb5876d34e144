//! Convolution forward, and backward by input: correlations of a source with the kernel or with its mirror image.

use std::ops::Range;

use super::grid::{Grid, Images};
use super::kernel::{self, TransformKernel};
use super::transforms::{for_each_vector, load_square, on_both_sides, store};
use super::{DestinationMap, GAP, POINTS, SIDE, SourceMap};
use crate::kernels::Epilogue;
use crate::kernels::conv::Direction;
use crate::kernels::conv::Geometry;
use crate::kernels::conv::parts::WIDEST_PANEL;
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
    /// Where all tiles are one block, each part takes some panels of the kernel, which it alone transforms and reads;
    /// else it takes some rows of tiles.
    by_panels: bool,
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
        // Of the destination, what any source reaches: the rest is zeros.
        let reached =
            [0, 1].map(|axis| destination[axis].min((source[axis] as isize + before[axis]).max(1) as usize));
        let grid = Grid::new(g.batch, destination, SIDE).covering(reached);
        let tile_bytes = POINTS * POINTS * (source_channels + 32) * 4;
        let block = (BLOCK_BYTES / tile_bytes).max(FEWEST_TILES);
        let wanted = (g.flops() / FLOPS_PER_PART).min((grid.tiles() / FEWEST_TILES) as u64);
        let wanted = wanted.clamp(1, MOST_PARTS as u64) as usize;
        // A power of two: odd parts would leave one of two threads without work at the end.
        let parts = if wanted.is_power_of_two() { wanted } else { wanted.next_power_of_two() / 2 };
        let by_panels = grid.tiles() <= block;
        let parts =
            if by_panels { destination_channels.div_ceil(WIDEST_PANEL) } else { parts.min(grid.rows()) };
        Self {
            direction,
            source,
            source_channels,
            destination_channels,
            before,
            grid,
            block,
            by_panels,
            parts: parts.min(MOST_PARTS),
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
        let kernel = self.panels(width) * kernel::panel_len(self.source_channels, width);
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
        epilogue: Option<&dyn Epilogue>,
        workspace: &mut [T],
    ) {
        let width = T::kernels(isa).panel();
        let [kernel_len, zeros_len, block_len] = self.workspace_lens(width);
        let (packed, rest) = workspace.split_at_mut(kernel_len);
        let (zeros, blocks) = rest.split_at_mut(zeros_len);
        zeros.fill(T::ZERO);
        let source =
            Images { pixels: source, size: self.source, channels: self.source_channels, zeros: &*zeros };
        let (packed, destination) = (DisjointMut::new(packed), DisjointMut::new(destination));
        let blocks = Slots::new(blocks, block_len);

        let (panels, stretches) = (self.panels(width), self.source_channels.div_ceil(kernel::ROWS));
        let transform_kernel = |panel: usize, stretch: usize| {
            let first = stretch * kernel::ROWS;
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
        };
        if !self.by_panels {
            for_each_part(panels * stretches, (packed.len() / 8) as u64, &|part| {
                transform_kernel(part % panels, part / panels);
            });
        }
        for_each_part(self.parts, self.flops / 100, &|part| {
            let share = |count: usize| count * part / self.parts..count * (part + 1) / self.parts;
            let (rows, panels) = if self.by_panels {
                let own = share(panels);
                own.clone()
                    .for_each(|panel| (0..stretches).for_each(|stretch| transform_kernel(panel, stretch)));
                (0..self.grid.rows(), own)
            } else {
                (share(self.grid.rows()), 0..panels)
            };
            blocks.with(|memory| {
                let part = Part {
                    correlation: self,
                    source: &source,
                    packed: packed.as_ptr(),
                    destination: destination.as_mut_ptr(),
                    panels,
                };
                part.run(isa, memory, rows, epilogue);
            });
        });
    }
}

/// What the blocks of one part have in common. Parts have tiles, or else panels, of their own.
#[derive(Clone)]
struct Part<'a, T> {
    correlation: &'a Correlation,
    source: &'a Images<'a, T>,
    packed: *const T,
    destination: *mut T,
    panels: Range<usize>,
}

impl<T: Vectorized> Part<'_, T> {
    /// Rows of tiles, in blocks of about equal size, each followed by the epilogue of the lines that it completes.
    fn run(&self, isa: Isa, memory: &mut [T], rows: Range<usize>, epilogue: Option<&dyn Epilogue>) {
        let grid = &self.correlation.grid;
        let columns = grid.columns();
        let (first, count) = (rows.start * columns, rows.len() * columns);
        let blocks = count.div_ceil(self.correlation.block);
        let pixel = |row: usize| grid.line(row) * grid.width();
        let width = T::kernels(isa).panel();
        let last_channel = self.correlation.destination_channels.min(self.panels.end * width);
        let channels = self.panels.start * width..last_channel;
        self.clear_beyond(&rows, &channels);
        let mut finished = rows.start;
        for block in 0..blocks {
            let tiles = first + count * block / blocks..first + count * (block + 1) / blocks;
            simd::run(isa, Block { part: self, memory, tiles: tiles.clone() });
            let completed = tiles.end / columns;
            if let Some(epilogue) = epilogue
                && completed > finished
            {
                epilogue.finish(pixel(finished)..pixel(completed), channels.clone());
                finished = completed;
            }
        }
    }

    /// Zeros for what the rows of tiles do not cover of their lines, those below the last row of an image included.
    fn clear_beyond(&self, rows: &Range<usize>, channels: &Range<usize>) {
        let Correlation { grid, destination_channels, .. } = self.correlation;
        let ([height, width], [lines, columns]) = (grid.size(), grid.covered());
        if [lines, columns] == [height, width] {
            return;
        }
        for line in grid.line(rows.start)..grid.line(rows.end) {
            let first = if line % height < lines { columns } else { 0 };
            for pixel in line * width + first..(line + 1) * width {
                let start = self.destination.wrapping_add(pixel * destination_channels + channels.start);
                // SAFETY: lines, or else channels, are those of this part alone.
                unsafe { std::slice::from_raw_parts_mut(start, channels.len()) }.fill(T::ZERO);
            }
        }
    }
}

/// One block of tiles: its source transformed, multiplied, and the products transformed into the destination.
struct Block<'a, T> {
    part: &'a Part<'a, T>,
    memory: &'a mut [T],
    tiles: Range<usize>,
}

impl<T: Vectorized> Kernel for Block<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(mut self) {
        let c = self.part.correlation;
        let width = VECTORS * V::LANES;
        let [transformed_len, products_len] = c.block_len(width);
        // transformed (point, tile, S), products (point, tile, width), the matrices of two points a gap apart.
        let (transformed, rest) = std::mem::take(&mut self.memory).split_at_mut(transformed_len);
        let products = &mut rest[..products_len];
        // SAFETY: the processor has the vectors of `V`; the rest is promised by the lengths above.
        unsafe {
            self.transform_source::<V>(transformed);
            for panel in self.part.panels.clone() {
                self.multiply::<V>(panel, transformed, products);
                self.transform_products::<V>(panel, products);
            }
        }
    }
}

impl<T: Vectorized> Block<'_, T> {
    /// Elements from the matrix of one point to that of the next.
    fn stride(&self, columns: usize) -> usize {
        self.part.correlation.block * columns + GAP
    }

    /// # Safety
    /// The processor has the vectors of `V`.
    #[inline(always)]
    unsafe fn transform_source<V: Vector<Element = T>>(&self, transformed: &mut [T]) {
        let c = self.part.correlation;
        let stride = self.stride(c.source_channels);
        for (row, number) in self.tiles.clone().enumerate() {
            let tile = c.grid.tile(number);
            let first = [0, 1].map(|axis| tile.pixel[axis] as isize - c.before[axis]);
            let pixels = self.part.source.square::<POINTS>(tile.image, first);
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
        let c = self.part.correlation;
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
            let start = panel * kernel::panel_len(depth, width) + point * kernel::point_len(depth, width);
            let right = self.part.packed.wrapping_add(start);
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
                // SAFETY: the matrices have a row for each of a block's tiles; the panels are those of this part.
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
    unsafe fn transform_products<V: Vector<Element = T>>(&self, panel: usize, products: &[T]) {
        let c = self.part.correlation;
        let width = VECTORS * V::LANES;
        let (channels, first) = (c.destination_channels, panel * width);
        let stride = self.stride(width);
        let [height, line] = c.grid.size();
        for (row, number) in self.tiles.clone().enumerate() {
            let tile = c.grid.tile(number);
            let inside = [height - tile.pixel[0], line - tile.pixel[1]].map(|pixels| pixels.min(SIDE));
            let pixel = (tile.image * height + tile.pixel[0]) * line + tile.pixel[1];
            let to = self.part.destination.wrapping_add(pixel * channels + first);
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
