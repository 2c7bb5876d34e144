//! The backward time loop, for any cell.

use std::ops::Range;

use super::forward::shard_dropout;
use super::lanes::{LANES, for_each_chunk, load, store};
use super::operands::{Projection, nanoseconds};
use super::product::{PackedKernel, RecurrentProduct, drop_units};
use super::scratch::{self, carve};
use super::{
    BackwardStep, Cell, Division, Options, Sizes, add_to, gather_timesteps, rows, scatter_timesteps,
};
use crate::kernels::Real;
use crate::kernels::gemm::{
    Addend, Matrix, MatrixMut, PackedMatrix, gemm_serial, gemm_workspace, pack_b, packed_len,
};
use crate::kernels::parallel::elements_of;
use crate::kernels::prefetch::{LINE, Prefetch};
use crate::kernels::simd::per_isa;
use crate::threads::{DisjointMut, for_each_part};

/// What the layer read and wrote in the forward pass, and the gradients of what it wrote.
#[derive(Clone, Copy)]
pub struct Backward<'a, T> {
    pub sizes: Sizes,
    pub options: Options<'a>,
    /// As the layer read it; the elements of a table are not read again.
    pub projection: Projection<'a, T>,
    /// (H, gates·H)
    pub recurrent_kernel: &'a [T],
    /// (B, H)
    pub h0: &'a [T],
    /// (B, H), or empty where the cell has no carry.
    pub c0: &'a [T],
    /// (B, T, H)
    pub sequence: &'a [T],
    /// (B·T, gates·H)
    pub gates: &'a [T],
    /// (B·T, saved·H); an LSTM saves its carry here.
    pub saved: &'a [T],
    /// (B, T, H)
    pub dsequence: Option<&'a [T]>,
    /// (B, H)
    pub dlast_h: Option<&'a [T]>,
    /// (B, H)
    pub dlast_c: Option<&'a [T]>,
}

/// Gradients of what the layer read.
pub struct Gradients<'a, T> {
    pub projection: ProjectionGradient<'a, T>,
    /// (H, gates·H)
    pub drecurrent_kernel: &'a mut [T],
    /// (gates·H), or (2, gates·H) where the inner product has a bias too.
    pub dbias: &'a mut [T],
    /// (B, H)
    pub dh0: &'a mut [T],
    /// (B, H), or empty.
    pub dc0: &'a mut [T],
}

/// The gradient of [`Projection`], of the same kind.
pub enum ProjectionGradient<'a, T> {
    /// dkernel (I, gates·H), dx (B, T, I)
    Product { dkernel: &'a mut [T], dx: Option<&'a mut [T]> },
    /// dtable (V, gates·H)
    Rows { dtable: &'a mut [T] },
}

/// What the gradient of x·kernel is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Kernel,
    KernelAndInputs,
    /// A table of V rows.
    Table(usize),
}

/// Something of each piece of a shard's memory: its length, where it begins, or the piece itself.
#[derive(Clone, Copy)]
struct Pieces<P> {
    block_x: P,
    dgates: P,
    dinner: P,
    h_previous: P,
    operands: P,
    operand: P,
    dkernel: P,
    drecurrent_kernel: P,
    dbias: P,
    products: P,
}

impl<P> Pieces<P> {
    /// Calls `of` for each piece, in the order in which they lie in memory.
    fn map<Q>(self, mut of: impl FnMut(P) -> Q) -> Pieces<Q> {
        Pieces {
            block_x: of(self.block_x),
            dgates: of(self.dgates),
            dinner: of(self.dinner),
            h_previous: of(self.h_previous),
            operands: of(self.operands),
            operand: of(self.operand),
            dkernel: of(self.dkernel),
            drecurrent_kernel: of(self.drecurrent_kernel),
            dbias: of(self.dbias),
            products: of(self.products),
        }
    }
}

impl Pieces<usize> {
    fn new<T: Real>(cell: &dyn Cell<T>, division: &Division, separate: bool, wanted: Wanted) -> Self {
        let Sizes { inputs, units, .. } = division.sizes;
        let rows = division.shard_rows;
        let block_rows = division.block_steps * rows;
        let columns = cell.gates() * units;
        let products = [
            gemm_workspace::<T>(block_rows, columns, inputs),
            gemm_workspace::<T>(inputs, block_rows, columns),
            gemm_workspace::<T>(units, block_rows, columns),
            gemm_workspace::<T>(units, block_rows, units),
        ];
        let products = products.into_iter().max().unwrap_or(0).div_ceil(size_of::<T>());
        Self {
            block_x: block_rows * inputs,
            dgates: if let Wanted::Table(_) = wanted { 0 } else { block_rows * columns },
            dinner: if cell.has_inner() { block_rows * columns } else { 0 },
            h_previous: block_rows * units,
            operands: if separate { block_rows * columns } else { 0 },
            operand: rows * units,
            dkernel: inputs * columns,
            drecurrent_kernel: units * columns,
            dbias: 2 * columns,
            products: products.max(RecurrentProduct::<T>::workspace_len(rows, units, cell.gates())),
        }
    }

    /// Elements of all pieces together.
    fn total<T: Real>(self) -> usize {
        let mut total = 0;
        self.map(|len| total += scratch::total::<T>(&[len]));
        total
    }

    /// Where each piece begins.
    fn offsets<T: Real>(self) -> Self {
        let mut end = 0;
        self.map(|len| {
            let start = end;
            end += scratch::total::<T>(&[len]);
            start
        })
    }

    /// The pieces of `memory`, which has at least [`Pieces::total`] elements.
    fn carve<T: Real>(self, memory: &mut [T]) -> Pieces<&mut [T]> {
        let mut rest = memory;
        self.map(|len| {
            let ([piece], others) = carve(std::mem::take(&mut rest), [len]);
            rest = others;
            piece
        })
    }
}

/// Lengths of what the shards share: the packed kernel, the packed recurrent kernel; for a table the gradients of all
/// gates, and the lists that they are summed by.
fn shared_lens<T: Real>(
    cell: &dyn Cell<T>,
    division: &Division,
    separate: bool,
    wanted: Wanted,
) -> [usize; 4] {
    let Sizes { batch, steps, inputs, units } = division.sizes;
    let columns = cell.gates() * units;
    let (dgates, lists) = match wanted {
        Wanted::Table(table) => (batch * steps * columns, rows::workspace_len::<T>(division, table)),
        _ => (0, 0),
    };
    [
        if wanted == Wanted::KernelAndInputs { packed_len::<T>(columns, inputs) } else { 0 },
        PackedKernel::<T>::len(units, cell.gates(), separate, true),
        dgates,
        lists,
    ]
}

/// Bytes of workspace that [`backward`] needs.
pub fn backward_workspace<T: Real>(cell: &dyn Cell<T>, sizes: Sizes, dropout: bool, wanted: Wanted) -> usize {
    let division = Division::new(sizes, cell.gates(), false);
    let separate = dropout || cell.has_separate_operands();
    let shared = shared_lens(cell, &division, separate, wanted);
    let shard = Pieces::new(cell, &division, separate, wanted).total::<T>();
    (scratch::total::<T>(&shared) + division.shards * shard) * size_of::<T>()
}

/// The gradients of [`forward`](super::forward). `workspace` has at least [`backward_workspace`] bytes.
pub fn backward<T: Real>(
    cell: &dyn Cell<T>,
    layer: Backward<'_, T>,
    gradients: Gradients<'_, T>,
    workspace: &mut [u8],
) {
    let Backward { sizes, options, .. } = layer;
    let Sizes { batch, steps, inputs, units } = sizes;
    let gates = cell.gates();
    let columns = gates * units;
    let (wanted, dkernel, dx, dtable) = match gradients.projection {
        ProjectionGradient::Product { dkernel, dx: Some(dx) } => {
            (Wanted::KernelAndInputs, dkernel, Some(DisjointMut::new(dx)), None)
        }
        ProjectionGradient::Product { dkernel, dx: None } => (Wanted::Kernel, dkernel, None, None),
        ProjectionGradient::Rows { dtable } => {
            (Wanted::Table(dtable.len() / columns), Default::default(), None, Some(dtable))
        }
    };
    let separate = options.recurrent_dropout.is_some() || cell.has_separate_operands();
    let division = Division::new(sizes, gates, options.go_backwards);

    let memory = elements_of::<T>(workspace);
    let ([packed_kernel, packed_recurrent, all_dgates, lists], memory) =
        carve(memory, shared_lens(cell, &division, separate, wanted));
    let kernel = match layer.projection {
        Projection::Product { kernel, .. } if wanted == Wanted::KernelAndInputs => {
            Some(pack_b(Matrix::row_major(kernel, inputs, columns).transposed(), packed_kernel))
        }
        _ => None,
    };
    let recurrent_kernel =
        PackedKernel::pack(layer.recurrent_kernel, units, gates, separate, true, packed_recurrent);

    let lens = Pieces::new(cell, &division, separate, wanted);
    let shard_len = lens.total::<T>();
    let shared = DisjointMut::new(memory);
    let (dh0, dc0) = (DisjointMut::new(gradients.dh0), DisjointMut::new(gradients.dc0));
    let all_dgates = DisjointMut::new(all_dgates);

    let products = if kernel.is_some() { 2 } else { 1 };
    let flops = 2 * batch * steps * columns * (products * inputs + 2 * units + 16);
    for_each_part(division.shards, nanoseconds(flops), &|part| {
        // From the last shard to the first: what the forward pass wrote last may still be in a cache.
        let shard = division.shards - 1 - part;
        let rows = division.rows(shard);
        let states = rows.start * units..rows.end * units;
        let of_inputs = rows.start * steps * inputs..rows.end * steps * inputs;
        // SAFETY: each shard has a range of its own in all of these.
        let (memory, dh, dc, dx, kept) = unsafe {
            (
                shared.slice(shard * shard_len..(shard + 1) * shard_len),
                dh0.slice(states.clone()),
                dc0.slice(if layer.c0.is_empty() { 0..0 } else { states.clone() }),
                dx.as_ref().map(|dx| dx.slice(of_inputs)),
                match wanted {
                    Wanted::Table(_) => {
                        Some(all_dgates.slice(rows.start * steps * columns..rows.end * steps * columns))
                    }
                    _ => None,
                },
            )
        };
        let start_from = |target: &mut [T], source: Option<&[T]>| match source {
            Some(source) => target.copy_from_slice(&source[states.start..][..target.len()]),
            None => target.fill(T::ZERO),
        };
        start_from(dh, layer.dlast_h);
        start_from(dc, layer.dlast_c);
        Shard { cell, layer: &layer, division: &division, lens, rows, separate, recurrent_kernel, kernel }
            .run(memory, dh, dc, dx, kept);
    });

    let offsets = lens.offsets::<T>();
    let targets = [
        (dkernel, offsets.dkernel),
        (gradients.drecurrent_kernel, offsets.drecurrent_kernel),
        (gradients.dbias, offsets.dbias),
    ];
    for (target, offset) in targets {
        let partials = (0..division.shards).map(|shard| {
            // SAFETY: the parts have ended; nobody else reaches the memory.
            let memory = unsafe { shared.slice(shard * shard_len..(shard + 1) * shard_len) };
            &memory[offset..]
        });
        sum_partials(target, partials);
    }
    if let (Projection::Rows { ids, .. }, Some(dtable)) = (layer.projection, dtable) {
        // SAFETY: the parts have ended.
        let dgates = unsafe { all_dgates.slice(0..batch * steps * columns) };
        rows::sum_rows(&division, &options, ids, dgates, columns, dtable, lists);
    }
}

/// target = Σ of the shards' gradients, in order.
fn sum_partials<'a, T: Real>(target: &mut [T], partials: impl Iterator<Item = &'a [T]>) {
    target.fill(T::ZERO);
    partials.for_each(|partial| add_to(target, partial));
}

/// One shard of the backward pass.
struct Shard<'a, T> {
    cell: &'a dyn Cell<T>,
    layer: &'a Backward<'a, T>,
    division: &'a Division,
    lens: Pieces<usize>,
    rows: Range<usize>,
    separate: bool,
    recurrent_kernel: PackedKernel<'a, T>,
    /// (gates·H, I), where the gradient of x is wanted.
    kernel: Option<PackedMatrix<'a, T>>,
}

impl<T: Real> Shard<'_, T> {
    /// Turns `dh` and `dc` (rows, H) from gradients of the last states into those of the first, writes the shard's part
    /// of the weights' gradients and, where they are wanted, `dx` and the gradients of its gates.
    fn run(
        &self,
        memory: &mut [T],
        dh: &mut [T],
        dc: &mut [T],
        mut dx: Option<&mut [T]>,
        mut kept: Option<&mut [T]>,
    ) {
        let Sizes { steps, inputs, units, .. } = self.layer.sizes;
        let count = self.rows.len();
        let gates = self.cell.gates();
        let columns = gates * units;
        let Pieces {
            block_x: x,
            dgates: block_dgates,
            dinner,
            h_previous,
            operands,
            operand,
            dkernel,
            drecurrent_kernel,
            dbias,
            products,
        } = self.lens.carve(memory);
        dkernel.fill(T::ZERO);
        drecurrent_kernel.fill(T::ZERO);
        dbias.fill(T::ZERO);
        for block in self.division.blocks().rev() {
            let block_rows = block.len() * count;
            let operand_stride = block_rows * units;
            let dgates = match &mut kept {
                Some(kept) => &mut kept[block.start * count * columns..][..block_rows * columns],
                None => &mut block_dgates[..block_rows * columns],
            };
            self.load_previous(&block, h_previous);
            for (index, step) in block.clone().enumerate().rev() {
                let at = index * count;
                let h_previous = &h_previous[at * units..][..count * units];
                if self.separate {
                    for gate in 0..gates {
                        let operand = &mut operands[gate * operand_stride + at * units..][..count * units];
                        operand.copy_from_slice(h_previous);
                        drop_units(operand, self.dropout(), gate, gates, units);
                    }
                }
                if let Some(dsequence) = self.layer.dsequence {
                    for (row, dh) in dh.chunks_exact_mut(units).enumerate() {
                        add_to(dh, &dsequence[((self.rows.start + row) * steps + step) * units..][..units]);
                    }
                }
                // A line for each k of a product with `columns` of them.
                let prefetch = step.checked_sub(1).map(|before| {
                    Prefetch::whole(self.of_step(self.layer.gates, columns, before), columns * LINE)
                });
                self.cell.backward(BackwardStep {
                    units,
                    gates: self.of_step(self.layer.gates, columns, step),
                    saved: self.of_step(self.layer.saved, self.cell.saved() * units, step),
                    h_previous,
                    c_previous: self.previous_carry(step),
                    operands: if self.separate { &mut operands[at * units..] } else { &mut [] },
                    operand_stride,
                    dgates: &mut dgates[at * columns..][..count * columns],
                    dinner: if dinner.is_empty() {
                        &mut []
                    } else {
                        &mut dinner[at * columns..][..count * columns]
                    },
                    dh,
                    dc,
                    skipped: self.division.skipped(&self.layer.options, &self.rows, step),
                    recurrent: RecurrentProduct {
                        kernel: self.recurrent_kernel,
                        dropout: self.dropout(),
                        rows: count,
                        units,
                        gates,
                        prefetch: prefetch.as_ref(),
                        operand: &mut operand[..count * units],
                        workspace: products,
                    },
                });
            }

            let dgates = &*dgates;
            let (dbias, dinner_bias) = dbias.split_at_mut(columns);
            add_rows(dbias, dgates);
            let dinner = if dinner.is_empty() {
                dgates
            } else {
                let dinner = &dinner[..block_rows * columns];
                add_rows(dinner_bias, dinner);
                dinner
            };

            // drecurrent_kernel (H, gates·H) += h_{t-1}ᵀ·dinner, with each gate's own h_{t-1} where they differ
            let (operands, width) = if self.separate { (&*operands, units) } else { (&*h_previous, columns) };
            for (gate, operand) in operands.chunks_exact(operand_stride).take(columns / width).enumerate() {
                gemm_serial(
                    Matrix::row_major(operand, block_rows, units).transposed(),
                    Matrix::strided(&dinner[gate * width..], block_rows, width, columns),
                    MatrixMut::strided(&mut drecurrent_kernel[gate * width..], units, width, columns),
                    Addend::Result,
                    scratch::bytes(products),
                );
            }

            let Projection::Product { x: sequences, .. } = self.layer.projection else { continue };

            // dkernel (I, gates·H) += xᵀ·dgates
            let x = &mut x[..block_rows * inputs];
            let of_shard = self.rows.start * steps * inputs..self.rows.end * steps * inputs;
            let timesteps = self.division.timesteps(&block);
            let go_backwards = self.layer.options.go_backwards;
            gather_timesteps(&sequences[of_shard], steps, timesteps.clone(), inputs, go_backwards, x);
            let dgates = Matrix::row_major(dgates, block_rows, columns);
            gemm_serial(
                Matrix::row_major(x, block_rows, inputs).transposed(),
                dgates,
                MatrixMut::row_major(dkernel, inputs, columns),
                Addend::Result,
                scratch::bytes(products),
            );

            if let (Some(dx), Some(kernel)) = (dx.as_deref_mut(), self.kernel) {
                // dx of the block (steps, rows, I) = dgates·kernelᵀ, in the memory of x
                let block_dx = MatrixMut::row_major(x, block_rows, inputs);
                gemm_serial(dgates, kernel, block_dx, Addend::Nothing, scratch::bytes(products));
                scatter_timesteps(x, steps, timesteps, inputs, go_backwards, dx);
            }
        }
    }

    fn dropout(&self) -> Option<super::Dropout<'_>> {
        shard_dropout(
            self.layer.options.recurrent_dropout,
            &self.rows,
            self.cell.gates() * self.layer.sizes.units,
        )
    }

    /// What the forward pass kept of one step: (rows, width).
    fn of_step<'a>(&self, kept: &'a [T], width: usize, step: usize) -> &'a [T] {
        let count = self.rows.len();
        &kept[(self.rows.start * self.layer.sizes.steps + step * count) * width..][..count * width]
    }

    /// h before each step of a block (steps, rows, H).
    fn load_previous(&self, block: &Range<usize>, h_previous: &mut [T]) {
        let Sizes { steps, units, .. } = self.layer.sizes;
        let Range { start, end } = self.rows;
        let initial = if block.start == 0 { (end - start) * units } else { 0 };
        h_previous[..initial].copy_from_slice(&self.layer.h0[start * units..][..initial]);
        let sequence = &self.layer.sequence[start * steps * units..end * steps * units];
        let before = block.start.saturating_sub(1)..block.end - 1;
        gather_timesteps(sequence, steps, before, units, false, &mut h_previous[initial..]);
    }

    /// c before a step (rows, H).
    fn previous_carry(&self, step: usize) -> &[T] {
        let units = self.layer.sizes.units;
        if self.layer.c0.is_empty() {
            &[]
        } else if step == 0 {
            &self.layer.c0[self.rows.start * units..self.rows.end * units]
        } else {
            self.of_step(self.layer.saved, units, step - 1)
        }
    }
}

per_isa! {
    /// sums (N) += Σ over the rows of matrix (M, N)
    fn add_rows[T: Real][T](sums: &mut [T], matrix: &[T]) {
        let width = sums.len();
        for_each_chunk!(width, |start, count| {
            let mut lanes = load(sums, start, count);
            for row in matrix.chunks_exact(width) {
                for (sum, element) in lanes.iter_mut().zip(load(row, start, count)) {
                    *sum += element;
                }
            }
            store(sums, start, count, lanes);
        });
    }
}
