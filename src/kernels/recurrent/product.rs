//! Products with the recurrent kernel, which is packed once a run.

use super::Dropout;
use crate::kernels::Real;
use crate::kernels::gemm::{
    Addend, Matrix, MatrixMut, PackedMatrix, Right, gemm_serial, gemm_serial_before, gemm_workspace, pack_b,
    packed_len,
};
use crate::kernels::prefetch::Prefetch;

use super::scratch;

/// The most gates that a cell has.
const MAX_GATES: usize = 4;

/// The recurrent kernel or its transpose, packed but for a few rows: as one matrix where all gates see the same operand, else
/// one a gate.
#[derive(Clone, Copy)]
pub enum PackedKernel<'a, T> {
    /// (H, gates·H), or transposed (gates·H, H); of a part of the units, its columns
    Joined(Right<'a, T>),
    /// (H, H) for each gate
    Separate([Option<PackedMatrix<'a, T>>; MAX_GATES]),
}

impl<'a, T: Real> PackedKernel<'a, T> {
    pub fn len(units: usize, gates: usize, separate: bool, transposed: bool) -> usize {
        if separate {
            gates * scratch::total::<T>(&[packed_len::<T>(units, units)])
        } else if transposed {
            packed_len::<T>(gates * units, units)
        } else {
            packed_len::<T>(units, gates * units)
        }
    }

    /// kernel (H, gates·H)
    pub fn pack(
        kernel: &[T],
        units: usize,
        gates: usize,
        separate: bool,
        transposed: bool,
        memory: &'a mut [T],
    ) -> Self {
        let oriented = |matrix: Matrix<'_, T>, memory| {
            pack_b(if transposed { matrix.transposed() } else { matrix }, memory)
        };
        if !separate {
            return Self::Joined(oriented(Matrix::row_major(kernel, units, gates * units), memory).into());
        }
        let len = scratch::total::<T>(&[packed_len::<T>(units, units)]);
        let mut packed = [None; MAX_GATES];
        for (gate, memory) in memory.chunks_exact_mut(len).take(gates).enumerate() {
            let columns = Matrix::strided(&kernel[gate * units..], units, units, gates * units);
            packed[gate] = Some(oriented(columns, memory));
        }
        Self::Separate(packed)
    }
}

/// Multiplies (rows, ·) matrices of one shard by the packed recurrent kernel.
pub struct RecurrentProduct<'a, T> {
    pub kernel: PackedKernel<'a, T>,
    /// Row 0 of `keep` is the shard's first row.
    pub dropout: Option<Dropout<'a>>,
    pub rows: usize,
    pub units: usize,
    pub gates: usize,
    /// What the next step reads first, from memory that is far: it is asked for in the time of a product.
    pub prefetch: Option<&'a Prefetch<'a>>,
    /// (rows, H)
    pub operand: &'a mut [T],
    pub workspace: &'a mut [T],
}

impl<'a, T: Real> RecurrentProduct<'a, T> {
    /// Elements of `workspace`.
    pub fn workspace_len(rows: usize, units: usize, gates: usize) -> usize {
        let forward = gemm_workspace::<T>(rows, units, gates * units);
        let backward = gemm_workspace::<T>(rows, gates * units, units);
        forward.max(backward).div_ceil(size_of::<T>())
    }

    /// out (rows, gates·H) = h (rows, H) · kernel, h as each gate sees it under dropout.
    pub fn product(&mut self, h: &[T], out: &mut [T]) {
        self.multiply(h, out, Addend::Nothing);
    }

    /// out (rows, gates·H) += h (rows, H) · kernel, h as each gate sees it under dropout.
    pub fn add_product(&mut self, h: &[T], out: &mut [T]) {
        self.multiply(h, out, Addend::Result);
    }

    fn multiply(&mut self, h: &[T], out: &mut [T], addend: Addend<'_, T>) {
        match self.kernel {
            PackedKernel::Joined(kernel) => {
                let columns = self.gates * self.units;
                let h = Matrix::row_major(h, self.rows, h.len() / self.rows);
                let out = MatrixMut::row_major(out, self.rows, columns);
                gemm_serial(h, kernel, out, addend, scratch::bytes(self.workspace));
            }
            PackedKernel::Separate(_) => {
                for gate in 0..self.gates {
                    self.load_operand(gate, h);
                    self.multiply_operand(gate, out, addend);
                }
            }
        }
    }

    /// out[:, gate] (rows, H) += h (rows, H) · kernel[:, gate], h as the gate sees it under dropout.
    pub fn add_gate(&mut self, gate: usize, h: &[T], out: &mut [T]) {
        self.load_operand(gate, h);
        self.add_operand(gate, out);
    }

    /// operand (rows, H) = h as the gate sees it under dropout.
    pub fn load_operand(&mut self, gate: usize, h: &[T]) {
        self.operand.copy_from_slice(h);
        drop_units(self.operand, self.dropout, gate, self.gates, self.units);
    }

    /// out[:, gate] (rows, H) += operand (rows, H) · kernel[:, gate]
    pub fn add_operand(&mut self, gate: usize, out: &mut [T]) {
        self.multiply_operand(gate, out, Addend::Result);
    }

    fn multiply_operand(&mut self, gate: usize, out: &mut [T], addend: Addend<'_, T>) {
        let kernel = self.gate_kernel(gate);
        let operand = Matrix::row_major(self.operand, self.rows, self.units);
        let columns = self.gates * self.units;
        let out = MatrixMut::strided(&mut out[gate * self.units..], self.rows, self.units, columns);
        gemm_serial(operand, kernel, out, addend, scratch::bytes(self.workspace));
    }

    /// dh (rows, H) += dout (rows, gates·H) · kernelᵀ, through the dropout of each gate; the kernel is packed transposed.
    pub fn add_gradient(&mut self, dout: &[T], dh: &mut [T]) {
        match self.kernel {
            PackedKernel::Joined(kernel) => {
                let dout = Matrix::row_major(dout, self.rows, self.gates * self.units);
                let dh = MatrixMut::row_major(dh, self.rows, self.units);
                gemm_serial_before(
                    dout,
                    kernel,
                    dh,
                    Addend::Result,
                    self.prefetch,
                    scratch::bytes(self.workspace),
                );
            }
            PackedKernel::Separate(_) => {
                for gate in 0..self.gates {
                    super::add_to(dh, self.gate_gradient(gate, dout));
                }
            }
        }
    }

    /// dout[:, gate] · kernel[:, gate]ᵀ (rows, H), through the gate's dropout.
    pub fn gate_gradient(&mut self, gate: usize, dout: &[T]) -> &mut [T] {
        let columns = self.gates * self.units;
        let dout = Matrix::strided(&dout[gate * self.units..], self.rows, self.units, columns);
        let kernel = self.gate_kernel(gate);
        let product = MatrixMut::row_major(self.operand, self.rows, self.units);
        gemm_serial(dout, kernel, product, Addend::Nothing, scratch::bytes(self.workspace));
        drop_units(self.operand, self.dropout, gate, self.gates, self.units);
        self.operand
    }

    fn gate_kernel(&self, gate: usize) -> PackedMatrix<'a, T> {
        match self.kernel {
            PackedKernel::Separate(kernels) => kernels[gate].expect("every gate's kernel was packed"),
            PackedKernel::Joined(_) => unreachable!("gates with operands of their own have separate kernels"),
        }
    }
}

/// h (rows, H) ← h · keep[:, gate] / (1 - rate)
pub fn drop_units<T: Real>(
    h: &mut [T],
    dropout: Option<Dropout<'_>>,
    gate: usize,
    gates: usize,
    units: usize,
) {
    let Some(dropout) = dropout else { return };
    let factor = T::from_f64(1.0 / (1.0 - dropout.rate));
    for (row, h) in h.chunks_exact_mut(units).enumerate() {
        let keep = &dropout.keep[(row * gates + gate) * units..][..units];
        for (h, &keep) in h.iter_mut().zip(keep) {
            *h = if keep == 0 { T::ZERO } else { *h * factor };
        }
    }
}
