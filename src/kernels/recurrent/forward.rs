//! The forward time loop, for any cell.

use std::ops::Range;

use super::operands::{Forward, Outputs, Projection, nanoseconds};
use super::product::{PackedKernel, RecurrentProduct};
use super::rows::load_rows;
use super::scratch::{self, carve};
use super::{Cell, Division, Dropout, ForwardStep, Sizes, gather_timesteps, scatter_timesteps, units};
use crate::kernels::Real;
use crate::kernels::gemm::{
    Addend, Matrix, MatrixMut, Right, gemm_serial, gemm_workspace, pack_b, packed_len,
};
use crate::kernels::parallel::elements_of;
use crate::threads::{DisjointMut, for_each_part, num_threads};

/// Lengths of what a shard needs: inputs of a block, its states, its gates, saved of a step, inner, operand, products.
fn shard_lens<T: Real>(cell: &dyn Cell<T>, division: &Division, training: bool) -> [usize; 7] {
    let Sizes { inputs, units, .. } = division.sizes;
    let rows = division.shard_rows;
    let block_rows = division.block_steps * rows;
    let columns = cell.gates() * units;
    let projection = gemm_workspace::<T>(block_rows, inputs, columns).div_ceil(size_of::<T>());
    [
        block_rows * inputs,
        (division.block_steps + 1) * rows * units,
        if training { 0 } else { block_rows * columns },
        if training { 0 } else { rows * cell.saved() * units },
        if cell.has_inner() { rows * columns } else { 0 },
        rows * units,
        projection.max(RecurrentProduct::<T>::workspace_len(rows, units, cell.gates())),
    ]
}

/// Lengths of the packed kernel and the packed recurrent kernel, which are none where both are read in place.
fn packed_lens<T: Real>(cell: &dyn Cell<T>, sizes: Sizes, separate: bool, in_place: bool) -> [usize; 2] {
    if in_place {
        return [0; 2];
    }
    let (units, gates) = (sizes.units, cell.gates());
    [packed_len::<T>(sizes.inputs, gates * units), PackedKernel::<T>::len(units, gates, separate, false)]
}

/// Bytes of workspace that [`forward`] needs.
pub fn forward_workspace<T: Real>(cell: &dyn Cell<T>, sizes: Sizes, dropout: bool, training: bool) -> usize {
    let parts = units::parts(cell, sizes, dropout, training);
    let by_units = parts.map_or(0, |parts| units::workspace(cell, sizes, parts));
    let division = Division::new(sizes, cell.gates(), false);
    let packed = packed_lens(cell, sizes, dropout || cell.has_separate_operands(), parts.is_some());
    let shard = scratch::total::<T>(&shard_lens(cell, &division, training));
    by_units.max((scratch::total::<T>(&packed) + division.shards * shard) * size_of::<T>())
}

/// Runs `cell` over all timesteps. `workspace` has at least [`forward_workspace`] bytes.
pub fn forward<T: Real>(
    cell: &dyn Cell<T>,
    layer: Forward<'_, T>,
    outputs: Outputs<'_, T>,
    workspace: &mut [u8],
) {
    let Forward { sizes, options, .. } = layer;
    let Sizes { batch, steps, inputs, units } = sizes;
    let (gates, saved) = (cell.gates(), cell.saved());
    let columns = gates * units;
    let dropout = options.recurrent_dropout.is_some();
    let parts = units::parts(cell, sizes, dropout, outputs.training.is_some());
    if let Some(parts) = parts.filter(|_| num_threads() > 1) {
        return units::forward(cell, parts, layer, outputs, workspace);
    }
    // Kernels that a few rows meet are read where they lie: copies of them would crowd each other out of the cache.
    let in_place = parts.is_some();
    let separate = dropout || cell.has_separate_operands();
    let division = Division::new(sizes, gates, options.go_backwards);

    let memory = elements_of::<T>(workspace);
    let ([packed_kernel, packed_recurrent], memory) =
        carve(memory, packed_lens(cell, sizes, separate, in_place));
    let kernel = match layer.projection {
        Projection::Product { kernel, .. } => {
            let kernel = Matrix::row_major(kernel, inputs, columns);
            Some(if in_place { Right::Plain(kernel) } else { pack_b(kernel, packed_kernel).into() })
        }
        Projection::Rows { .. } => None,
    };
    let recurrent_kernel = match in_place {
        true => PackedKernel::Joined(Matrix::row_major(layer.recurrent_kernel, units, columns).into()),
        false => PackedKernel::pack(layer.recurrent_kernel, units, gates, separate, false, packed_recurrent),
    };

    let training = outputs.training.is_some();
    let lens = shard_lens(cell, &division, training);
    let shard_len = scratch::total::<T>(&lens);
    let memory = DisjointMut::new(memory);
    let sequence = DisjointMut::new(outputs.sequence);
    let (last_h, last_c) = (DisjointMut::new(outputs.last_h), DisjointMut::new(outputs.last_c));
    let kept = outputs.training.map(|kept| (DisjointMut::new(kept.gates), DisjointMut::new(kept.saved)));

    let flops = 2 * batch * steps * columns * (inputs + units + 16);
    for_each_part(division.shards, nanoseconds(flops), &|shard| {
        let rows = division.rows(shard);
        let count = rows.len();
        let states = rows.start * units..rows.end * units;
        // SAFETY: each shard has a range of its own in all of these.
        let (memory, sequence, h, c) = unsafe {
            (
                memory.slice(shard * shard_len..(shard + 1) * shard_len),
                sequence.slice(states.start * steps..states.end * steps),
                last_h.slice(states.clone()),
                last_c.slice(if layer.c0.is_empty() { 0..0 } else { states.clone() }),
            )
        };
        let ([x, states_of_block, block_gates, step_saved, inner, operand, products], _) =
            carve(memory, lens);
        h.copy_from_slice(&layer.h0[states.clone()]);
        if !c.is_empty() {
            c.copy_from_slice(&layer.c0[states]);
        }
        for block in division.blocks() {
            let block_rows = block.len() * count;
            let first = rows.start * steps + block.start * count;
            let z = match &kept {
                // SAFETY: rows `first..` belong to this shard and block.
                Some((gates, _)) => unsafe { gates.slice(first * columns..(first + block_rows) * columns) },
                None => &mut block_gates[..block_rows * columns],
            };
            // z (steps, rows, gates·H) = x·kernel, but for rows of a table, which are copied as each step begins.
            if let (Projection::Product { x: sequences, .. }, Some(kernel)) = (layer.projection, kernel) {
                let x = &mut x[..block_rows * inputs];
                let of_shard = &sequences[rows.start * steps * inputs..rows.end * steps * inputs];
                let timesteps = division.timesteps(&block);
                gather_timesteps(of_shard, steps, timesteps, inputs, options.go_backwards, x);
                gemm_serial(
                    Matrix::row_major(x, block_rows, inputs),
                    kernel,
                    MatrixMut::row_major(z, block_rows, columns),
                    Addend::Nothing,
                    scratch::bytes(products),
                );
            }

            // The states before each step, and after the last.
            let states_of_block = &mut states_of_block[..(block.len() + 1) * count * units];
            states_of_block[..count * units].copy_from_slice(h);
            for (index, (step, gates_of_step)) in
                block.clone().zip(z.chunks_exact_mut(count * columns)).enumerate()
            {
                let saved_of_step = match &kept {
                    // SAFETY: the rows of this shard and step.
                    Some((_, kept)) => unsafe {
                        let start = (first + index * count) * saved * units;
                        kept.slice(start..start + count * saved * units)
                    },
                    None => &mut step_saved[..count * saved * units],
                };
                if let Projection::Rows { table, ids } = layer.projection {
                    let ids = &ids[rows.start * steps..rows.end * steps];
                    let next = division.timestep((step + 1).min(steps - 1));
                    load_rows(table, ids, steps, division.timestep(step), next, columns, gates_of_step);
                }
                cell.forward(ForwardStep {
                    units,
                    gates: gates_of_step,
                    bias: layer.bias,
                    saved: saved_of_step,
                    inner: if inner.is_empty() { &mut [] } else { &mut inner[..count * columns] },
                    previous: &states_of_block[index * count * units..][..count * units],
                    h,
                    c,
                    skipped: division.skipped(&options, &rows, step),
                    recurrent: RecurrentProduct {
                        kernel: recurrent_kernel,
                        dropout: shard_dropout(options.recurrent_dropout, &rows, columns),
                        rows: count,
                        units,
                        gates,
                        prefetch: None,
                        operand: &mut operand[..count * units],
                        workspace: products,
                    },
                });
                states_of_block[(index + 1) * count * units..][..count * units].copy_from_slice(h);
            }
            scatter_timesteps(&states_of_block[count * units..], steps, block, units, false, sequence);
        }
    });
}

/// The dropout mask from the shard's first row on.
pub(super) fn shard_dropout<'a>(
    dropout: Option<Dropout<'a>>,
    rows: &Range<usize>,
    columns: usize,
) -> Option<Dropout<'a>> {
    dropout.map(|dropout| Dropout { keep: &dropout.keep[rows.start * columns..], ..dropout })
}
