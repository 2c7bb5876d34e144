//! The gated recurrent unit.
//!
//! z, r = σ(x·W + b + h·U + b′), h ← z·h + (1 - z)·g, with W, U, b and b′ split by gate in the order z, r, g, and
//!
//! - g = φ(x·W + b + r·(h·U + b′)) where the reset gate comes after the product, or
//! - g = φ(x·W + b + (r·h)·U) where it comes before; then there is no b′.

use super::activation::{Curve, Sigmoid, Smooth, Tanh, apply, has_fma};
use super::lanes::{LANES, for_each_chunk, load, store, sum};
use super::{Activation, BackwardStep, Cell, ForwardStep};
use crate::kernels::simd::per_isa;

const GATES: usize = 3;
/// The candidate's place among the gates.
const CANDIDATE: usize = 2;

#[derive(Debug, Clone, Copy)]
pub struct Gru<'a, T> {
    /// φ
    pub activation: Activation,
    /// σ
    pub recurrent_activation: Activation,
    /// b′ (3·H) where the reset gate comes after the product.
    pub reset_after: Option<&'a [T]>,
}

impl<T: Smooth> Cell<T> for Gru<'_, T> {
    fn gates(&self) -> usize {
        GATES
    }

    /// The candidate's inner product, h·U + b′.
    fn saved(&self) -> usize {
        usize::from(self.reset_after.is_some())
    }

    fn has_inner(&self) -> bool {
        self.reset_after.is_some()
    }

    fn has_separate_operands(&self) -> bool {
        self.reset_after.is_none()
    }

    fn forward(&self, step: ForwardStep<'_, T>) {
        match (self.activation, self.recurrent_activation) {
            (Activation::Tanh, Activation::Sigmoid) if has_fma() => {
                self.update(step, Tanh::<true>, Sigmoid::<true>);
            }
            (activation, recurrent_activation) => self.update(step, activation, recurrent_activation),
        }
    }

    fn backward(&self, step: BackwardStep<'_, T>) {
        match (self.activation, self.recurrent_activation) {
            (Activation::Tanh, Activation::Sigmoid) if has_fma() => {
                self.differentiate(step, Tanh::<true>, Sigmoid::<true>);
            }
            (activation, recurrent_activation) => self.differentiate(step, activation, recurrent_activation),
        }
    }
}

impl<T: Smooth> Gru<'_, T> {
    fn update(
        &self,
        step: ForwardStep<'_, T>,
        activation: impl Curve<T>,
        recurrent_activation: impl Curve<T>,
    ) {
        match self.reset_after {
            Some(recurrent_bias) => {
                update_reset_after(step, recurrent_bias, activation, recurrent_activation);
            }
            None => update_reset_before(step, activation, recurrent_activation),
        }
    }

    fn differentiate(
        &self,
        step: BackwardStep<'_, T>,
        activation: impl Curve<T>,
        recurrent_activation: impl Curve<T>,
    ) {
        match self.reset_after {
            Some(_) => differentiate_reset_after(step, activation, recurrent_activation),
            None => differentiate_reset_before(step, activation, recurrent_activation),
        }
    }
}

#[inline(always)]
fn split<T>(row: &[T], units: usize) -> [&[T]; GATES] {
    let (z, rest) = row.split_at(units);
    let (r, g) = rest.split_at(units);
    [z, r, g]
}

#[inline(always)]
fn split_mut<T>(row: &mut [T], units: usize) -> [&mut [T]; GATES] {
    let (z, rest) = row.split_at_mut(units);
    let (r, g) = rest.split_at_mut(units);
    [z, r, g]
}

fn update_reset_after<T: Smooth>(
    mut step: ForwardStep<'_, T>,
    recurrent_bias: &[T],
    activation: impl Curve<T>,
    recurrent_activation: impl Curve<T>,
) {
    step.recurrent.product(step.previous, step.inner);
    combine(step, recurrent_bias, activation, recurrent_activation);
}

per_isa! {
    /// Gates before activation and inner product → activated gates, h.
    fn combine[T: Smooth, A: Curve<T>, R: Curve<T>][T, A, R](
        step: ForwardStep<'_, T>,
        recurrent_bias: &[T],
        activation: A,
        recurrent_activation: R,
    ) {
        let units = step.units;
        let [bias_z, bias_r, bias_g] = split(step.bias, units);
        let [inner_bias_z, inner_bias_r, inner_bias_g] = split(recurrent_bias, units);
        let rows = step
            .gates
            .chunks_exact_mut(GATES * units)
            .zip(step.inner.chunks_exact(GATES * units))
            .zip(step.saved.chunks_exact_mut(units).zip(step.h.chunks_exact_mut(units)));
        for (row, ((gates, inner), (saved, h))) in rows.enumerate() {
            if step.skipped.row(row) {
                continue;
            }
            let [z, r, g] = split_mut(gates, units);
            let [inner_z, inner_r, inner_g] = split(inner, units);
            for_each_chunk!(units, |start, count| {
                let part = |gate: &[T], bias: &[T]| sum(load(gate, start, count), load(bias, start, count));
                let inner_gs = part(inner_g, inner_bias_g);
                let zs = apply(recurrent_activation, sum(part(z, bias_z), part(inner_z, inner_bias_z)));
                let rs = apply(recurrent_activation, sum(part(r, bias_r), part(inner_r, inner_bias_r)));
                let (mut gs, mut hs) = (part(g, bias_g), load(h, start, count));
                for lane in 0..LANES {
                    gs[lane] += rs[lane] * inner_gs[lane];
                }
                let gs = apply(activation, gs);
                for lane in 0..LANES {
                    hs[lane] = zs[lane] * hs[lane] + (T::ONE - zs[lane]) * gs[lane];
                }
                store(z, start, count, zs);
                store(r, start, count, rs);
                store(g, start, count, gs);
                store(saved, start, count, inner_gs);
                store(h, start, count, hs);
            });
        }
    }
}

fn differentiate_reset_after<T: Smooth>(
    mut step: BackwardStep<'_, T>,
    activation: impl Curve<T>,
    recurrent_activation: impl Curve<T>,
) {
    separate(&mut step, activation, recurrent_activation);
    step.recurrent.add_gradient(step.dinner, step.dh);
}

per_isa! {
    /// dh of a step → its dgates and dinner, and dh of the step before but for the recurrent product.
    fn separate[T: Smooth, A: Curve<T>, R: Curve<T>][T, A, R](
        step: &mut BackwardStep<'_, T>,
        activation: A,
        recurrent_activation: R,
    ) {
        let units = step.units;
        let columns = GATES * units;
        let rows = step
            .gates
            .chunks_exact(columns)
            .zip(step.saved.chunks_exact(units).zip(step.h_previous.chunks_exact(units)))
            .zip(step.dgates.chunks_exact_mut(columns).zip(step.dinner.chunks_exact_mut(columns)))
            .zip(step.dh.chunks_exact_mut(units));
        for (row, (((gates, (inner_g, h)), (dgates, dinner)), dh)) in rows.enumerate() {
            if step.skipped.row(row) {
                dgates.fill(T::ZERO);
                dinner.fill(T::ZERO);
                continue;
            }
            let [z, r, g] = split(gates, units);
            let [dz, dr, dg] = split_mut(dgates, units);
            let [dinner_z, dinner_r, dinner_g] = split_mut(dinner, units);
            for_each_chunk!(units, |start, count| {
                let (mut zs, mut rs, mut gs) = (load(z, start, count), load(r, start, count), load(g, start, count));
                let (mut inner_gs, hs, mut dhs) = (load(inner_g, start, count), load(h, start, count), load(dh, start, count));
                for lane in 0..LANES {
                    let (z, r, g, dh) = (zs[lane], rs[lane], gs[lane], dhs[lane]);
                    zs[lane] = dh * (hs[lane] - g) * recurrent_activation.slope(z);
                    gs[lane] = dh * (T::ONE - z) * activation.slope(g);
                    rs[lane] = gs[lane] * inner_gs[lane] * recurrent_activation.slope(r);
                    inner_gs[lane] = gs[lane] * r;
                    dhs[lane] = dh * z;
                }
                store(dz, start, count, zs);
                store(dr, start, count, rs);
                store(dg, start, count, gs);
                store(dinner_z, start, count, zs);
                store(dinner_r, start, count, rs);
                store(dinner_g, start, count, inner_gs);
                store(dh, start, count, dhs);
            });
        }
    }
}

fn update_reset_before<T: Smooth>(
    mut step: ForwardStep<'_, T>,
    activation: impl Curve<T>,
    recurrent_activation: impl Curve<T>,
) {
    let units = step.units;
    for gate in 0..CANDIDATE {
        step.recurrent.add_gate(gate, step.previous, step.gates);
    }
    step.recurrent.load_operand(CANDIDATE, step.previous);
    let [bias_z, bias_r, bias_g] = split(step.bias, units);
    let rows = step.gates.chunks_exact_mut(GATES * units).zip(step.recurrent.operand.chunks_exact_mut(units));
    for (gates, operand) in rows {
        let [z, r, _] = split_mut(gates, units);
        for unit in 0..units {
            z[unit] = recurrent_activation.value(z[unit] + bias_z[unit]);
            r[unit] = recurrent_activation.value(r[unit] + bias_r[unit]);
            operand[unit] *= r[unit];
        }
    }
    step.recurrent.add_operand(CANDIDATE, step.gates);
    let rows = step.gates.chunks_exact_mut(GATES * units).zip(step.h.chunks_exact_mut(units));
    for (row, (gates, h)) in rows.enumerate() {
        if step.skipped.row(row) {
            continue;
        }
        let [z, _, g] = split_mut(gates, units);
        for unit in 0..units {
            g[unit] = activation.value(g[unit] + bias_g[unit]);
            h[unit] = z[unit] * h[unit] + (T::ONE - z[unit]) * g[unit];
        }
    }
}

fn differentiate_reset_before<T: Smooth>(
    mut step: BackwardStep<'_, T>,
    activation: impl Curve<T>,
    recurrent_activation: impl Curve<T>,
) {
    let units = step.units;
    let columns = GATES * units;
    let rows = step
        .gates
        .chunks_exact(columns)
        .zip(step.h_previous.chunks_exact(units))
        .zip(step.dgates.chunks_exact_mut(columns))
        .zip(step.dh.chunks_exact_mut(units));
    for (row, (((gates, h), dgates), dh)) in rows.enumerate() {
        if step.skipped.row(row) {
            dgates.fill(T::ZERO);
            continue;
        }
        let [z, _, g] = split(gates, units);
        let [dz, dr, dg] = split_mut(dgates, units);
        for unit in 0..units {
            dz[unit] = dh[unit] * (h[unit] - g[unit]) * recurrent_activation.slope(z[unit]);
            dg[unit] = dh[unit] * (T::ONE - z[unit]) * activation.slope(g[unit]);
            dr[unit] = T::ZERO;
            dh[unit] *= z[unit];
        }
    }

    // The candidate saw r·h: its gradient reaches r, and h through r.
    let doperand = step.recurrent.gate_gradient(CANDIDATE, step.dgates);
    let candidate = &mut step.operands[CANDIDATE * step.operand_stride..][..step.dh.len()];
    let rows = step
        .gates
        .chunks_exact(columns)
        .zip(doperand.chunks_exact(units).zip(step.h_previous.chunks_exact(units)))
        .zip(candidate.chunks_exact_mut(units))
        .zip(step.dgates.chunks_exact_mut(columns).zip(step.dh.chunks_exact_mut(units)));
    for (((gates, (doperand, h)), operand), (dgates, dh)) in rows {
        let [_, r, _] = split(gates, units);
        let [_, dr, _] = split_mut(dgates, units);
        for unit in 0..units {
            dr[unit] = doperand[unit] * h[unit] * recurrent_activation.slope(r[unit]);
            dh[unit] += doperand[unit] * r[unit];
            operand[unit] *= r[unit];
        }
    }
    for gate in 0..CANDIDATE {
        super::add_to(step.dh, step.recurrent.gate_gradient(gate, step.dgates));
    }
}
