//! Sequences whose vectors are rows of a table, as those of an embedding are.
//!
//! x·kernel then consists of rows of table·kernel, which is one product for all timesteps that see the same row. Its
//! gradient by such a row is the sum of the gates' gradients over these timesteps.

use super::lanes::{LANES, for_each_chunk, load, store};
use super::{Division, Options, copy_row, scratch};
use crate::kernels::Real;
use crate::kernels::parallel::{elements_of, items_per_part};
use crate::kernels::simd::{per_isa, prefetch};
use crate::threads::{DisjointMut, for_each_part};

/// Elements that one part of the sum over timesteps adds: enough to be worth a part.
const PART: usize = 1 << 16;

/// How many rows ahead the sum asks for memory.
const AHEAD: usize = 8;

per_isa! {
    /// gates (rows, width) = the rows of the table (V, width) that ids (B, T), from the shard's first row on, names at a
    /// timestep; asks for those of the next one.
    pub fn load_rows[T: Real][T](
        table: &[T],
        ids: &[i32],
        steps: usize,
        timestep: usize,
        next: usize,
        width: usize,
        gates: &mut [T],
    ) {
        for (ids, gates) in ids.chunks_exact(steps).zip(gates.chunks_exact_mut(width)) {
            ask_for(&table[ids[next] as usize * width..][..width]);
            copy_row(&table[ids[timestep] as usize * width..][..width], gates);
        }
    }
}

/// Elements of workspace that [`sum_rows`] needs, for a table of `table` rows.
pub fn workspace_len<T: Real>(division: &Division, table: usize) -> usize {
    let numbers = division.sizes.batch * division.sizes.steps + table + 1;
    scratch::total::<T>(&[(numbers * size_of::<i32>()).div_ceil(size_of::<T>())])
}

/// dtable (V, width) = for each row the sum of dgates (B·T, width), which lies as the kept gates do, over the timesteps
/// whose number in ids (B, T) it is. Each sum is taken in the order of dgates.
pub fn sum_rows<T: Real>(
    division: &Division,
    options: &Options<'_>,
    ids: &[i32],
    dgates: &[T],
    width: usize,
    dtable: &mut [T],
    workspace: &mut [T],
) {
    let table = dtable.len() / width;
    let (ends, order) = elements_of::<i32>(workspace).split_at_mut(table + 1);
    let order = &mut order[..ids.len()];
    sort(division, options, ids, ends, order);
    let (ends, order) = (&*ends, &*order);

    let per_part = items_per_part(table, width * ids.len().div_ceil(table), PART);
    let dtable = DisjointMut::new(dtable);
    for_each_part(table.div_ceil(per_part), dgates.len() as u64 / 8, &|part| {
        let rows = part * per_part..table.min((part + 1) * per_part);
        // SAFETY: each part has rows of its own.
        let dtable = unsafe { dtable.slice(rows.start * width..rows.end * width) };
        let ends = &ends[rows.start..=rows.end];
        add_listed(dgates, &order[..ends[ends.len() - 1] as usize], ends, width, dtable);
    });
}

/// Lists the rows of dgates by their number: those of number v are `order[ends[v]..ends[v + 1]]`, in order. Skipped
/// timesteps have no gradient, and are left out.
fn sort(division: &Division, options: &Options<'_>, ids: &[i32], ends: &mut [i32], order: &mut [i32]) {
    let steps = division.sizes.steps;
    let is_skipped = |at: usize| options.mask.is_some_and(|mask| mask[at] == 0);
    // While a list grows, `ends[v + 1]` is where its next entry goes; then it is its end.
    ends.fill(0);
    for (at, &id) in ids.iter().enumerate() {
        // The list of number v moves back by the lengths of those before it.
        if let Some(end) = ends.get_mut(id as usize + 2)
            && !is_skipped(at)
        {
            *end += 1;
        }
    }
    for v in 1..ends.len() {
        ends[v] += ends[v - 1];
    }
    let mut place = 0;
    for shard in 0..division.shards {
        for step in 0..steps {
            for row in division.rows(shard) {
                let at = row * steps + division.timestep(step);
                if !is_skipped(at) {
                    let end = &mut ends[ids[at] as usize + 1];
                    order[*end as usize] = place;
                    *end += 1;
                }
                place += 1;
            }
        }
    }
}

per_isa! {
    /// sums[v] = Σ rows[order[i]] over i in ends[v]..ends[v + 1]
    fn add_listed[T: Real][T](rows: &[T], order: &[i32], ends: &[i32], width: usize, sums: &mut [T]) {
        for (sum, ends) in sums.chunks_exact_mut(width).zip(ends.windows(2)) {
            sum.fill(T::ZERO);
            for index in ends[0] as usize..ends[1] as usize {
                if let Some(&prefetch) = order.get(index + AHEAD) {
                    ask_for(&rows[prefetch as usize * width..][..width]);
                }
                let row = &rows[order[index] as usize * width..][..width];
                for_each_chunk!(width, |start, count| {
                    let mut lanes = load(sum, start, count);
                    for (lane, element) in lanes.iter_mut().zip(load(row, start, count)) {
                        *lane += element;
                    }
                    store(sum, start, count, lanes);
                });
            }
        }
    }
}

/// Asks for the cache lines of a row that is used later.
#[inline(always)]
fn ask_for<T>(row: &[T]) {
    for element in row.iter().step_by(64 / size_of::<T>()) {
        prefetch(element);
    }
}
