//! Convolution backward by filter: dkernel[tap, c, o] = Σ over pixels of x[pixel under tap, c] · dy[pixel, o].
//!
//! The rows of dkernel, (tap, c), are numbers of x that are broadcast, its columns are vectors of dy; a tile of sums
//! stays in registers over a block of pixels that fits the cache. Neither operand is copied or transposed, except that
//! an x of few channels has its padding written out, so that a tile can span taps.

use std::ops::Range;

use super::tile::{self, MAX_ROWS, Pixels, TileSums, VECTORS, with_rows};
use super::{Geometry, Parts, depthwise};
use crate::kernels::Epilogue;
use crate::kernels::parallel::for_each_chunk;
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::for_each_part;

/// x and dy of a block of pixels stay below this, half of a small L2 cache.
const BLOCK_BYTES: usize = 384 << 10;

/// Enough to keep some threads busy. Each shard has a dkernel of its own.
const MOST_PARTS: usize = 16;

const FLOPS_PER_PART: u64 = 2_000_000;

/// Lanes of the widest vector of float32: the plan must not depend on the machine.
const WIDEST: usize = 16;

/// Fewer channels than this in a group are not worth tiles of their own for each tap.
const FEW_CHANNELS: usize = 8;

/// How the sums are split: by pixels into shards, whose results are added in order, and by tiles of dkernel.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    original: Geometry,
    /// Without padding where the channels are few.
    geometry: Geometry,
    /// Elements of the copy of x that has its padding written out; 0 where x is read as it is.
    padded_len: usize,
    shards: usize,
    row_parts: usize,
}

impl Plan {
    pub fn new(g: &Geometry) -> Self {
        if g.is_depthwise() {
            return Self { original: *g, geometry: *g, padded_len: 0, shards: 1, row_parts: 1 };
        }
        let copy = g.is_padded() && g.channels_per_group() < FEW_CHANNELS;
        let geometry = if copy { g.padded() } else { *g };
        let padded_len = if copy { geometry.input_pixels() * g.channels } else { 0 };
        let wanted = (g.flops() / FLOPS_PER_PART).clamp(1, MOST_PARTS as u64) as usize;
        let data = geometry.input_pixels() * g.channels + g.output_pixels() * g.filters;
        let rows = geometry.taps() * geometry.channels_per_group();
        let panels = g.groups * g.filters_per_group().div_ceil(VECTORS * WIDEST);
        let row_parts = |shards: usize| wanted.div_ceil(shards).min(rows.div_ceil(MAX_ROWS) * panels);
        // A shard writes, reads and adds its dkernel; a part of the tiles reads all data of its shard. Parts that are
        // missing leave threads idle, which costs more than either.
        let cost = |shards: usize| {
            let partial = if shards == 1 { 0 } else { 3 * shards * g.kernel_len() };
            let parts = row_parts(shards);
            (wanted.saturating_sub(shards * parts), partial + parts * data)
        };
        let most = wanted.min(g.batch * g.output[0]).max(1);
        let shards = (1..=most).min_by_key(|&shards| cost(shards)).unwrap_or(1);
        Self { original: *g, geometry, padded_len, shards, row_parts: row_parts(shards) }
    }

    /// Elements of workspace: the padded x and one dkernel a shard.
    pub fn workspace_len(&self) -> usize {
        let partial = if self.shards == 1 { 0 } else { self.shards * self.geometry.kernel_len() };
        self.padded_len + partial
    }

    /// dkernel (KH, KW, C/groups, O) from x (B, H, W, C) and dy (B, OH, OW, O).
    pub fn run<T: Vectorized>(
        &self,
        isa: Isa,
        x: &[T],
        dy: &[T],
        dkernel: &mut [T],
        epilogue: Option<&dyn Epilogue>,
        workspace: &mut [T],
    ) {
        if self.original.is_depthwise() {
            return depthwise::backward_filter(isa, &self.original, x, dy, dkernel, epilogue);
        }
        let g = &self.geometry;
        let (padded, partial) = workspace[..self.workspace_len()].split_at_mut(self.padded_len);
        let x = if padded.is_empty() {
            x
        } else {
            write_padding(&self.original, g, x, padded);
            &*padded
        };
        let sums = Sums(if self.shards == 1 { dkernel.as_mut_ptr() } else { partial.as_mut_ptr() });
        for_each_part(self.shards * self.row_parts, g.flops() / 50, &|part| {
            let (shard, rows) = (part / self.row_parts, part % self.row_parts);
            let sums = sums.shard(shard, g.kernel_len());
            simd::run(isa, Accumulate { plan: self, x, dy, sums, shard, rows });
        });
        if self.shards > 1 || epilogue.is_some() {
            self.finish(dkernel, partial, epilogue);
        }
    }

    /// Adds the shards in their order, a few rows of dkernel at a time.
    fn finish<T: Vectorized>(&self, dkernel: &mut [T], partial: &[T], epilogue: Option<&dyn Epilogue>) {
        let (columns, len) = (self.geometry.filters, dkernel.len());
        let rows_per_chunk = (4096 / columns).max(1);
        let work = (self.shards * len / 8) as u64;
        for_each_chunk(dkernel, rows_per_chunk * columns, work, &|chunk, sums| {
            let first = chunk * rows_per_chunk * columns;
            for (shard, partial) in partial.chunks_exact(len).enumerate() {
                let partial = &partial[first..first + sums.len()];
                if shard == 0 {
                    sums.copy_from_slice(partial);
                } else {
                    for (sum, &partial) in sums.iter_mut().zip(partial) {
                        *sum += partial;
                    }
                }
            }
            if let Some(epilogue) = epilogue {
                epilogue.finish(first / columns..(first + sums.len()) / columns, 0..columns);
            }
        });
    }
}

/// One dkernel a shard. The parts of a shard write rectangles of it, each its own, so none can borrow a slice.
#[derive(Clone, Copy)]
struct Sums<T>(*mut T);

// SAFETY: parts write disjoint elements, behind an exclusive borrow that outlasts them all.
unsafe impl<T: Send> Sync for Sums<T> {}

impl<T> Sums<T> {
    fn shard(self, shard: usize, kernel_len: usize) -> *mut T {
        self.0.wrapping_add(shard * kernel_len)
    }
}

/// Copies x into the middle of `padded`, whose borders become zeros.
fn write_padding<T: Vectorized>(original: &Geometry, wide: &Geometry, x: &[T], padded: &mut [T]) {
    let line = original.input[1] * original.channels;
    let wide_line = wide.input[1] * wide.channels;
    let (top, left) = (original.window.before[0], original.window.before[1] * original.channels);
    let work = (padded.len() / 8) as u64;
    for_each_chunk(padded, wide.input[0] * wide_line, work, &|image, padded| {
        padded.fill(T::ZERO);
        for h in 0..original.input[0] {
            let from = (image * original.input[0] + h) * line;
            padded[(top + h) * wide_line + left..][..line].copy_from_slice(&x[from..from + line]);
        }
    });
}

/// The pixels of one shard times some of the tiles.
struct Accumulate<'a, T> {
    plan: &'a Plan,
    x: &'a [T],
    dy: &'a [T],
    sums: *mut T,
    shard: usize,
    rows: usize,
}

impl<T: Vectorized> Kernel for Accumulate<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let plan = self.plan;
        let g = &plan.geometry;
        let image_len = g.input[0] * g.input[1] * g.channels + g.output[0] * g.output[1] * g.filters;
        // Small enough that every shard gets a block, of some lines where there are fewer images than shards.
        let bytes = BLOCK_BYTES.min(g.batch * image_len * size_of::<T>() / plan.shards).max(1);
        let blocks = Parts::of_bytes(g.batch, g.output[0], image_len * size_of::<T>(), bytes);
        let tiles = Tiles::new::<V>(g);
        let blocks_here = share_of(self.shard, plan.shards, blocks.count());
        let tiles_here = share_of(self.rows, plan.row_parts, tiles.count());
        let first = blocks_here.start;
        // A shard without pixels has sums too: zeros.
        for block in first..blocks_here.end.max(first + 1) {
            let (images, lines) = if blocks_here.is_empty() { (0..0, 0..0) } else { blocks.part(block) };
            for tile in tiles_here.clone() {
                let fresh = block == first;
                // SAFETY: the processor has the vectors of `V`; this part alone writes its tiles.
                unsafe {
                    self.accumulate::<V>(&tiles.tile(tile), images.clone(), lines.clone(), fresh);
                }
            }
        }
    }
}

impl<T: Vectorized> Accumulate<'_, T> {
    /// Adds a block of pixels to one tile.
    #[inline(always)]
    unsafe fn accumulate<V: Vector<Element = T>>(
        &self,
        tile: &Tile,
        images: Range<usize>,
        lines: Range<usize>,
        fresh: bool,
    ) {
        let g = &self.plan.geometry;
        let (channels, filters) = (g.channels_per_group(), g.filters_per_group());
        // All taps of a tile lie inside x at the same positions: there is one tap only, or no padding.
        let tap = tile.row / channels;
        let taps = [tap / g.window.size[1], tap % g.window.size[1]];
        let inside = |axis: usize| g.window.positions_inside(axis, taps[axis], g.input[axis], g.output[axis]);
        let (vertical, horizontal) = (inside(0), inside(1));
        let lines = lines.start.max(vertical.start)..lines.end.min(vertical.end);

        let [stride_h, stride_w] = g.window.strides;
        let line_x = g.input[1] * g.channels;
        let line_dy = g.output[1] * g.filters;
        let pixels = Pixels {
            images: images.len(),
            image_x: g.input[0] * line_x,
            image_dy: g.output[0] * line_dy,
            lines: lines.len(),
            line_x: stride_h * line_x,
            line_dy,
            columns: horizontal.len(),
            column_x: stride_w * g.channels,
            column_dy: g.filters,
        };
        // The window's corner may lie before x: only with the tap's offset is the address inside.
        let corner = (images.start * pixels.image_x + tile.group * channels) as isize
            + ((lines.start * stride_h) as isize - g.window.before[0] as isize) * line_x as isize
            + ((horizontal.start * stride_w) as isize - g.window.before[1] as isize) * g.channels as isize;
        let x = self.x.as_ptr().wrapping_offset(corner);
        let start_dy = images.start * pixels.image_dy + lines.start * line_dy + horizontal.start * g.filters;
        let dy = self.dy.as_ptr().wrapping_add(start_dy);

        let mut row = tile.row;
        while row < tile.row + tile.rows {
            let rows = tile::next_rows::<V>(tile.row + tile.rows - row);
            let offsets = self.offsets(row, rows);
            let whole = tile.columns == VECTORS * V::LANES;
            let width = if whole { tile.columns } else { V::LANES };
            for first in (0..tile.columns).step_by(width) {
                let columns = width.min(tile.columns - first);
                let column = tile.group * filters + tile.column + first;
                let dy = dy.wrapping_add(column);
                let start = self.sums.wrapping_add(row * g.filters + column);
                let sums = TileSums { start, stride: g.filters, columns, fresh };
                // SAFETY: the pixels are those at which the tile's taps lie inside x; the tile lies inside dkernel.
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

    /// How far the element of x under each row (tap, c) lies from the window's corner.
    fn offsets(&self, first: usize, rows: usize) -> [usize; MAX_ROWS] {
        let g = &self.plan.geometry;
        let [dilation_h, dilation_w] = g.window.dilation;
        let mut offsets = [0; MAX_ROWS];
        for (row, offset) in offsets.iter_mut().enumerate().take(rows) {
            let (tap, c) = ((first + row) / g.channels_per_group(), (first + row) % g.channels_per_group());
            let (kh, kw) = (tap / g.window.size[1], tap % g.window.size[1]);
            *offset = (kh * dilation_h * g.input[1] + kw * dilation_w) * g.channels + c;
        }
        offsets
    }
}

fn share_of(part: usize, parts: usize, count: usize) -> Range<usize> {
    count * part / parts..count * (part + 1) / parts
}

/// Some rows (tap, c) and columns o of one group of dkernel.
#[derive(Debug, Clone, Copy)]
struct Tile {
    group: usize,
    row: usize,
    rows: usize,
    column: usize,
    columns: usize,
}

/// dkernel cut into tiles, numbered so that neighbours share columns. Where x is padded no tile spans two taps.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    groups: usize,
    panels: usize,
    width: usize,
    filters: usize,
    stretches: usize,
    rows_per_stretch: usize,
    height: usize,
}

impl Tiles {
    fn new<V: Vector>(g: &Geometry) -> Self {
        let rows = g.taps() * g.channels_per_group();
        let stretches = if g.is_padded() { g.taps() } else { 1 };
        let width = VECTORS * V::LANES;
        let (filters, rows_per_stretch) = (g.filters_per_group(), rows / stretches);
        // About equal, and even: see `tile::next_rows`.
        let height = rows_per_stretch.div_ceil(rows_per_stretch.div_ceil(tile::most_rows::<V>()));
        let height = height.next_multiple_of(2);
        let panels = filters.div_ceil(width);
        Self { groups: g.groups, panels, width, filters, stretches, rows_per_stretch, height }
    }

    fn tiles_per_stretch(&self) -> usize {
        self.rows_per_stretch.div_ceil(self.height)
    }

    fn count(&self) -> usize {
        self.groups * self.panels * self.stretches * self.tiles_per_stretch()
    }

    fn tile(&self, number: usize) -> Tile {
        let (rest, tile) = (number / self.tiles_per_stretch(), number % self.tiles_per_stretch());
        let (rest, stretch) = (rest / self.stretches, rest % self.stretches);
        let (group, panel) = (rest / self.panels, rest % self.panels);
        let (row, column) = (tile * self.height, panel * self.width);
        Tile {
            group,
            row: stretch * self.rows_per_stretch + row,
            rows: self.height.min(self.rows_per_stretch - row),
            column,
            columns: self.width.min(self.filters - column),
        }
    }
}
