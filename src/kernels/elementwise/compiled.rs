//! An instruction sequence made ready to run: kernels chosen, registers assigned to scratch memory.
//!
//! The elements are run over in tiles. A tile of an operand is read where it lies, or, if it is broadcast, is spread
//! out in scratch memory; intermediate results stay in registers between the links of a chain, and in scratch memory
//! otherwise; an output is computed where it belongs. Kernels work on whole chunks of [`LANES`] elements, so the last
//! few elements of a range make a tile of their own, for which operands and outputs are copied to and from scratch
//! memory. What follows from scalars alone is computed once a run.

use std::cell::UnsafeCell;
use std::ops::Range;

use super::chain::{self, ChainKernel, Link};
use super::draft::{Draft, DraftStep, Run, assign_slots, cost, draft, join, memory_cost, whole_periods};
use super::kernel::{Kernel, LANES, Lane};
use super::{Access, InstructionSequence, Operand};
use crate::error::{Error, Result};
use crate::kernels::simd::Isa;

/// Elements of a tile at most. Larger ones were not faster.
const MAX_TILE: usize = 1024;
/// Scratch memory that tiles should fit in: half of a common L1 cache, the rest is for operands and outputs.
const TILES_BYTES: usize = 16 << 10;
/// Scratch memory in all.
const SCRATCH_BYTES: usize = 32 << 10;
/// Bytes of a chunk of the largest elements.
const CHUNK_BYTES: usize = LANES * 8;

/// Whether so many values fit in scratch memory, whatever they are: each in a chunk and a tile of one chunk, or the tiles
/// in what is meant for them.
pub(super) fn surely_fit(values: usize) -> bool {
    let table = (values * size_of::<Lane>()).next_multiple_of(CHUNK_BYTES);
    table + values * CHUNK_BYTES + TILES_BYTES.max(values * CHUNK_BYTES) <= SCRATCH_BYTES
}

#[repr(align(64))]
struct Scratch {
    _bytes: [u8; SCRATCH_BYTES],
}

thread_local! {
    /// Not on the stack, whose pages a function of so many bytes touches one by one before it begins. An instruction sequence runs no other.
    static SCRATCH: UnsafeCell<Scratch> = const { UnsafeCell::new(Scratch { _bytes: [0; SCRATCH_BYTES] }) };
}

/// Where the operands of a run lie.
#[derive(Clone, Copy)]
pub struct Addresses<'a> {
    pub of_all: &'a [*const u8],
    /// An operand that lies elsewhere this time: its elements that are read are where they would be if all of it began
    /// at this address. Its access is [`Access::Full`].
    pub moved: Option<(usize, *const u8)>,
}

impl Addresses<'_> {
    #[inline(always)]
    fn of(&self, operand: usize) -> *const u8 {
        match self.moved {
            Some((moved, address)) if moved == operand => address,
            _ => self.of_all[operand],
        }
    }
}

impl<'a> From<&'a [*const u8]> for Addresses<'a> {
    fn from(of_all: &'a [*const u8]) -> Self {
        Self { of_all, moved: None }
    }
}

/// An instruction sequence that runs.
#[derive(Debug, Clone)]
pub struct FusedKernel {
    /// The home of every value in scratch memory. Operands come first.
    homes: Vec<Home>,
    /// The values whose lanes are laid out once a run: not those of `tiled`, and none that stays in registers.
    laid_out: Vec<usize>,
    operands: Vec<Operand>,
    /// The operands that are the same for all elements: those that kernels read fill a chunk.
    scalars: Vec<usize>,
    /// The others, which chains read where they lie.
    scalars_of_chains: Vec<usize>,
    /// The operands whose lanes change from tile to tile.
    tiled: Vec<usize>,
    /// Steps on scalars: run once, on one chunk.
    once: Vec<SingleStep>,
    steps: Vec<CompiledStep>,
    outputs: Vec<Output>,
    /// Elements of a tile, a multiple of [`LANES`].
    tile: usize,
    /// Estimated cost of an element, in picoseconds.
    cost: u64,
}

#[derive(Debug, Clone, Copy)]
struct Home {
    offset: usize,
    advance: usize,
}

#[derive(Debug, Clone)]
enum CompiledStep {
    Single(SingleStep),
    Chain { kernel: ChainKernel, links: Vec<Link> },
}

#[derive(Debug, Clone, Copy)]
struct SingleStep {
    kernel: Kernel,
    /// Values; those that the kernel does not use repeat the first.
    inputs: [u16; 3],
    output: u16,
}

#[derive(Debug, Clone)]
struct Output {
    value: u16,
    size: usize,
    /// The operands that are read where they lie after this output is computed: if one of them has the memory of the
    /// output, a tile of the output waits in scratch memory until the tile is done.
    read_later: Vec<usize>,
}

impl FusedKernel {
    pub(crate) fn new(sequence: &InstructionSequence, isa: Isa) -> Result<Self> {
        let Draft { mut values, once, steps, outputs } = draft(sequence, isa)?;
        let runs = join(&mut values, &steps, &outputs);

        // Scratch memory: the table of lanes, one chunk for every value that needs no more, then the tiles.
        let operands = sequence.operands.len();
        let is_spread = |value: usize| {
            value < operands
                && matches!(sequence.operands[value].access, Access::Row { .. } | Access::Column { .. })
        };
        let (slots, slot_count) = assign_slots(&values, &steps, &outputs, is_spread);
        let table = (values.len() * size_of::<Lane>()).next_multiple_of(CHUNK_BYTES);
        let in_chunk = |value: usize| values[value].in_memory && slots[value].is_none();
        let single = (0..values.len()).filter(|&value| in_chunk(value)).count();
        let tiles = table + single * CHUNK_BYTES;
        let size = values.iter().map(|value| value.dtype.size()).max().unwrap_or(1);
        let tile_bytes = size * slot_count.max(1);
        // A spread-out tile may be overrun by a chunk.
        let room = |bytes: usize| (bytes / slot_count.max(1)).saturating_sub(CHUNK_BYTES) / size;
        let tile = room(TILES_BYTES).clamp(LANES, MAX_TILE) / LANES * LANES;
        if values.len() > usize::from(u16::MAX)
            || tiles + tile * tile_bytes + slot_count * CHUNK_BYTES > SCRATCH_BYTES
        {
            return Err(Error::Internal(format!(
                "an instruction sequence of {} steps and {operands} operands does not fit in scratch memory",
                sequence.steps.len()
            )));
        }
        let tile = whole_periods(tile, &sequence.operands);

        let mut next_single = table;
        let homes = values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let offset = match slots[index] {
                    Some(slot) => tiles + slot * (tile * size + CHUNK_BYTES),
                    None if in_chunk(index) => {
                        next_single += CHUNK_BYTES;
                        next_single - CHUNK_BYTES
                    }
                    // What stays in registers is nowhere.
                    None => 0,
                };
                Home { offset, advance: if value.uniform { 0 } else { value.dtype.size() * LANES } }
            })
            .collect();

        let outputs: Vec<Output> = outputs
            .iter()
            .map(|&value| {
                let computed =
                    steps.iter().position(|step| step.output == value).expect("a step computes it");
                let mut read_later: Vec<usize> = steps[computed + 1..]
                    .iter()
                    .flat_map(|step| step.inputs.iter().copied())
                    .filter(|&input| input < operands && sequence.operands[input].access == Access::Full)
                    .collect();
                read_later.sort_unstable();
                read_later.dedup();
                Output { value: value as u16, size: values[value].dtype.size(), read_later }
            })
            .collect();
        let compiled = |run: Run| match run.links.is_empty() {
            true => CompiledStep::Single(single_step(&steps[run.steps.start])),
            false => {
                let dtype = values[steps[run.steps.start].output].dtype;
                CompiledStep::Chain { kernel: chain::kernel(isa, dtype), links: run.links }
            }
        };
        let written = outputs.iter().map(|output| values[usize::from(output.value)].dtype);
        let read = sequence.operands.iter().map(|operand| (operand.dtype, operand.access));
        let memory = read
            .chain(written.map(|dtype| (dtype, Access::Full)))
            .map(|(dtype, access)| memory_cost(dtype, access))
            .sum::<u64>();
        let is_scalar = |operand: &usize| sequence.operands[*operand].access == Access::Scalar;
        let single = runs.iter().filter(|run| run.links.is_empty()).map(|run| &steps[run.steps.start]);
        let filled: Vec<usize> = once.iter().chain(single).flat_map(|step| step.inputs.clone()).collect();
        let (scalars, scalars_of_chains): (Vec<usize>, Vec<usize>) =
            (0..operands).filter(is_scalar).partition(|operand| filled.contains(operand));
        let is_laid_out =
            |value: &usize| values[*value].in_memory && (*value >= operands || scalars.contains(value));
        Ok(Self {
            homes,
            laid_out: (0..values.len()).filter(is_laid_out).collect(),
            operands: sequence.operands.clone(),
            scalars,
            scalars_of_chains,
            tiled: (0..operands).filter(|operand| !is_scalar(operand)).collect(),
            once: once.iter().map(single_step).collect(),
            steps: runs.into_iter().map(compiled).collect(),
            outputs,
            tile,
            cost: sequence.steps.iter().map(cost).sum::<u64>() + memory,
        })
    }

    /// The estimated cost of a run over so many elements on one thread, in nanoseconds.
    pub fn work(&self, elements: usize) -> u64 {
        (elements as u64).saturating_mul(self.cost) / 1000
    }

    /// Computes the elements of `ranges` of every output. Allocates nothing.
    ///
    /// # Safety
    /// `inputs` and `outputs` point to memory of the operands' and outputs' dtypes that is large enough for all ranges; an
    /// output may be the same memory as a `Full` operand with elements of its size, else outputs overlap nothing; no
    /// other thread writes the elements read or touches the elements written.
    pub unsafe fn run(
        &self,
        inputs: Addresses<'_>,
        outputs: &[*mut u8],
        mut ranges: impl Iterator<Item = Range<usize>>,
    ) {
        assert!(inputs.of_all.len() == self.operands.len() && outputs.len() == self.outputs.len());
        let scratch = SCRATCH.with(UnsafeCell::get).cast::<u8>();
        let lanes = scratch.cast::<Lane>();
        // SAFETY: `new` laid the table of lanes and the homes of all values out within the scratch memory: a chunk for
        // each value that is uniform or read where it lies, a tile and a chunk for every other one. Values are numbered
        // by `new`, so the table holds them. The kernels were chosen for the instruction set of this machine and the
        // dtypes of their lanes. Tiles hold whole chunks within a range, or less than one chunk, in which case all
        // lanes lie in scratch memory.
        unsafe {
            for &value in &self.laid_out {
                let home = self.homes[value];
                lanes.add(value).write(Lane { data: scratch.add(home.offset), advance: home.advance });
            }
            for &operand in &self.scalars {
                let home = scratch.add(self.homes[operand].offset);
                splat(inputs.of(operand), 0, home, self.operands[operand].dtype.size(), 1);
            }
            for &operand in &self.scalars_of_chains {
                lanes.add(operand).write(Lane { data: inputs.of(operand), advance: 0 });
            }
            for step in &self.once {
                step.run(lanes, 1);
            }
            // Not moved: a copy would wait for the stores that made it.
            for range in ranges.by_ref() {
                self.run_range(inputs, outputs, range, scratch);
            }
        }
    }

    /// Computes the elements of one range; see [`FusedKernel::run`], which has laid out `scratch`.
    ///
    /// # Safety
    /// As [`FusedKernel::run`].
    #[inline(always)]
    unsafe fn run_range(
        &self,
        inputs: Addresses<'_>,
        outputs: &[*mut u8],
        range: Range<usize>,
        scratch: *mut u8,
    ) {
        let lanes = scratch.cast::<Lane>();
        let mut start = range.start;
        while start < range.end {
            let left = range.end - start;
            let whole = left >= LANES;
            let count = if whole { left.min(self.tile) / LANES * LANES } else { left };
            let first = start == range.start;
            // SAFETY: as in `run`.
            unsafe {
                for &operand in &self.tiled {
                    let home = scratch.add(self.homes[operand].offset);
                    let lane = self.operand_lane(operand, inputs.of(operand), home, start, count, first);
                    lanes.add(operand).write(lane);
                }
                for (output, &memory) in self.outputs.iter().zip(outputs) {
                    let is_direct = whole && output.is_direct(inputs, memory);
                    let home = scratch.add(self.homes[usize::from(output.value)].offset);
                    let data = if is_direct { memory.add(start * output.size) } else { home };
                    (*lanes.add(usize::from(output.value))).data = data;
                }
                for step in &self.steps {
                    step.run(lanes, count.div_ceil(LANES));
                }
                for (output, &memory) in self.outputs.iter().zip(outputs) {
                    if !(whole && output.is_direct(inputs, memory)) {
                        let home = scratch.add(self.homes[usize::from(output.value)].offset);
                        let memory = memory.add(start * output.size);
                        home.copy_to_nonoverlapping(memory, count * output.size);
                    }
                }
            }
            start += count;
        }
    }

    /// Where the elements `start..start + count` of an operand are read: in `memory`, or spread out at `home`.
    ///
    /// # Safety
    /// As in [`FusedKernel::run`].
    #[inline(always)]
    unsafe fn operand_lane(
        &self,
        operand: usize,
        memory: *const u8,
        home: *mut u8,
        start: usize,
        count: usize,
        first: bool,
    ) -> Lane {
        let size = self.operands[operand].dtype.size();
        let whole = count >= LANES;
        let spread = Lane { data: home, advance: size * LANES };
        // SAFETY: the elements that belong to the range are readable, and `home` has room for a tile and a chunk.
        unsafe {
            match self.operands[operand].access {
                Access::Scalar => Lane { data: home, advance: 0 },
                Access::Full if whole => {
                    Lane { data: memory.wrapping_add(start * size), advance: size * LANES }
                }
                // Written as vectors: a load of what several stores wrote waits until they are in the cache.
                Access::Full if count == 1 => {
                    splat(memory, start, home, size, 1);
                    spread
                }
                Access::Full => {
                    home.write_bytes(0, CHUNK_BYTES);
                    home.copy_from_nonoverlapping(memory.wrapping_add(start * size), count * size);
                    spread
                }
                Access::Row { period } => {
                    let phase = start % period;
                    if whole && phase + count <= period {
                        return Lane { data: memory.add(phase * size), advance: size * LANES };
                    }
                    // Where tiles are whole periods, the first tile's pattern serves all.
                    if first || !whole || !self.tile.is_multiple_of(period) {
                        repeat(memory, period * size, phase * size, home, count.max(LANES) * size);
                    }
                    spread
                }
                Access::Column { repeat } => {
                    let (row, used) = (start / repeat, start % repeat);
                    if used + count <= repeat {
                        splat(memory, row, home, size, 1);
                        return Lane { data: home, advance: 0 };
                    }
                    if !whole {
                        home.write_bytes(0, CHUNK_BYTES);
                    }
                    let (mut row, mut done, mut length) = (row, 0, repeat - used);
                    while done < count {
                        length = length.min(count - done);
                        splat(memory, row, home.add(done * size), size, length.div_ceil(LANES));
                        done += length;
                        row += 1;
                        length = repeat;
                    }
                    spread
                }
            }
        }
    }
}

impl CompiledStep {
    /// # Safety
    /// As for a [`Kernel`]; `lanes` holds the lanes of the step's values.
    #[inline(always)]
    unsafe fn run(&self, lanes: *const Lane, chunks: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Single(step) => step.run(lanes, chunks),
                Self::Chain { kernel, links } => kernel(links, lanes, chunks),
            }
        }
    }
}

impl SingleStep {
    /// # Safety
    /// As for a [`Kernel`]; `lanes` holds the lanes of the step's values.
    #[inline(always)]
    unsafe fn run(&self, lanes: *const Lane, chunks: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let inputs = self.inputs.map(|input| &*lanes.add(usize::from(input)));
            (self.kernel)(inputs, (*lanes.add(usize::from(self.output))).data.cast_mut(), chunks);
        }
    }
}

impl Output {
    /// True where a tile may be computed straight into `memory`.
    #[inline(always)]
    fn is_direct(&self, inputs: Addresses<'_>, memory: *mut u8) -> bool {
        self.read_later.iter().all(|&operand| inputs.of(operand) != memory.cast_const())
    }
}

/// Fills `chunks` chunks with element `index` of `from`.
///
/// # Safety
/// The element is readable and the chunks are writable.
#[inline(always)]
unsafe fn splat(from: *const u8, index: usize, to: *mut u8, size: usize, chunks: usize) {
    /// # Safety
    /// As [`splat`].
    #[inline(always)]
    unsafe fn typed<T: Copy>(from: *const u8, index: usize, to: *mut u8, chunks: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let values = [from.cast::<T>().add(index).read_unaligned(); LANES];
            for chunk in 0..chunks {
                to.cast::<[T; LANES]>().add(chunk).write_unaligned(values);
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            8 => typed::<u64>(from, index, to, chunks),
            4 => typed::<u32>(from, index, to, chunks),
            _ => typed::<u8>(from, index, to, chunks),
        }
    }
}

/// Fills `count` bytes with a pattern of `period` bytes, from its byte `phase` on.
///
/// # Safety
/// The pattern is readable and the bytes are writable.
unsafe fn repeat(from: *const u8, period: usize, phase: usize, to: *mut u8, count: usize) {
    // SAFETY: the first two copies read within the pattern, the others whole periods that are written already.
    unsafe {
        let first = count.min(period - phase);
        to.copy_from_nonoverlapping(from.add(phase), first);
        let second = (count - first).min(phase);
        to.add(first).copy_from_nonoverlapping(from, second);
        let mut done = first + second;
        while done < count {
            let length = (count - done).min(done);
            to.add(done).copy_from_nonoverlapping(to, length);
            done += length;
        }
    }
}

fn single_step(draft: &DraftStep) -> SingleStep {
    let input = |index: usize| *draft.inputs.get(index).unwrap_or(&draft.inputs[0]) as u16;
    SingleStep { kernel: draft.kernel, inputs: [input(0), input(1), input(2)], output: draft.output as u16 }
}
