//! Average pooling and its gradient.

// Index loops: iterator adapters are not always inlined into code for the machine's vectors.
#![allow(clippy::needless_range_loop)]

use super::windows::{Block, Covered, LANES, Pooling, extent, for_each_group, load, store, with_shape};
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::DisjointMut;

/// y = the mean over the pixels of x under each window.
pub fn forward<T: Vectorized>(isa: Isa, p: &Pooling, x: &[T], y: &mut [T]) {
    assert_eq!((x.len(), y.len()), (p.input_len(), p.output_len()));
    let y = DisjointMut::new(y);
    p.for_each_output_block(&|block| {
        // SAFETY: blocks have elements of their own.
        let y = unsafe { y.slice(block.elements.clone()) };
        simd::run(isa, Forward { p, block, x, y });
    });
}

/// dx, where each dy is shared out evenly among the pixels under its window.
pub fn backward<T: Vectorized>(isa: Isa, p: &Pooling, dy: &[T], dx: &mut [T]) {
    assert_eq!((dy.len(), dx.len()), (p.output_len(), p.input_len()));
    let dx = DisjointMut::new(dx);
    p.for_each_input_block(&|block| {
        // SAFETY: blocks have elements of their own.
        let dx = unsafe { dx.slice(block.elements.clone()) };
        simd::run(isa, Backward { p, block, dy, dx });
    });
}

struct Forward<'a, T> {
    p: &'a Pooling,
    block: Block,
    x: &'a [T],
    /// Those of the block, here and below.
    y: &'a mut [T],
}

impl<T: Vectorized> Kernel for Forward<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let p = self.p;
        let mut y = self.y.as_mut_ptr();
        for image in self.block.images {
            let x = self.x[image * p.image_len()..][..p.image_len()].as_ptr();
            for oh in self.block.lines.clone() {
                let rows = p.overlap(0, oh);
                for ow in 0..p.output[1] {
                    let covered = p.covered(rows, ow);
                    with_shape!(covered, ROWS, COLUMNS => {
                        for_each_group!(p.channels, |first, count, WHOLE| {
                            // SAFETY: the window's pixels lie inside the image, each with all channels, and the
                            // block's y has a pixel for every window of its lines.
                            unsafe {
                                let x = x.add(covered.first + first);
                                let mean = mean::<T, ROWS, COLUMNS, WHOLE>(x, &covered, count);
                                store::<T, WHOLE>(mean, y.add(first), count);
                            }
                        });
                    });
                    y = y.wrapping_add(p.channels);
                }
            }
        }
    }
}

#[inline(always)]
fn share<T: Vectorized>(pixels: usize) -> T {
    T::ONE / T::from_usize(pixels)
}

/// The means of `count` channels.
///
/// # Safety
/// `x` points to those channels of the window's first pixel.
#[inline(always)]
unsafe fn mean<T: Vectorized, const ROWS: usize, const COLUMNS: usize, const WHOLE: bool>(
    x: *const T,
    covered: &Covered,
    count: usize,
) -> [T; LANES] {
    let (rows, columns) = extent::<ROWS, COLUMNS>(covered);
    let mut sums = [T::ZERO; LANES];
    for row in 0..rows {
        for column in 0..columns {
            // SAFETY: the caller's promise.
            let x = unsafe { load::<T, WHOLE>(x.add(covered.offset(row, column)), count) };
            for lane in 0..LANES {
                sums[lane] += x[lane];
            }
        }
    }
    let share = share(rows * columns);
    for lane in 0..LANES {
        sums[lane] *= share;
    }
    sums
}

struct Backward<'a, T> {
    p: &'a Pooling,
    block: Block,
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Vectorized> Kernel for Backward<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let p = self.p;
        let lines = &self.block.lines;
        let len = lines.len() * p.line_len();
        for (image, dx) in self.block.images.zip(self.dx.chunks_exact_mut(len.max(1))) {
            dx.fill(T::ZERO);
            // Offsets of covered pixels are those in the image, of which `dx` is some lines.
            let dx = dx.as_mut_ptr().wrapping_sub(lines.start * p.line_len());
            for oh in p.windows_over(lines) {
                let rows = p.overlap(0, oh);
                // Where a window hangs over the block's edge, the next block sees to the rest of it.
                let rows_here = rows.within(lines);
                let line = (image * p.output[0] + oh) * p.output_line_len();
                for ow in 0..p.output[1] {
                    let covered = p.covered(rows_here, ow);
                    let share: T = share(rows.count * covered.columns);
                    let pixel = line + ow * p.channels;
                    with_shape!(covered, ROWS, COLUMNS => {
                        for_each_group!(p.channels, |first, count, WHOLE| {
                            // SAFETY: the pixel lies inside dy, the covered pixels inside the lines of dx.
                            unsafe {
                                let mut dy = load::<T, WHOLE>(self.dy.as_ptr().add(pixel + first), count);
                                for lane in 0..LANES {
                                    dy[lane] *= share;
                                }
                                let dx = dx.wrapping_add(covered.first + first);
                                add::<T, ROWS, COLUMNS, WHOLE>(dx, &covered, count, dy);
                            }
                        });
                    });
                }
            }
        }
    }
}

/// Adds `share` to every covered pixel.
///
/// # Safety
/// `dx` points to `count` channels of the window's first pixel.
#[inline(always)]
unsafe fn add<T: Vectorized, const ROWS: usize, const COLUMNS: usize, const WHOLE: bool>(
    dx: *mut T,
    covered: &Covered,
    count: usize,
    share: [T; LANES],
) {
    let (rows, columns) = extent::<ROWS, COLUMNS>(covered);
    for row in 0..rows {
        for column in 0..columns {
            let dx = dx.wrapping_add(covered.offset(row, column));
            // SAFETY: the caller's promise.
            unsafe {
                let mut sums = load::<T, WHOLE>(dx, count);
                for lane in 0..LANES {
                    sums[lane] += share[lane];
                }
                store::<T, WHOLE>(sums, dx, count);
            }
        }
    }
}
