//! One product as tiles: where B is read decided, its parts handed to threads, each part walked tile by tile.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr::{copy_nonoverlapping, null};

use super::options::{Options, numbers};
use super::pack::pack_panel;
use super::plan::{Grid, K_BLOCK, ROW_BLOCK, k_blocks, pieces, share};
use super::tile::{Kernels, Operands};
use super::{Addend, Left, MatrixMut, Right};
use crate::kernels::Epilogue;
use crate::kernels::Real;
use crate::kernels::prefetch::{LINE, Piece, Prefetch};
use crate::threads::{self, DisjointMut};

/// A plain B is packed where it has contiguous columns, or where it is wider than a panel and meets at least this many rows
/// of A: then what strided reads cost exceeds one more pass over it. A tile that reads no more than one cache line of each
/// row of B is sooner through the pages that it needs, so packing pays earlier.
const fn pack_rows(panel_bytes: usize) -> usize {
    if panel_bytes > 64 { 768 } else { 96 }
}

/// How many rows ahead a plain B is asked for.
const B_AHEAD: usize = 8;

/// How far ahead along listed rows A is asked for, in elements: they are more than the hardware follows.
const AHEAD: usize = 128;

/// Where a part finds B: element (k, column) is in panel column / panel, at `k · k_stride`.
#[derive(Clone, Copy)]
struct Panels<T> {
    data: *const T,
    k_stride: usize,
    panel_stride: usize,
}

/// A block of A, or a copy of it: element (i, k) is at `i · row_stride + k · k_stride`.
#[derive(Clone, Copy)]
struct Block<T> {
    data: *const T,
    row_stride: usize,
    k_stride: usize,
}

/// Rows of a block of A that is copied.
const COPY_ROWS: usize = 56;
/// From one row of the copy to the next: rows begin on different sets of the L1 cache.
const COPY_STRIDE: usize = K_BLOCK + 16;

/// The product as the parts see it.
struct Product<'a, T: 'static> {
    kernels: &'static Kernels<T>,
    a: Left<'a, T>,
    b: Panels<T>,
    c: &'a MatrixMut<'a, T>,
    addend: Addend<'a, T>,
    epilogue: Option<&'a dyn Epilogue>,
    prefetch: Option<&'a Prefetch<'a>>,
}

// SAFETY: the pointer of `b` is only read, and parts write disjoint blocks of `c`.
unsafe impl<T: Real> Sync for Product<'_, T> {}

/// The product tile by tile, whatever its form.
///
/// # Safety
/// The shapes fit, nothing is empty, and the operands hold the elements that their shapes say.
pub unsafe fn tiles<T: Real>(
    options: &Options<'_, T>,
    a: Left<'_, T>,
    b: Right<'_, T>,
    c: &MatrixMut<'_, T>,
    workspace: &mut [u8],
) {
    let Options { kernels, parallel, addend, epilogue, prefetch } = *options;
    let ((m, k), n) = (a.shape(), c.columns);
    let panel = kernels.panel();
    let grid = match parallel {
        true => {
            let tile = (panel, kernels.families[2].full.len());
            Grid::new((m, k, n), tile, epilogue.is_some(), threads::num_threads)
        }
        false => Grid::WHOLE,
    };

    let run_parts = |b: Panels<T>, prepare: &(dyn Fn(&Range<usize>) + Sync)| {
        let product = Product { kernels, a, b, c, addend, epilogue, prefetch };
        options.for_each_part(grid.parts(), m * k * n, &|part| {
            let (rows, columns) = grid.part(part, m, n, panel);
            prepare(&columns);
            // SAFETY: the caller's promise, and parts do not overlap.
            unsafe { product.part(rows, columns) };
        });
    };

    let plain = match b {
        Right::Packed(packed) => {
            assert_eq!(packed.panel, panel, "B was packed for another instruction set");
            let b = Panels { data: packed.data.as_ptr(), k_stride: panel, panel_stride: k * panel };
            return run_parts(b, &|_| ());
        }
        Right::Plain(plain) => plain,
    };
    if plain.column_stride == 1 && (plain.row_stride <= panel || m < pack_rows(panel * size_of::<T>())) {
        let b = Panels { data: plain.data.as_ptr(), k_stride: plain.row_stride, panel_stride: panel };
        return run_parts(b, &|_| ());
    }

    let memory = numbers(workspace);
    assert!(memory.len() >= k * n.next_multiple_of(panel), "the workspace is too small");
    let memory = DisjointMut::new(memory);
    let b = Panels { data: memory.as_ptr(), k_stride: panel, panel_stride: k * panel };
    let pack = |panels: Range<usize>| {
        for index in panels {
            let first = index * panel;
            // SAFETY: each panel is packed by one part.
            let out = unsafe { memory.slice(first * k..(first + panel) * k) };
            pack_panel(plain, first..n.min(first + panel), panel, out);
        }
    };
    if grid.rows > 1 {
        let panels = n.div_ceil(panel);
        let parts = panels.min(32);
        options.for_each_part(parts, 20 * k * n, &|part| pack(share(panels, parts, part)));
        return run_parts(b, &|_| ());
    }
    run_parts(b, &|columns| pack(columns.start / panel..columns.end.div_ceil(panel)));
}

impl<T: Real> Product<'_, T> {
    /// Computes c[rows, columns]; `columns` starts at a panel.
    ///
    /// # Safety
    /// The operands hold the elements that the shapes say, and nothing else uses this block of c.
    unsafe fn part(&self, rows: Range<usize>, columns: Range<usize>) {
        if self.copies_a(columns.len()) {
            // SAFETY: the caller's promise.
            return unsafe { self.part_with_copies(rows, columns) };
        }
        // Listed rows are far from each other: each is read from its beginning to its end, as memory likes it.
        let row_block = match self.a {
            Left::Listed(_) => self.kernels.listed.full.len(),
            _ => ROW_BLOCK,
        };
        for rows in pieces(rows, row_block) {
            for ks in k_blocks(self.a.shape().1) {
                // SAFETY: within the part.
                unsafe {
                    if self.a.is_listed() {
                        self.listed_block(rows.clone(), ks, columns.clone());
                    } else {
                        let (data, row_stride, k_stride) = self.a.block(&rows, &ks);
                        let a = Block { data: data.as_ptr(), row_stride, k_stride };
                        self.block(a, rows.clone(), ks, columns.clone());
                    }
                }
            }
            self.finish(rows, &columns);
        }
    }

    /// Whether a block of A is copied before it is used, by more than one panel of B or by more than one vector of a
    /// panel: a plain A that lies so that a tile's rows crowd each other out of the L1 cache, whose sets repeat every
    /// 4 KiB, or so that every k of a tile is far from the last; and any listed one.
    fn copies_a(&self, columns: usize) -> bool {
        let bytes = |stride: usize| stride * size_of::<T>();
        match self.a {
            Left::Plain(a) => {
                let crowds = match a.column_stride {
                    1 => bytes(a.row_stride).is_multiple_of(2048),
                    stride => a.row_stride == 1 && bytes(stride) >= 2048,
                };
                crowds && columns >= 2 * self.kernels.panel()
            }
            Left::Listed(_) | Left::ListedTransposed(_) => columns > self.kernels.lanes,
        }
    }

    /// [`Product::part`], with each block of A copied to the stack first.
    ///
    /// # Safety
    /// As [`Product::part`].
    #[inline(never)]
    unsafe fn part_with_copies(&self, rows: Range<usize>, columns: Range<usize>) {
        let mut memory = [const { MaybeUninit::<T>::uninit() }; COPY_ROWS * COPY_STRIDE];
        let lies_in_rows = self.a.lies_in_rows();
        for rows in pieces(rows, COPY_ROWS) {
            for ks in k_blocks(self.a.shape().1) {
                let (lines, row_stride, k_stride) = match lies_in_rows {
                    true => (rows.len(), COPY_STRIDE, 1),
                    false => (ks.len(), 1, rows.len()),
                };
                let copy = memory.as_mut_ptr().cast::<T>();
                for index in 0..lines {
                    let line = self.a.line(&rows, &ks, index);
                    // SAFETY: the memory holds COPY_ROWS · K_BLOCK elements in either order.
                    unsafe {
                        copy_nonoverlapping(
                            line.as_ptr(),
                            copy.add(index * row_stride.max(k_stride)),
                            line.len(),
                        );
                    }
                }
                let block = Block { data: copy, row_stride, k_stride };
                // SAFETY: within the part.
                unsafe { self.block(block, rows.clone(), ks, columns.clone()) };
            }
            self.finish(rows, &columns);
        }
    }

    /// [`Product::block`] for a listed A and no more columns than a vector has.
    ///
    /// # Safety
    /// As [`Product::part`].
    #[inline(never)]
    unsafe fn listed_block(&self, rows: Range<usize>, ks: Range<usize>, columns: Range<usize>) {
        let (mut order, mut offsets) = ([0; ROW_BLOCK], [0; K_BLOCK]);
        self.a.list(&rows, &ks, &mut order, &mut offsets);
        let (data, row_stride, _) = self.a.block(&rows, &ks);
        let last = columns.len();
        let panel = columns.start / self.kernels.panel();
        let family = &self.kernels.listed;
        let table = if last == self.kernels.lanes { family.full } else { family.masked };
        for tile in pieces(0..rows.len(), table.len()) {
            // SAFETY: the offsets are those of elements of a, b and c.
            unsafe {
                let (c, c_row_stride) = self.c.element(rows.start + tile.start, columns.start);
                let (addend, addend_row_stride) = self.addend(rows.start + tile.start, columns.start, &ks);
                table[tile.len() - 1](&Operands {
                    k: ks.len(),
                    a: data.as_ptr(),
                    a_row_stride: row_stride,
                    a_k_stride: 0,
                    a_order: order[tile.clone()].as_ptr(),
                    a_offsets: offsets.as_ptr(),
                    a_next: if row_stride == 1 { 2 * tile.len() - 1 } else { AHEAD },
                    prefetch: null(),
                    prefetch_stride: 0,
                    b: self.b.data.add(panel * self.b.panel_stride + ks.start * self.b.k_stride),
                    b_k_stride: self.b.k_stride,
                    b_panel_stride: 0,
                    b_prefetch: 0,
                    c,
                    c_row_stride,
                    last,
                    addend,
                    addend_row_stride,
                });
            }
        }
    }

    /// Where what is added to c[row.., column..] by the products of `ks` lies, null for nothing, and its row stride: what
    /// c holds, after the first products.
    ///
    /// # Safety
    /// c has this element.
    unsafe fn addend(&self, row: usize, column: usize, ks: &Range<usize>) -> (*const T, usize) {
        match self.addend {
            // SAFETY: the caller's promise; a row has c's columns.
            Addend::Row(row) if ks.start == 0 => (unsafe { row.as_ptr().add(column) }, 0),
            Addend::Nothing if ks.start == 0 => (null(), 0),
            _ => {
                // SAFETY: the caller's promise.
                let (c, row_stride) = unsafe { self.c.element(row, column) };
                (c.cast_const(), row_stride)
            }
        }
    }

    fn finish(&self, rows: Range<usize>, columns: &Range<usize>) {
        if let Some(epilogue) = self.epilogue {
            epilogue.finish(rows, columns.clone());
        }
    }

    /// Adds the products of `ks` to c[rows, columns]; `a` is a[rows, ks].
    ///
    /// # Safety
    /// As [`Product::part`].
    unsafe fn block(&self, a: Block<T>, rows: Range<usize>, ks: Range<usize>, columns: Range<usize>) {
        let mut first = columns.start;
        while first < columns.end {
            // SAFETY: within the block.
            first += unsafe { self.strip(a, rows.clone(), ks.clone(), first..columns.end) };
        }
    }

    /// Adds the products of `ks` to the first columns of c[rows, columns], as many as one tile is wide. Returns how many.
    ///
    /// # Safety
    /// As [`Product::part`].
    unsafe fn strip(
        &self,
        a: Block<T>,
        rows: Range<usize>,
        ks: Range<usize>,
        columns: Range<usize>,
    ) -> usize {
        let lanes = self.kernels.lanes;
        let [eight, four, two, one] = &self.kernels.families;
        let fits = |vectors: usize, most: usize| columns.len() >= vectors * lanes && rows.len() <= most;
        let family = if fits(8, eight.full.len()) {
            eight
        } else if fits(4, four.full.len()) {
            four
        } else if columns.len() > lanes {
            two
        } else {
            one
        };
        let width = columns.len().min(family.vectors * lanes);
        let last = width - (family.vectors - 1) * lanes;
        let table = if last == lanes { family.full } else { family.masked };
        let panel = columns.start / self.kernels.panel();
        for tile in pieces(rows.clone(), table.len()) {
            // SAFETY: the offsets are those of elements of a, b and c.
            unsafe {
                let a_tile = a.data.add((tile.start - rows.start) * a.row_stride);
                let (prefetch, prefetch_stride) = if a.row_stride == 1 {
                    // Each k of A is on a cache line of its own, which no hardware foresees: the last of the next tile.
                    (a_tile.wrapping_add(2 * tile.len() - 1), a.k_stride)
                } else if let Some(Piece { data, bytes }) = self.prefetch.and_then(Prefetch::next) {
                    (data.cast(), (bytes / size_of::<T>()).div_ceil(ks.len()).min(LINE / size_of::<T>()))
                } else {
                    (a_tile, 0)
                };
                // Rows of a plain B are far from each other, which no hardware foresees. A panel stays in cache for the
                // tiles below the first one, which can so ask for the next panel.
                let b_prefetch = if self.b.k_stride > self.kernels.panel() {
                    B_AHEAD * self.b.k_stride
                } else if tile.start == rows.start {
                    self.b.panel_stride
                } else {
                    0
                };
                let (c, c_row_stride) = self.c.element(tile.start, columns.start);
                let (addend, addend_row_stride) = self.addend(tile.start, columns.start, &ks);
                table[tile.len() - 1](&Operands {
                    k: ks.len(),
                    a: a_tile,
                    a_row_stride: a.row_stride,
                    a_k_stride: a.k_stride,
                    a_order: null(),
                    a_offsets: null(),
                    a_next: 0,
                    prefetch,
                    prefetch_stride,
                    b: self.b.data.add(panel * self.b.panel_stride + ks.start * self.b.k_stride),
                    b_k_stride: self.b.k_stride,
                    b_panel_stride: self.b.panel_stride,
                    b_prefetch,
                    c,
                    c_row_stride,
                    last,
                    addend,
                    addend_row_stride,
                });
            }
        }
        width
    }
}
