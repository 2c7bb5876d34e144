//! What a convolution or pooling window covers: sizes, strides, padding, dilation.

use std::ops::Range;

/// A window that slides over the two middle axes of an NHWC tensor. Every pair is (height, width).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    pub size: [usize; 2],
    pub strides: [usize; 2],
    /// Rows and columns of nothing that are added before the first.
    pub before: [usize; 2],
    /// The same after the last.
    pub after: [usize; 2],
    pub dilation: [usize; 2],
}

impl Window {
    /// How many positions the window takes along `axis` (0 height, 1 width) of an input of `length`; 0 where the
    /// padded input is shorter than the dilated window.
    pub fn positions(&self, axis: usize, length: usize) -> usize {
        let covered = (self.size[axis] - 1) * self.dilation[axis] + 1;
        match (length + self.before[axis] + self.after[axis]).checked_sub(covered) {
            Some(room) => room / self.strides[axis] + 1,
            None => 0,
        }
    }

    /// The taps `first..end` along `axis` that lie inside an input of `length` when the window is at `position`.
    pub fn taps_inside(&self, axis: usize, position: usize, length: usize) -> Range<usize> {
        let start = position * self.strides[axis];
        let dilation = self.dilation[axis];
        let first = self.before[axis].saturating_sub(start).div_ceil(dilation);
        let end = (length + self.before[axis]).saturating_sub(start).div_ceil(dilation).min(self.size[axis]);
        first.min(end)..end
    }

    /// The positions along `axis` at which `tap` lies inside an input of `length`, among the `positions` there are.
    pub fn positions_inside(&self, axis: usize, tap: usize, length: usize, positions: usize) -> Range<usize> {
        let (offset, stride) = (tap * self.dilation[axis], self.strides[axis]);
        let first = self.before[axis].saturating_sub(offset).div_ceil(stride);
        let end = (length + self.before[axis]).saturating_sub(offset).div_ceil(stride).min(positions);
        first.min(end)..end
    }
}

/// The sizes of one convolution: x (B, H, W, C), kernel (KH, KW, C/groups, O), y (B, OH, OW, O).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    pub batch: usize,
    /// H, W.
    pub input: [usize; 2],
    /// C.
    pub channels: usize,
    /// OH, OW.
    pub output: [usize; 2],
    /// O.
    pub filters: usize,
    pub groups: usize,
    pub window: Window,
}

impl Geometry {
    /// The same convolution of an x whose padding has been written out as zeros.
    pub fn padded(&self) -> Self {
        let window = &self.window;
        let side = |axis: usize| self.input[axis] + window.before[axis] + window.after[axis];
        Self {
            input: [side(0), side(1)],
            window: Window { before: [0, 0], after: [0, 0], ..*window },
            ..*self
        }
    }

    pub fn is_padded(&self) -> bool {
        [self.window.before, self.window.after] != [[0, 0]; 2]
    }

    /// Whether every channel has one filter of its own.
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.channels && self.filters == self.channels
    }

    /// KH · KW.
    pub fn taps(&self) -> usize {
        self.window.size[0] * self.window.size[1]
    }

    pub fn input_pixels(&self) -> usize {
        self.batch * self.input[0] * self.input[1]
    }

    pub fn output_pixels(&self) -> usize {
        self.batch * self.output[0] * self.output[1]
    }

    pub fn channels_per_group(&self) -> usize {
        self.channels / self.groups
    }

    pub fn filters_per_group(&self) -> usize {
        self.filters / self.groups
    }

    pub fn kernel_len(&self) -> usize {
        self.taps() * self.channels_per_group() * self.filters
    }

    /// Floating-point operations of the convolution, or of either backward, padding counted as if it were data.
    pub fn flops(&self) -> u64 {
        2 * self.output_pixels() as u64 * self.kernel_len() as u64
    }
}

/// The two directions of a correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// source x, destination y.
    Forward,
    /// source dy, destination dx.
    Backward,
}

impl Direction {
    /// Height and width of what is computed.
    pub fn destination(self, g: &Geometry) -> [usize; 2] {
        match self {
            Direction::Forward => g.output,
            Direction::Backward => g.input,
        }
    }
}
