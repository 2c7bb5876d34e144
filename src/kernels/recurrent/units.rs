//! Predictions for a batch of too few rows to be cut by rows: each part owns some of the units, with their columns of the
//! kernels, and all parts meet after every timestep to exchange their states.
//!
//! A timestep of one row reads the whole recurrent kernel, and takes as long as that: parts on several threads read it at
//! the same time, each from the caches of its own core. On one thread there is nothing to divide: see [`super::forward`].

use std::ops::Range;

use super::lanes::LANES;
use super::operands::{Forward, Outputs, Projection, nanoseconds};
use super::product::{PackedKernel, RecurrentProduct};
use super::scratch::{self, carve};
use super::{Cell, Division, ForwardStep, Sizes, gather_timesteps};
use crate::kernels::Real;
use crate::kernels::gemm::{Addend, Matrix, MatrixMut, gemm_serial, gemm_workspace};
use crate::kernels::parallel::elements_of;
use crate::threads::{DisjointMut, for_each_round};

/// Elements of the recurrent kernel that a part reads in a timestep, at least: they take it over a microsecond.
const PART_ELEMENTS: usize = 1 << 15;

/// The number of parts, if it is worth more than one and the cell's units depend on each other through h alone.
pub fn parts<T: Real>(cell: &dyn Cell<T>, sizes: Sizes, dropout: bool, training: bool) -> Option<usize> {
    let gates = cell.gates();
    let by_rows = Division::new(sizes, gates, false).shards > 1;
    // Without inputs x·kernel comes from a table.
    if sizes.inputs == 0 || by_rows || dropout || training || cell.has_inner() || cell.has_separate_operands()
    {
        return None;
    }
    let most = gates * sizes.units * sizes.units / PART_ELEMENTS;
    (2..=most.min(8)).rev().find(|parts| sizes.units.is_multiple_of(parts * LANES))
}

/// The sizes of a part, whose inputs and steps are those of the layer.
fn part_sizes(sizes: Sizes, parts: usize) -> Sizes {
    Sizes { units: sizes.units / parts, ..sizes }
}

/// Lengths of what a part needs: its columns of the kernel, of the recurrent kernel and of the bias; inputs and gates of a
/// block; h, c and saved; products.
fn part_lens<T: Real>(cell: &dyn Cell<T>, sizes: Sizes, parts: usize) -> [usize; 9] {
    let Sizes { batch, inputs, units, .. } = part_sizes(sizes, parts);
    let block_rows = Division::new(sizes, cell.gates(), false).block_steps * batch;
    let columns = cell.gates() * units;
    let products = gemm_workspace::<T>(block_rows, inputs, columns)
        .max(gemm_workspace::<T>(batch, sizes.units, columns))
        .div_ceil(size_of::<T>());
    [
        inputs * columns,
        sizes.units * columns,
        columns,
        block_rows * inputs,
        block_rows * columns,
        batch * units,
        batch * units,
        batch * cell.saved() * units,
        products,
    ]
}

/// Bytes of workspace that [`forward`] needs.
pub fn workspace<T: Real>(cell: &dyn Cell<T>, sizes: Sizes, parts: usize) -> usize {
    let states = scratch::total::<T>(&[sizes.batch * sizes.units; 2]);
    (states + parts * scratch::total::<T>(&part_lens(cell, sizes, parts))) * size_of::<T>()
}

/// [`super::forward`] by `parts` parts of the units.
pub fn forward<T: Real>(
    cell: &dyn Cell<T>,
    parts: usize,
    layer: Forward<'_, T>,
    outputs: Outputs<'_, T>,
    workspace: &mut [u8],
) {
    let Forward { sizes, options, .. } = layer;
    let Projection::Product { x: sequences, kernel: whole_kernel } = layer.projection else {
        unreachable!("layers without inputs are not cut by units")
    };
    let Sizes { batch, steps, inputs, units } = sizes;
    let gates = cell.gates();
    let of_part = part_sizes(sizes, parts).units;
    let columns = gates * of_part;
    let division = Division::new(sizes, gates, options.go_backwards);
    let lens = part_lens(cell, sizes, parts);
    let part_len = scratch::total::<T>(&lens);

    // The states before the current step and after it take turns.
    let ([even, odd], memory) = carve(elements_of::<T>(workspace), [batch * units; 2]);
    even.copy_from_slice(layer.h0);
    let states = [DisjointMut::new(even), DisjointMut::new(odd)];
    let memory = DisjointMut::new(memory);
    let sequence = DisjointMut::new(outputs.sequence);
    let (last_h, last_c) = (DisjointMut::new(outputs.last_h), DisjointMut::new(outputs.last_c));

    let flops = 2 * batch * steps * gates * units * (inputs + units + 16);
    for_each_round(steps, parts, nanoseconds(flops), &|step, part| {
        let own = part * of_part..(part + 1) * of_part;
        // SAFETY: each part has a range of its own.
        let memory = unsafe { memory.slice(part * part_len..(part + 1) * part_len) };
        let ([kernel, recurrent_kernel, bias, x, z, h, c, saved, products], _) = carve(memory, lens);
        let c = if layer.c0.is_empty() { &mut c[..0] } else { c };
        if step == 0 {
            load_columns(whole_kernel, units, &own, kernel);
            load_columns(layer.recurrent_kernel, units, &own, recurrent_kernel);
            load_columns(layer.bias, units, &own, bias);
            load_columns(layer.h0, units, &own, h);
            load_columns(layer.c0, units, &own, c);
        }
        if step.is_multiple_of(division.block_steps) {
            // z (steps, rows, gates·H) = x·kernel for the block that begins
            let block = step..steps.min(step + division.block_steps);
            let block_rows = block.len() * batch;
            let x = &mut x[..block_rows * inputs];
            gather_timesteps(sequences, steps, division.timesteps(&block), inputs, options.go_backwards, x);
            gemm_serial(
                Matrix::row_major(x, block_rows, inputs),
                Matrix::row_major(kernel, inputs, columns),
                MatrixMut::row_major(z, block_rows, columns),
                Addend::Nothing,
                scratch::bytes(products),
            );
        }
        cell.forward(ForwardStep {
            units: of_part,
            gates: &mut z[step % division.block_steps * batch * columns..][..batch * columns],
            bias,
            saved,
            inner: &mut [],
            // SAFETY: the round before has written these states; in this one, parts only read them.
            previous: unsafe { std::slice::from_raw_parts(states[step % 2].as_ptr(), batch * units) },
            h,
            c,
            skipped: division.skipped(&options, &(0..batch), step),
            recurrent: RecurrentProduct {
                kernel: PackedKernel::Joined(Matrix::row_major(recurrent_kernel, units, columns).into()),
                dropout: None,
                rows: batch,
                units: of_part,
                gates,
                prefetch: None,
                operand: &mut [],
                workspace: products,
            },
        });
        let is_last = step + 1 == steps;
        for (row, h) in h.chunks_exact(of_part).enumerate() {
            let own = |row: usize| row * units + own.start..row * units + own.end;
            // SAFETY: the part's own columns; nobody reads the next states in this round.
            unsafe {
                states[(step + 1) % 2].slice(own(row)).copy_from_slice(h);
                sequence.slice(own(row * steps + step)).copy_from_slice(h);
                if is_last {
                    last_h.slice(own(row)).copy_from_slice(h);
                }
            }
        }
        if is_last {
            for (row, c) in c.chunks_exact(of_part).enumerate() {
                // SAFETY: the part's own columns.
                unsafe { last_c.slice(row * units + own.start..row * units + own.end) }.copy_from_slice(c);
            }
        }
    });
}

/// The columns `own` of each (·, units) matrix that stands in `matrices`, row by row.
fn load_columns<T: Real>(matrices: &[T], units: usize, own: &Range<usize>, columns: &mut [T]) {
    for (source, target) in matrices.chunks_exact(units).zip(columns.chunks_exact_mut(own.len())) {
        target.copy_from_slice(&source[own.clone()]);
    }
}
