//! Recurrent layers: a cell applied to every timestep of a batch of sequences, forward and backward.
//!
//! The rows of a batch do not depend on each other, so each part of the work owns a *shard* of rows and runs the whole
//! time loop on it, without a barrier a timestep; predictions for a few rows are cut by units instead ([`units`]). The number of shards depends on the sizes only, and gradients of
//! weights are summed over shards in order, so results do not depend on the number of threads.
//!
//! Within a shard, time advances in *blocks*: the projection x·kernel of a block is one product, its steps follow while
//! the block is in cache, and in the backward pass the gradients of weights and inputs are again one product a block.
//!
//! A step is a position in the order of processing: step `s` is timestep `s`, or `T - 1 - s` where the layer goes
//! backwards. Memory that only the backward pass reads is laid out shard after shard, and step after step within one.

mod activation;
mod backward;
mod forward;
mod gru;
mod lanes;
mod lstm;
mod operands;
mod product;
mod rows;
mod scratch;
mod simple_rnn;
mod units;

pub use activation::{Activation, Smooth};
pub use backward::{Backward, Gradients, ProjectionGradient, Wanted, backward, backward_workspace};
pub use forward::{forward, forward_workspace};
pub use gru::Gru;
pub use lstm::Lstm;
pub use operands::{Forward, Outputs, Projection, Training};
pub use simple_rnn::SimpleRnn;

use std::ops::Range;

use crate::kernels::Real;
use crate::kernels::simd::per_isa;
use lanes::{LANES, for_each_chunk, load, store};
use product::RecurrentProduct;

/// B sequences of T timesteps of I features, 0 where x·kernel is read from a table; H units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub batch: usize,
    pub steps: usize,
    pub inputs: usize,
    pub units: usize,
}

/// What to do with the sequences, whatever the cell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// From the last timestep to the first; outputs are in the order of processing.
    pub go_backwards: bool,
    /// (B, T): 0 where a timestep is skipped, so that the states stay as they were.
    pub mask: Option<&'a [u8]>,
    pub recurrent_dropout: Option<Dropout<'a>>,
}

/// The same units of h_{t-1} are dropped at every timestep, for each gate on its own.
#[derive(Debug, Clone, Copy)]
pub struct Dropout<'a> {
    /// (B, GATES, H): 0 where the gate does not see the unit.
    pub keep: &'a [u8],
    pub rate: f64,
}

/// What distinguishes one recurrent layer from another.
pub trait Cell<T: Real>: Sync {
    /// Gates stand side by side in the kernels: their columns are `gates() * H`.
    fn gates(&self) -> usize;

    /// Values a unit that the backward pass needs beside the gates.
    fn saved(&self) -> usize;

    /// True where h_{t-1}·recurrent_kernel has a bias and a gradient of its own, because it is not merely added to
    /// x·kernel.
    fn has_inner(&self) -> bool {
        false
    }

    /// True where gates multiply the recurrent kernel by different operands.
    fn has_separate_operands(&self) -> bool {
        false
    }

    fn forward(&self, step: ForwardStep<'_, T>);

    fn backward(&self, step: BackwardStep<'_, T>);
}

/// One timestep of a shard.
pub struct ForwardStep<'a, T> {
    pub units: usize,
    /// (rows, gates·H): holds x·kernel, becomes the activated gates.
    pub gates: &'a mut [T],
    /// (gates·H), to be added to x·kernel.
    pub bias: &'a [T],
    /// (rows, saved·H), to be written.
    pub saved: &'a mut [T],
    /// (rows, gates·H): scratch for cells with an inner product.
    pub inner: &'a mut [T],
    /// (rows, inputs of the recurrent kernel): the state before the step, all of it.
    pub previous: &'a [T],
    /// (rows, H): the state before the step, becomes the state after it.
    pub h: &'a mut [T],
    /// (rows, H): the carry of an LSTM, else empty.
    pub c: &'a mut [T],
    pub skipped: Skipped<'a>,
    pub recurrent: RecurrentProduct<'a, T>,
}

/// The gradient of [`ForwardStep`].
pub struct BackwardStep<'a, T> {
    pub units: usize,
    /// (rows, gates·H), as the forward step left them.
    pub gates: &'a [T],
    /// (rows, saved·H)
    pub saved: &'a [T],
    /// (rows, H): the states before the step.
    pub h_previous: &'a [T],
    pub c_previous: &'a [T],
    /// What each gate multiplied its recurrent kernel by, h_{t-1} with its dropout: the cell completes it. (rows, H) for
    /// gate g at `operands[g * operand_stride..]`; empty where all gates see h_{t-1} itself.
    pub operands: &'a mut [T],
    pub operand_stride: usize,
    /// (rows, gates·H), to be written: the gradient of x·kernel + bias.
    pub dgates: &'a mut [T],
    /// (rows, gates·H), to be written by cells with an inner product: the gradient of h_{t-1}·recurrent_kernel + bias.
    pub dinner: &'a mut [T],
    /// (rows, H): the gradient of h_t, becomes that of h_{t-1}.
    pub dh: &'a mut [T],
    /// (rows, H): the gradient of c_t, becomes that of c_{t-1}.
    pub dc: &'a mut [T],
    pub skipped: Skipped<'a>,
    pub recurrent: RecurrentProduct<'a, T>,
}

/// Which rows of a shard skip the current timestep.
#[derive(Clone, Copy)]
pub struct Skipped<'a> {
    /// The mask (B, T) from the shard's first row and the current timestep on.
    mask: Option<&'a [u8]>,
    steps: usize,
}

impl Skipped<'_> {
    #[inline(always)]
    pub fn row(&self, row: usize) -> bool {
        self.mask.is_some_and(|mask| mask[row * self.steps] == 0)
    }
}

/// Whether [`forward`] divides such a layer by units, not by rows.
pub fn divides_units<T: Real>(cell: &dyn Cell<T>, sizes: Sizes, dropout: bool, training: bool) -> bool {
    units::parts(cell, sizes, dropout, training).is_some()
}

/// Rows that a shard takes: enough to fill the tiles of a product.
const SHARD_ROWS: usize = 16;
/// Rows of a shard of a small batch, which is cut into up to [`FEW_SHARDS`] all the same, so that threads have work.
const FEW_ROWS: usize = 8;
const FEW_SHARDS: usize = 4;
/// Elements of the shards' gradients of weights, beyond [`FEW_SHARDS`] shards: 64 MiB of f32.
const PARTIAL_ELEMENTS: usize = 1 << 24;
/// Elements of gates in a block of timesteps: 256 KiB of f32, so that a block stays in the L2 cache.
const BLOCK_ELEMENTS: usize = 1 << 16;

/// Shards and blocks of timesteps.
#[derive(Debug, Clone, Copy)]
struct Division {
    sizes: Sizes,
    shards: usize,
    /// Rows of the largest shard.
    shard_rows: usize,
    /// Timesteps in a block.
    block_steps: usize,
    go_backwards: bool,
}

impl Division {
    fn new(sizes: Sizes, gates: usize, go_backwards: bool) -> Self {
        let few = sizes.batch.div_ceil(FEW_ROWS).min(FEW_SHARDS);
        let weights = gates * sizes.units * (sizes.inputs + sizes.units);
        let most = (PARTIAL_ELEMENTS / weights.max(1)).max(FEW_SHARDS);
        let shards = sizes.batch.div_ceil(SHARD_ROWS).max(few).min(most);
        let shard_rows = sizes.batch.div_ceil(shards.max(1));
        let step = (shard_rows * gates * sizes.units).max(1);
        let block_steps = (BLOCK_ELEMENTS / step).clamp(1, sizes.steps.max(1));
        Self { sizes, shards, shard_rows, block_steps, go_backwards }
    }

    /// The rows of a shard; sizes differ by at most one.
    fn rows(&self, shard: usize) -> Range<usize> {
        shard * self.sizes.batch / self.shards..(shard + 1) * self.sizes.batch / self.shards
    }

    /// The steps of each block, in order.
    fn blocks(&self) -> impl DoubleEndedIterator<Item = Range<usize>> {
        let (steps, block_steps) = (self.sizes.steps, self.block_steps);
        (0..steps.div_ceil(block_steps))
            .map(move |block| block * block_steps..steps.min((block + 1) * block_steps))
    }

    /// The timestep that is processed as step `step`.
    fn timestep(&self, step: usize) -> usize {
        if self.go_backwards { self.sizes.steps - 1 - step } else { step }
    }

    fn skipped<'a>(&self, options: &Options<'a>, rows: &Range<usize>, step: usize) -> Skipped<'a> {
        let steps = self.sizes.steps;
        let start = rows.start * steps + self.timestep(step);
        Skipped { mask: options.mask.map(|mask| &mask[start..]), steps }
    }

    /// The steps of a block as a range of timesteps.
    fn timesteps(&self, block: &Range<usize>) -> Range<usize> {
        let steps = self.sizes.steps;
        if self.go_backwards { steps - block.end..steps - block.start } else { block.clone() }
    }
}

per_isa! {
    /// Some timesteps of (rows, T, width) → (timesteps, rows, width), in reverse where `reversed`.
    fn gather_timesteps[T: Real][T](
        sequence: &[T],
        steps: usize,
        timesteps: Range<usize>,
        width: usize,
        reversed: bool,
        block: &mut [T],
    ) {
        let rows = sequence.len() / (steps * width).max(1);
        for row in 0..rows {
            for (index, timestep) in timesteps.clone().enumerate() {
                let index = if reversed { timesteps.len() - 1 - index } else { index };
                let source = &sequence[(row * steps + timestep) * width..][..width];
                copy_row(source, &mut block[(index * rows + row) * width..][..width]);
            }
        }
    }
}

per_isa! {
    /// The reverse of [`gather_timesteps`].
    fn scatter_timesteps[T: Real][T](
        block: &[T],
        steps: usize,
        timesteps: Range<usize>,
        width: usize,
        reversed: bool,
        sequence: &mut [T],
    ) {
        let rows = sequence.len() / (steps * width).max(1);
        for row in 0..rows {
            for (index, timestep) in timesteps.clone().enumerate() {
                let index = if reversed { timesteps.len() - 1 - index } else { index };
                let target = &mut sequence[(row * steps + timestep) * width..][..width];
                copy_row(&block[(index * rows + row) * width..][..width], target);
            }
        }
    }
}

#[inline(always)]
fn copy_row<T: Real>(source: &[T], target: &mut [T]) {
    let width = target.len();
    for_each_chunk!(width, |start, count| {
        store(target, start, count, load(source, start, count));
    });
}

per_isa! {
    /// target[i] += source[i]
    fn add_to[T: Real][T](target: &mut [T], source: &[T]) {
        for (target, &source) in target.iter_mut().zip(source) {
            *target += source;
        }
    }
}
