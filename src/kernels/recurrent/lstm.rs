//! The long short-term memory cell.
//!
//! i, f, o = σ(x·W + h·U + b), g = φ(x·W + h·U + b), c ← f·c + i·g, h ← o·φ(c), with W, U and b split by gate in the
//! order i, f, g, o.

use super::activation::{Curve, Sigmoid, Tanh};
use super::{Activation, BackwardStep, Cell, ForwardStep};
use crate::kernels::Real;

const GATES: usize = 4;

#[derive(Debug, Clone, Copy)]
pub struct Lstm {
    /// φ
    pub activation: Activation,
    /// σ
    pub recurrent_activation: Activation,
}

impl<T: Real> Cell<T> for Lstm {
    fn gates(&self) -> usize {
        GATES
    }

    /// c
    fn saved(&self) -> usize {
        1
    }

    fn forward(&self, mut step: ForwardStep<'_, T>) {
        step.recurrent.add_product(step.h, step.gates);
        match (self.activation, self.recurrent_activation) {
            (Activation::Tanh, Activation::Sigmoid) => update(step, Tanh, Sigmoid),
            (activation, recurrent_activation) => update(step, activation, recurrent_activation),
        }
    }

    fn backward(&self, step: BackwardStep<'_, T>) {
        match (self.activation, self.recurrent_activation) {
            (Activation::Tanh, Activation::Sigmoid) => differentiate(step, Tanh, Sigmoid),
            (activation, recurrent_activation) => differentiate(step, activation, recurrent_activation),
        }
    }
}

/// The gates of one row.
fn split<T>(row: &[T], units: usize) -> [&[T]; GATES] {
    let (i, rest) = row.split_at(units);
    let (f, rest) = rest.split_at(units);
    let (g, o) = rest.split_at(units);
    [i, f, g, o]
}

fn split_mut<T>(row: &mut [T], units: usize) -> [&mut [T]; GATES] {
    let (i, rest) = row.split_at_mut(units);
    let (f, rest) = rest.split_at_mut(units);
    let (g, o) = rest.split_at_mut(units);
    [i, f, g, o]
}

/// Gates before activation → activated gates, c, h.
fn update<T: Real>(step: ForwardStep<'_, T>, activation: impl Curve<T>, recurrent_activation: impl Curve<T>) {
    let ForwardStep { units, gates, saved, h, c, skipped, .. } = step;
    let rows = gates
        .chunks_exact_mut(GATES * units)
        .zip(saved.chunks_exact_mut(units))
        .zip(h.chunks_exact_mut(units).zip(c.chunks_exact_mut(units)));
    for (row, ((gates, saved), (h, c))) in rows.enumerate() {
        if skipped.row(row) {
            saved.copy_from_slice(c);
            continue;
        }
        let [i, f, g, o] = split_mut(gates, units);
        for unit in 0..units {
            i[unit] = recurrent_activation.value(i[unit]);
            f[unit] = recurrent_activation.value(f[unit]);
            g[unit] = activation.value(g[unit]);
            o[unit] = recurrent_activation.value(o[unit]);
            c[unit] = f[unit] * c[unit] + i[unit] * g[unit];
            saved[unit] = c[unit];
            h[unit] = o[unit] * activation.value(c[unit]);
        }
    }
}

/// dh, dc of a step → its dgates, and dh, dc of the step before.
fn differentiate<T: Real>(
    mut step: BackwardStep<'_, T>,
    activation: impl Curve<T>,
    recurrent_activation: impl Curve<T>,
) {
    let units = step.units;
    let rows = step
        .gates
        .chunks_exact(GATES * units)
        .zip(step.saved.chunks_exact(units).zip(step.c_previous.chunks_exact(units)))
        .zip(step.dgates.chunks_exact_mut(GATES * units))
        .zip(step.dh.chunks_exact_mut(units).zip(step.dc.chunks_exact_mut(units)));
    for (row, (((gates, (c, c_previous)), dgates), (dh, dc))) in rows.enumerate() {
        if step.skipped.row(row) {
            dgates.fill(T::ZERO);
            continue;
        }
        let [i, f, g, o] = split(gates, units);
        let [di, df, dg, d_o] = split_mut(dgates, units);
        for unit in 0..units {
            let y = activation.value(c[unit]);
            let dc_now = dc[unit] + dh[unit] * o[unit] * activation.slope(y);
            di[unit] = dc_now * g[unit] * recurrent_activation.slope(i[unit]);
            df[unit] = dc_now * c_previous[unit] * recurrent_activation.slope(f[unit]);
            dg[unit] = dc_now * i[unit] * activation.slope(g[unit]);
            d_o[unit] = dh[unit] * y * recurrent_activation.slope(o[unit]);
            dc[unit] = dc_now * f[unit];
            dh[unit] = T::ZERO;
        }
    }
    step.recurrent.add_gradient(step.dgates, step.dh);
}
