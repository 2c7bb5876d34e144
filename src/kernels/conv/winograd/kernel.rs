//! The kernel, transformed and packed into the panels that the products read.

use std::ops::Range;

use super::transforms::{for_each_vector, load, on_both_sides};
use super::{GAP, KernelMap, POINTS};
use crate::kernels::conv::Direction;
use crate::kernels::conv::tile::VECTORS;
use crate::kernels::simd::{Kernel, Vector, Vectorized};
use crate::threads::DisjointMut;

/// Source channels that one part of the work takes.
pub const ROWS: usize = 8;

/// Elements of a panel, and of one of its points: matrices (source channels, width) a gap apart.
pub fn panel_len(source_channels: usize, width: usize) -> usize {
    POINTS * POINTS * point_len(source_channels, width)
}

pub fn point_len(source_channels: usize, width: usize) -> usize {
    source_channels * width + GAP
}

/// The columns of the widest panel of any instruction set.
const MOST_COLUMNS: usize = 32;

/// Writes some rows of the panels (panel, point, source channel, 2 vectors) of a kernel (3, 3, C, O). The missing
/// columns of the last panel are zeros.
pub struct TransformKernel<'a, T> {
    pub direction: Direction,
    pub source_channels: usize,
    pub destination_channels: usize,
    pub kernel: &'a [T],
    pub packed: &'a DisjointMut<'a, T>,
    pub panel: usize,
    /// Up to [`ROWS`] source channels.
    pub rows: Range<usize>,
}

impl<T: Vectorized> Kernel for TransformKernel<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let width = VECTORS * V::LANES;
        let first = self.panel * width;
        let columns = width.min(self.destination_channels - first);
        // taps (9, rows, columns), as strides from the first.
        let mut transposed = [T::ZERO; 9 * ROWS * MOST_COLUMNS];
        let (taps, tap_stride, row_stride) = match self.direction {
            Direction::Forward => {
                let start = self.rows.start * self.destination_channels + first;
                let tap_stride = self.source_channels * self.destination_channels;
                (&self.kernel[start..], tap_stride, self.destination_channels)
            }
            Direction::Backward => {
                self.transpose(&mut transposed, width, first..first + columns);
                (&transposed[..], ROWS * width, width)
            }
        };
        for row in 0..self.rows.len() {
            let source_channel = self.rows.start + row;
            let start = self.panel * panel_len(self.source_channels, width) + source_channel * width;
            for_each_vector!(V, columns, (column, count, WHOLE) => {
                // SAFETY: the taps have the row's columns; the processor has the vectors of `V`.
                let points = unsafe {
                    let mut kernel = [[V::splat(T::ZERO); 3]; 3];
                    for tap in 0..9 {
                        let from = taps.as_ptr().add(tap * tap_stride + row * row_stride + column);
                        kernel[tap / 3][tap % 3] = load::<V, WHOLE>(from, count);
                    }
                    on_both_sides::<KernelMap, V, 3, POINTS>(&kernel)
                };
                for (point, &vector) in points.as_flattened().iter().enumerate() {
                    let start = start + point * point_len(self.source_channels, width) + column;
                    // SAFETY: parts have rows of their own.
                    unsafe { vector.store(self.packed.slice(start..start + V::LANES).as_mut_ptr()) };
                }
            });
            let missing = columns.next_multiple_of(V::LANES)..width;
            for point in (0..POINTS * POINTS).filter(|_| !missing.is_empty()) {
                let start = start + point * point_len(self.source_channels, width);
                // SAFETY: as above.
                unsafe { self.packed.slice(start + missing.start..start + missing.end) }.fill(T::ZERO);
            }
        }
    }
}

impl<T: Vectorized> TransformKernel<'_, T> {
    /// The kernel backward: `transposed` (9, ROWS, width) from the last tap to the first, rows (filters) and columns
    /// (channels) exchanged.
    #[inline(always)]
    fn transpose(&self, transposed: &mut [T], width: usize, columns: Range<usize>) {
        let (channels, filters) = (self.destination_channels, self.source_channels);
        let shape = (self.rows.len(), columns.len());
        for (tap, to) in transposed.chunks_exact_mut(ROWS * width).take(9).enumerate() {
            let from = &self.kernel[((8 - tap) * channels + columns.start) * filters + self.rows.start..];
            T::transpose(from, filters, to, width, shape);
        }
    }
}
