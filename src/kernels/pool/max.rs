//! Maximum pooling, and where each maximum was found, which is all that its gradient needs.

// Index loops: iterator adapters are not always inlined into code for the machine's vectors.
#![allow(clippy::needless_range_loop)]

use super::windows::{Block, Covered, LANES, Pooling, extent, for_each_group, load, store, with_shape};
use crate::kernels::simd::{self, Isa, Kernel, Vector, Vectorized};
use crate::threads::DisjointMut;

/// y = max over each window of x, and argmax = the tap kh·KW + kw of the first element of the window that has it. A
/// NaN is larger than all numbers.
pub fn forward<T: Vectorized>(isa: Isa, p: &Pooling, x: &[T], y: &mut [T], argmax: &mut [i32]) {
    assert_eq!((x.len(), y.len(), argmax.len()), (p.input_len(), p.output_len(), p.output_len()));
    let (y, argmax) = (DisjointMut::new(y), DisjointMut::new(argmax));
    p.for_each_output_block(&|block| {
        // SAFETY: blocks have elements of their own.
        let (y, argmax) = unsafe { (y.slice(block.elements.clone()), argmax.slice(block.elements.clone())) };
        simd::run(isa, Forward { p, block, x, y, argmax });
    });
}

/// dx, where each dy goes to the argmax of its window.
pub fn backward<T: Vectorized>(isa: Isa, p: &Pooling, argmax: &[i32], dy: &[T], dx: &mut [T]) {
    assert_eq!((argmax.len(), dy.len(), dx.len()), (p.output_len(), p.output_len(), p.input_len()));
    let dx = DisjointMut::new(dx);
    p.for_each_input_block(&|block| {
        // SAFETY: blocks have elements of their own.
        let dx = unsafe { dx.slice(block.elements.clone()) };
        simd::run(isa, Backward { p, block, argmax, dy, dx });
    });
}

/// y = the values that lie at the argmax of each window: what [`backward`] is the transpose of.
pub fn select<T: Vectorized>(isa: Isa, p: &Pooling, argmax: &[i32], values: &[T], y: &mut [T]) {
    assert_eq!((argmax.len(), values.len(), y.len()), (p.output_len(), p.input_len(), p.output_len()));
    let y = DisjointMut::new(y);
    p.for_each_output_block(&|block| {
        // SAFETY: blocks have elements of their own.
        let y = unsafe { y.slice(block.elements.clone()) };
        simd::run(isa, Select { p, block, argmax, values, y });
    });
}

struct Forward<'a, T> {
    p: &'a Pooling,
    block: Block,
    x: &'a [T],
    /// Those of the block, here and below.
    y: &'a mut [T],
    argmax: &'a mut [i32],
}

impl<T: Vectorized> Kernel for Forward<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let p = self.p;
        let (mut y, mut argmax) = (self.y.as_mut_ptr(), self.argmax.as_mut_ptr());
        for image in self.block.images {
            let x = self.x[image * p.image_len()..][..p.image_len()].as_ptr();
            for oh in self.block.lines.clone() {
                let rows = p.overlap(0, oh);
                for ow in 0..p.output[1] {
                    let covered = p.covered(rows, ow);
                    with_shape!(covered, ROWS, COLUMNS => {
                        for_each_group!(p.channels, |first, count, WHOLE| {
                            // SAFETY: the window's pixels lie inside the image, each with all channels, and the
                            // block's y and argmax have a pixel for every window of its lines.
                            unsafe {
                                let x = x.add(covered.first + first);
                                let (best, tap) = first_maximum::<T, ROWS, COLUMNS, WHOLE>(x, &covered, count);
                                store::<T, WHOLE>(best, y.add(first), count);
                                store::<i32, WHOLE>(tap, argmax.add(first), count);
                            }
                        });
                    });
                    (y, argmax) = (y.wrapping_add(p.channels), argmax.wrapping_add(p.channels));
                }
            }
        }
    }
}

/// The maxima of `count` channels, and their taps.
///
/// # Safety
/// `x` points to those channels of the window's first pixel.
#[inline(always)]
unsafe fn first_maximum<T: Vectorized, const ROWS: usize, const COLUMNS: usize, const WHOLE: bool>(
    x: *const T,
    covered: &Covered,
    count: usize,
) -> ([T; LANES], [i32; LANES]) {
    let (rows, columns) = extent::<ROWS, COLUMNS>(covered);
    // SAFETY: the caller's promise, here and below.
    let mut best = unsafe { load::<T, WHOLE>(x, count) };
    let mut argmax = [covered.tap; LANES];
    for row in 0..rows {
        for column in 0..columns {
            if (row, column) == (0, 0) {
                continue;
            }
            // SAFETY: as above.
            let x = unsafe { load::<T, WHOLE>(x.add(covered.offset(row, column)), count) };
            let tap = covered.tap(row, column);
            for lane in 0..LANES {
                let larger = (x[lane] > best[lane]) | (x[lane].is_nan() & !best[lane].is_nan());
                best[lane] = if larger { x[lane] } else { best[lane] };
                argmax[lane] = if larger { tap } else { argmax[lane] };
            }
        }
    }
    (best, argmax)
}

struct Backward<'a, T> {
    p: &'a Pooling,
    block: Block,
    argmax: &'a [i32],
    dy: &'a [T],
    dx: &'a mut [T],
}

impl<T: Vectorized> Kernel for Backward<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let p = self.p;
        let lines = &self.block.lines;
        let tiled = p.is_tiled();
        let len = lines.len() * p.line_len();
        for (image, dx) in self.block.images.zip(self.dx.chunks_exact_mut(len.max(1))) {
            if tiled {
                clear_uncovered(p, lines.start, dx);
            } else {
                dx.fill(T::ZERO);
            }
            // Offsets of covered pixels are those in the image, of which `dx` is some lines.
            let dx = dx.as_mut_ptr().wrapping_sub(lines.start * p.line_len());
            for oh in p.windows_over(lines) {
                // Where a window hangs over the block's edge, the next block sees to the rest of it.
                let rows = p.overlap(0, oh).within(lines);
                let line = (image * p.output[0] + oh) * p.output_line_len();
                for ow in 0..p.output[1] {
                    let covered = p.covered(rows, ow);
                    let pixel = line + ow * p.channels;
                    with_shape!(covered, ROWS, COLUMNS => {
                        for_each_group!(p.channels, |first, count, WHOLE| {
                            // SAFETY: the pixel lies inside argmax and dy, the covered pixels inside the lines of dx.
                            unsafe {
                                let dx = dx.wrapping_add(covered.first + first);
                                let argmax = load::<i32, WHOLE>(self.argmax.as_ptr().add(pixel + first), count);
                                let dy = load::<T, WHOLE>(self.dy.as_ptr().add(pixel + first), count);
                                if tiled {
                                    scatter::<T, true, ROWS, COLUMNS, WHOLE>(dx, &covered, count, argmax, dy);
                                } else {
                                    scatter::<T, false, ROWS, COLUMNS, WHOLE>(dx, &covered, count, argmax, dy);
                                }
                            }
                        });
                    });
                }
            }
        }
    }
}

/// Gives dy to the argmax and nothing to the others. Pixels of a `TILED` pooling are under one window only and written,
/// others are added to.
///
/// # Safety
/// `dx` points to `count` channels of the window's first pixel.
#[inline(always)]
unsafe fn scatter<
    T: Vectorized,
    const TILED: bool,
    const ROWS: usize,
    const COLUMNS: usize,
    const WHOLE: bool,
>(
    dx: *mut T,
    covered: &Covered,
    count: usize,
    argmax: [i32; LANES],
    dy: [T; LANES],
) {
    let (rows, columns) = extent::<ROWS, COLUMNS>(covered);
    for row in 0..rows {
        for column in 0..columns {
            let (dx, tap) = (dx.wrapping_add(covered.offset(row, column)), covered.tap(row, column));
            // SAFETY: the caller's promise, here and below.
            let mut sums = if TILED { [T::ZERO; LANES] } else { unsafe { load::<T, WHOLE>(dx, count) } };
            for lane in 0..LANES {
                sums[lane] += if argmax[lane] == tap { dy[lane] } else { T::ZERO };
            }
            // SAFETY: as above.
            unsafe { store::<T, WHOLE>(sums, dx, count) };
        }
    }
}

/// Zeros for the pixels of a block of lines from `first_line` on that no window of a tiled pooling covers: those right of
/// the last window and below it.
#[inline(always)]
fn clear_uncovered<T: Vectorized>(p: &Pooling, first_line: usize, dx: &mut [T]) {
    let [below, right] = [0, 1].map(|axis| p.output[axis] * p.window.size[axis]);
    for (line, dx) in dx.chunks_exact_mut(p.line_len().max(1)).enumerate() {
        let covered = if first_line + line < below { right.min(p.input[1]) * p.channels } else { 0 };
        dx[covered..].fill(T::ZERO);
    }
}

struct Select<'a, T> {
    p: &'a Pooling,
    block: Block,
    argmax: &'a [i32],
    values: &'a [T],
    y: &'a mut [T],
}

impl<T: Vectorized> Kernel for Select<'_, T> {
    type Element = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let p = self.p;
        let mut pixel = self.block.elements.start;
        let mut y = self.y.as_mut_ptr();
        for image in self.block.images {
            let values = self.values[image * p.image_len()..][..p.image_len()].as_ptr();
            for oh in self.block.lines.clone() {
                let rows = p.overlap(0, oh);
                for ow in 0..p.output[1] {
                    let covered = p.covered(rows, ow);
                    for_each_group!(p.channels, |first, count, WHOLE| {
                        // SAFETY: the window's pixels lie inside the image, each with all channels; argmax, and the
                        // block's y, have a pixel for every window.
                        unsafe {
                            let values = values.add(covered.first + first);
                            let argmax = load::<i32, WHOLE>(self.argmax.as_ptr().add(pixel + first), count);
                            let selected = at_argmax::<T, WHOLE>(values, &covered, count, argmax);
                            store::<T, WHOLE>(selected, y.add(first), count);
                        }
                    });
                    pixel += p.channels;
                    y = y.wrapping_add(p.channels);
                }
            }
        }
    }
}

/// The values of `count` channels at their argmaxes.
///
/// # Safety
/// `values` points to those channels of the window's first pixel.
#[inline(always)]
unsafe fn at_argmax<T: Vectorized, const WHOLE: bool>(
    values: *const T,
    covered: &Covered,
    count: usize,
    argmax: [i32; LANES],
) -> [T; LANES] {
    let mut selected = [T::ZERO; LANES];
    for row in 0..covered.rows {
        for column in 0..covered.columns {
            // SAFETY: the caller's promise.
            let values = unsafe { load::<T, WHOLE>(values.add(covered.offset(row, column)), count) };
            let tap = covered.tap(row, column);
            for lane in 0..LANES {
                selected[lane] = if argmax[lane] == tap { values[lane] } else { selected[lane] };
            }
        }
    }
    selected
}
