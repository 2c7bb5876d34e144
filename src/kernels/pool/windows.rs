//! Where the windows of a pooling lie, how lines are split over threads, how channels are worked on side by side.

use std::ops::Range;

use crate::kernels::conv::{Parts, Window};
use crate::tensor::Element;
use crate::threads::for_each_part;

/// The sizes of one pooling: x (B, H, W, C), y (B, OH, OW, C). Every window covers at least one pixel of x; its dilation
/// is 1.
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

/// The pixels of x under a window along one axis: taps `tap..tap + count` lie on pixels `first..first + count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    pub tap: usize,
    pub first: usize,
    pub count: usize,
}

impl Overlap {
    /// The part of it that lies on `pixels`, of which there is one at least.
    #[inline(always)]
    pub fn within(self, pixels: &Range<usize>) -> Self {
        let first = self.first.max(pixels.start);
        let end = (self.first + self.count).min(pixels.end);
        Self { tap: self.tap + first - self.first, first, count: end - first }
    }
}

/// The pixels of x under one window.
#[derive(Debug, Clone, Copy)]
pub struct Covered {
    /// The offset of the first one in its image.
    pub first: usize,
    /// How many there are, and how far they lie apart, down and to the right.
    pub rows: usize,
    pub row_step: usize,
    pub columns: usize,
    pub column_step: usize,
    /// The number kh·KW + kw of the first one's tap.
    pub tap: i32,
    /// How far the numbers of a row of taps are from those of the next.
    pub tap_step: i32,
}

impl Covered {
    /// How far a covered pixel lies from the first one.
    #[inline(always)]
    pub fn offset(&self, row: usize, column: usize) -> usize {
        row * self.row_step + column * self.column_step
    }

    /// The number of its tap.
    #[inline(always)]
    pub fn tap(&self, row: usize, column: usize) -> i32 {
        self.tap + row as i32 * self.tap_step + column as i32
    }
}

/// Consecutive lines of x, or of y: whole images, or some lines of one.
#[derive(Debug, Clone)]
pub struct Block {
    pub images: Range<usize>,
    pub lines: Range<usize>,
    /// The elements that these lines are of the whole tensor.
    pub elements: Range<usize>,
}

/// Bytes of a block of float32: some microseconds of work.
const BLOCK_BYTES: usize = 96 << 10;

impl Pooling {
    /// What the window at `position` of `axis` covers.
    #[inline(always)]
    pub fn overlap(&self, axis: usize, position: usize) -> Overlap {
        let start = position * self.window.strides[axis];
        let before = self.window.before[axis];
        let tap = before.saturating_sub(start);
        let end = (self.input[axis] + before - start).min(self.window.size[axis]);
        Overlap { tap, first: start + tap - before, count: end - tap }
    }

    /// The pixels under the window that covers `rows` and stands at position `ow` of the width.
    #[inline(always)]
    pub fn covered(&self, rows: Overlap, ow: usize) -> Covered {
        let columns = self.overlap(1, ow);
        Covered {
            first: (rows.first * self.input[1] + columns.first) * self.channels,
            rows: rows.count,
            row_step: self.line_len(),
            columns: columns.count,
            column_step: self.channels,
            tap: (rows.tap * self.window.size[1] + columns.tap) as i32,
            tap_step: self.window.size[1] as i32,
        }
    }

    /// The positions along the height whose windows cover any of the lines `lines` of x.
    pub fn windows_over(&self, lines: &Range<usize>) -> Range<usize> {
        let (before, stride) = (self.window.before[0], self.window.strides[0]);
        // Window o covers the padded lines o·stride..o·stride + size.
        let first = (lines.start + before + 1).saturating_sub(self.window.size[0]).div_ceil(stride);
        let end = (lines.end + before).div_ceil(stride).min(self.output[0]);
        first.min(end)..end
    }

    /// Whether windows lie side by side from the first pixel on, so that each pixel is under one at most.
    pub fn is_tiled(&self) -> bool {
        self.window.strides == self.window.size && self.window.before == [0, 0]
    }

    /// Elements of a line of x.
    pub fn line_len(&self) -> usize {
        self.input[1] * self.channels
    }

    /// Elements of a line of y.
    pub fn output_line_len(&self) -> usize {
        self.output[1] * self.channels
    }

    /// Elements of an image of x.
    pub fn image_len(&self) -> usize {
        self.input[0] * self.line_len()
    }

    /// Elements of x and of y, which kernels check their slices against.
    pub fn input_len(&self) -> usize {
        self.batch * self.image_len()
    }

    pub fn output_len(&self) -> usize {
        self.batch * self.output[0] * self.output_line_len()
    }

    /// Calls `body` for blocks that make up x.
    pub fn for_each_input_block(&self, body: &(dyn Fn(Block) + Sync)) {
        self.for_each_block(self.input[0], self.line_len(), body);
    }

    /// Calls `body` for blocks that make up y.
    pub fn for_each_output_block(&self, body: &(dyn Fn(Block) + Sync)) {
        self.for_each_block(self.output[0], self.output_line_len(), body);
    }

    fn for_each_block(&self, lines: usize, line_len: usize, body: &(dyn Fn(Block) + Sync)) {
        let read = 4 * self.image_len();
        let parts = Parts::of_bytes(self.batch, lines, read, BLOCK_BYTES);
        let taps = self.window.size[0] * self.window.size[1];
        // Nanoseconds: each window looks at each of its taps.
        let work = (self.batch * self.output[0] * self.output_line_len() * taps / 16) as u64;
        for_each_part(parts.count(), work, &|part| {
            let (images, block_lines) = parts.part(part);
            let first = images.start * lines + block_lines.start;
            let last = (images.end - 1) * lines + block_lines.end;
            body(Block { images, lines: block_lines, elements: first * line_len..last * line_len });
        });
    }
}

/// Channels that are worked on side by side, in registers.
pub const LANES: usize = 16;

/// Runs `$body` for every group of channels `$first..$first + $count`: whole groups of [`LANES`], then what is left.
macro_rules! for_each_group {
    ($channels:expr, |$first:ident, $count:ident, $WHOLE:ident| $body:expr) => {{
        let whole = $channels / LANES * LANES;
        for $first in (0..whole).step_by(LANES) {
            const $WHOLE: bool = true;
            let $count = LANES;
            $body
        }
        if whole < $channels {
            const $WHOLE: bool = false;
            let ($first, $count) = (whole, $channels - whole);
            $body
        }
    }};
}
pub(super) use for_each_group;

/// `count` elements, which are [`LANES`] where they are `WHOLE`; what follows them is filled up.
///
/// # Safety
/// `from` is readable for `count` elements.
#[inline(always)]
pub unsafe fn load<T: Element, const WHOLE: bool>(from: *const T, count: usize) -> [T; LANES] {
    if WHOLE {
        // SAFETY: the caller's promise.
        return unsafe { from.cast::<[T; LANES]>().read_unaligned() };
    }
    let mut lanes = [T::default(); LANES];
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count) };
    lanes
}

/// # Safety
/// `to` is writable for `count` elements, which are [`LANES`] where they are `WHOLE`.
#[inline(always)]
pub unsafe fn store<T: Element, const WHOLE: bool>(lanes: [T; LANES], to: *mut T, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if WHOLE {
            to.cast::<[T; LANES]>().write_unaligned(lanes);
        } else {
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
    }
}

/// Runs `$body` with the constants `$ROWS` and `$COLUMNS` equal to what the window covers where that is common, so that
/// loops over it unroll; else both are 0, and the sizes are those of `$covered`: see [`extent`].
macro_rules! with_shape {
    ($covered:expr, $ROWS:ident, $COLUMNS:ident => $body:expr) => {
        match ($covered.rows, $covered.columns) {
            (2, 2) => {
                const $ROWS: usize = 2;
                const $COLUMNS: usize = 2;
                $body
            }
            (3, 3) => {
                const $ROWS: usize = 3;
                const $COLUMNS: usize = 3;
                $body
            }
            _ => {
                const $ROWS: usize = 0;
                const $COLUMNS: usize = 0;
                $body
            }
        }
    };
}
pub(super) use with_shape;

/// The rows and columns of a window.
#[inline(always)]
pub fn extent<const ROWS: usize, const COLUMNS: usize>(covered: &Covered) -> (usize, usize) {
    if ROWS > 0 { (ROWS, COLUMNS) } else { (covered.rows, covered.columns) }
}
