//! The transpose of a matrix times one of which many elements are zeros: the gradient of a layer's kernel where the
//! gradient of its output went through a ReLU.
//!
//! For each column of b, the rows of a that meet its nonzero elements are added up. Rows of a are read over and over, so a
//! part copies as many of them as the L1 cache holds, a *stretch*, a few vectors wide, and goes through all its columns of
//! b before it takes the next stretch. Columns of b go in pairs: a row that both need is loaded once, without which there
//! would be more loads than multiply-adds. So of every [`WORD`] rows, a sum runs over the rows of both and its own in turn, as
//! long as there are some of each kind.

use std::ops::Range;

use super::columns::{MOST_ROWS, SparseColumns};
use super::nonzero::WORD;
use crate::kernels::Epilogue;
use crate::kernels::Transpose;
use crate::kernels::gemm::share;
use crate::kernels::parallel::elements_of;
use crate::kernels::simd::{self, Isa, Kernel, Vector, isa};
use crate::threads::{DisjointMut, Slots, for_each_part};

/// Columns of a that are not divided: a vector of AVX-512.
const UNIT: usize = 16;
/// Units of a block: their sums for two columns of b stay in registers.
const MOST_UNITS: usize = 7;
/// Elements of a stretch: most of an L1 cache of 32 KiB. A block has room for [`WORD`] rows.
const STRETCH_ELEMENTS: usize = MOST_UNITS * UNIT * WORD;
/// Columns of b of a part, at most: an epilogue is quickest on whole rows.
const GROUP: usize = 512;
/// No more parts than this need memory at the same time.
const MOST_SLOTS: usize = 64;
/// Multiply-adds of one thread in a nanosecond, roughly.
const PRODUCTS_A_NANOSECOND: usize = 40;
/// Multiply-adds below which there is little to spare.
const FEW_PRODUCTS: usize = 2_000_000;

/// [`MOST_UNITS`] of this machine: AVX2 has 16 registers of half a unit.
fn most_units() -> usize {
    if isa() == Isa::Avx512 { MOST_UNITS } else { 3 }
}

/// Memory that begins with a cache line, so that no vector is in two.
#[repr(align(64))]
struct Aligned<T>(T);

/// c (M, N) = aᵀ · b, for a (K, M) and b (K, N): how it is divided.
#[derive(Debug, Clone, Copy)]
pub struct ColumnProduct {
    k: usize,
    m: usize,
    n: usize,
    units: usize,
    /// Column ranges of a, and of b.
    blocks: usize,
    groups: usize,
    /// Rows of a stretch, but for the last: a multiple of [`WORD`].
    stretch_rows: usize,
}

impl ColumnProduct {
    /// `None` where the dense product is as good, whatever the elements are.
    pub fn new(k: usize, m: usize, n: usize) -> Option<Self> {
        let is_worth_it = (UNIT..=MOST_ROWS).contains(&k)
            && m >= 4 * UNIT
            && n >= 2 * UNIT
            && k * m * n >= FEW_PRODUCTS
            && isa() != Isa::Portable;
        // Most products are small, and ask in every step: nothing is divided for them.
        if !is_worth_it {
            return None;
        }
        let units = m.div_ceil(UNIT);
        // An even number, for two threads.
        let blocks = units.div_ceil(most_units()).next_multiple_of(2);
        let stretch_rows = STRETCH_ELEMENTS / (units.div_ceil(blocks) * UNIT) / WORD * WORD;
        let groups = n.div_ceil(GROUP);
        Some(Self { k, m, n, units, blocks, groups, stretch_rows })
    }

    /// Bytes of workspace that [`ColumnProduct::run`] needs.
    pub fn workspace_bytes(&self) -> usize {
        self.sums_bytes() + SparseColumns::bytes(self.k, self.n)
    }

    /// Bytes of the sums and strips of all parts that are at work.
    fn sums_bytes(&self) -> usize {
        self.parts().min(MOST_SLOTS) * self.slot() * size_of::<f32>()
    }

    /// Elements that a part needs: its sums, for its columns of b and its columns of a in whole units, and a strip of c.
    fn slot(&self) -> usize {
        let units = self.units.div_ceil(self.blocks);
        let columns = self.n.div_ceil(UNIT).div_ceil(self.groups) * UNIT;
        columns * units * UNIT + self.strip()
    }

    /// Elements of some rows of c.
    fn strip(&self) -> usize {
        UNIT * self.n
    }

    fn parts(&self) -> usize {
        self.blocks * self.groups
    }

    /// Computes c unless b has too few zeros or a is not finite, and returns whether it did. `workspace` has at least
    /// [`ColumnProduct::workspace_bytes`] bytes, best aligned for vectors.
    pub fn run(
        &self,
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
        epilogue: Option<&dyn Epilogue>,
        workspace: &mut [u8],
    ) -> bool {
        let Self { k, m, n, .. } = *self;
        assert_eq!((a.len(), b.len(), c.len()), (k * m, k * n, m * n), "the shapes of a product do not fit");
        let (sums, memory) = workspace.split_at_mut(self.sums_bytes());
        let Some(b) = SparseColumns::collect(b, n, a, memory) else { return false };
        let slots = Slots::new(elements_of::<f32>(sums), self.slot());
        let c = DisjointMut::new(c);
        let work = k * m * n / 2 / PRODUCTS_A_NANOSECOND;
        for_each_part(self.parts(), work as u64, &|part| {
            // Parts that follow each other share their columns: a thread reads what is in its cache.
            let units = share(self.units, self.blocks, part % self.blocks);
            let columns = share(n.div_ceil(UNIT), self.groups, part / self.blocks);
            let columns = columns.start * UNIT..(columns.end * UNIT).min(n);
            let rows = units.start * UNIT..(units.end * UNIT).min(m);
            slots.with(|slot| {
                let (sums, strip) = slot.split_at_mut(slot.len() - self.strip());
                self.sum(a, b, sums, rows.clone(), columns.clone());
                // A few rows at a time, so that the epilogue finds them in the cache.
                for first in rows.clone().step_by(UNIT) {
                    let sums = &sums[first - rows.start..];
                    let width = rows.len().next_multiple_of(UNIT);
                    let rows = first..rows.end.min(first + UNIT);
                    let shape = (rows.len(), columns.len());
                    if let Some(epilogue) = epilogue.filter(|epilogue| epilogue.reads_last()) {
                        // All strips in the same memory, which stays in the cache, where c would not.
                        f32::transpose(sums, width, &mut strip[columns.start..], n, shape);
                        let output = strip.as_ptr().wrapping_sub(first * n).cast();
                        // SAFETY: the strip holds these rows and columns of c.
                        unsafe { epilogue.finish_elsewhere(output, rows, columns.clone()) };
                        continue;
                    }
                    // SAFETY: parts have blocks of c of their own.
                    unsafe {
                        let to = c.as_mut_ptr().add(first * n + columns.start);
                        f32::transpose_at(sums.as_ptr(), width, to, n, shape);
                    }
                    if let Some(epilogue) = epilogue {
                        epilogue.finish(rows, columns.clone());
                    }
                }
            });
        });
        true
    }

    /// Computes c[rows, columns], column after column, each with its rows in whole units.
    #[inline(never)]
    fn sum(
        &self,
        a: &[f32],
        b: SparseColumns<'_>,
        sums: &mut [f32],
        rows: Range<usize>,
        columns: Range<usize>,
    ) {
        let mut stretch = Aligned([0.0; STRETCH_ELEMENTS]);
        let stretch = &mut stretch.0;
        let units = rows.len().div_ceil(UNIT);
        let width = units * UNIT;
        assert!(self.stretch_rows * width <= STRETCH_ELEMENTS);
        for index in 0..self.k.div_ceil(self.stretch_rows) {
            let ks = index * self.stretch_rows..self.k.min((index + 1) * self.stretch_rows);
            for (k, copy) in ks.clone().zip(stretch.chunks_exact_mut(width)) {
                let row = &a[k * self.m..][rows.clone()];
                copy[..row.len()].copy_from_slice(row);
                copy[row.len()..].fill(0.0);
            }
            let (columns, words) = (columns.clone(), ks.start / WORD..ks.end.div_ceil(WORD));
            simd::run(isa(), Stretch { b, columns, words, units, rows: stretch, sums });
        }
    }
}

/// Some columns of b in one stretch, times the rows of the stretch.
struct Stretch<'a> {
    b: SparseColumns<'a>,
    columns: Range<usize>,
    /// The words of the stretch; sums begin at zero with the first.
    words: Range<usize>,
    units: usize,
    /// (rows of the stretch, units · UNIT)
    rows: &'a [f32; STRETCH_ELEMENTS],
    /// (columns, units · UNIT)
    sums: &'a mut [f32],
}

impl Kernel for Stretch<'_> {
    type Element = f32;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = f32>>(self) {
        // SAFETY: passed on.
        unsafe {
            match self.units {
                1 => self.run_units::<V, 1>(),
                2 => self.run_units::<V, 2>(),
                3 => self.run_units::<V, 3>(),
                4 => self.run_units::<V, 4>(),
                5 => self.run_units::<V, 5>(),
                6 => self.run_units::<V, 6>(),
                _ => self.run_units::<V, MOST_UNITS>(),
            }
        }
    }
}

impl Stretch<'_> {
    /// # Safety
    /// As for [`Kernel::run`]; there are `N` units.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // loops over constants, which become straight code over registers
    unsafe fn run_units<V: Vector<Element = f32>, const N: usize>(self) {
        let vectors = UNIT / V::LANES;
        assert!(
            self.columns.start.is_multiple_of(2)
                && self.columns.len().next_multiple_of(2) * N * UNIT <= self.sums.len()
        );
        assert!(self.words.len() * WORD * N * UNIT <= STRETCH_ELEMENTS);
        for (place, pair) in (self.columns.start / 2..self.columns.end.div_ceil(2)).enumerate() {
            // SAFETY: bits are those of elements of b, and stand for rows of the stretch, of N units each; `sums` has as many
            // for each column.
            unsafe {
                let sums = self.sums.as_mut_ptr().add(2 * place * N * UNIT);
                let at = |column: usize, unit: usize, vector: usize| {
                    (column * N + unit) * UNIT + vector * V::LANES
                };
                let mut held = [[[V::splat(0.0); MOST_VECTORS]; N]; 2];
                if self.words.start > 0 {
                    for column in 0..2 {
                        for unit in 0..N {
                            for vector in 0..vectors {
                                held[column][unit][vector] = V::load(sums.add(at(column, unit, vector)));
                            }
                        }
                    }
                }
                for (index, word) in self.words.clone().enumerate() {
                    let rows = self.rows.as_ptr().add(index * WORD * N * UNIT);
                    let [(first, of_first), (second, of_second)] =
                        [0, 1].map(|column| self.b.part(2 * pair + column, word));
                    let elements = [first, second];
                    let mut both = of_first & of_second;
                    let mut own = [of_first & !both, of_second & !both];
                    // A row that both columns need is loaded once for the two of them: that leaves time for the loads of
                    // a row for each.
                    while both != 0 {
                        let row = take_first(&mut both);
                        for column in 0..2 {
                            add_row(&mut held[column], *elements[column].add(row), rows, row);
                        }
                        if own[0] != 0 && own[1] != 0 {
                            for column in 0..2 {
                                let row = take_first(&mut own[column]);
                                add_row(&mut held[column], *elements[column].add(row), rows, row);
                            }
                        }
                    }
                    for column in 0..2 {
                        while own[column] != 0 {
                            let row = take_first(&mut own[column]);
                            add_row(&mut held[column], *elements[column].add(row), rows, row);
                        }
                    }
                }
                for column in 0..2 {
                    for unit in 0..N {
                        for vector in 0..vectors {
                            held[column][unit][vector].store(sums.add(at(column, unit, vector)));
                        }
                    }
                }
            }
        }
    }
}

/// Vectors of a unit where they are shortest.
const MOST_VECTORS: usize = UNIT / 4;

/// sums += element · row `row` of `rows`
///
/// # Safety
/// As for [`Kernel::run`]; `rows` has this row, of `N` units.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as in `run_units`
unsafe fn add_row<V: Vector<Element = f32>, const N: usize>(
    sums: &mut [[V; MOST_VECTORS]; N],
    element: f32,
    rows: *const f32,
    row: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let element = V::splat(element);
        for unit in 0..N {
            for vector in 0..UNIT / V::LANES {
                let a = V::load(rows.add((row * N + unit) * UNIT + vector * V::LANES));
                sums[unit][vector] = sums[unit][vector].multiply_add(element, a);
            }
        }
    }
}

/// The place of the first one of a word, which becomes a zero.
#[inline(always)]
fn take_first(word: &mut u64) -> usize {
    let place = word.trailing_zeros() as usize;
    *word &= *word - 1;
    place
}
