//! The gated recurrent unit.
//!
//! z, r = σ(x·W + b + h·U + b′), h ← z·h + (1 - z)·g, with W, U, b and b′ split by gate in the order z, r, g, and
//!
//! - g = φ(x·W + b + r·(h·U + b′)) where the reset gate comes after the product, or
//! - g = φ(x·W + b + (r·h)·U) where it comes before; then there is no b′.

use super::activation::{Curve, Sigmoid, Smooth, Tanh, has_fma};
use super::lanes::{LANES, load, store};
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
    step.inner.chunks_exact_mut(recurrent_bias.len()).for_each(|row| row.copy_from_slice(recurrent_bias));
    step.recurrent.add_product(step.h, step.inner);
    combine(step, activation, recurrent_activation);
}

per_isa! {
    /// Gates before activation and inner product → activated gates, h.
    fn combine[T: Smooth, A: Curve<T>, R: Curve<T>][T, A, R](
        step: ForwardStep<'_, T>,
        activation: A,
        recurrent_activation: R,
    ) {
        let units = step.units;
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
            for start in (0..units).step_by(LANES) {
                let (mut zs, mut rs, mut gs) = (load(z, start), load(r, start), load(g, start));
                let (inner_zs, inner_rs) = (load(inner_z, start), load(inner_r, start));
                let (inner_gs, mut hs) = (load(inner_g, start), load(h, start));
                for lane in 0..LANES {
                    zs[lane] = recurrent_activation.value(zs[lane] + inner_zs[lane]);
                    rs[lane] = recurrent_activation.value(rs[lane] + inner_rs[lane]);
                    gs[lane] = activation.value(gs[lane] + rs[lane] * inner_gs[lane]);
                    hs[lane] = zs[lane] * hs[lane] + (T::ONE - zs[lane]) * gs[lane];
                }
                store(z, start, zs);
                store(r, start, rs);
                store(g, start, gs);
                store(saved, start, inner_gs);
                store(h, start, hs);
            }
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
            for start in (0..units).step_by(LANES) {
                let (mut zs, mut rs, mut gs) = (load(z, start), load(r, start), load(g, start));
                let (mut inner_gs, hs, mut dhs) = (load(inner_g, start), load(h, start), load(dh, start));
                for lane in 0..LANES {
                    let (z, r, g, dh) = (zs[lane], rs[lane], gs[lane], dhs[lane]);
                    zs[lane] = dh * (hs[lane] - g) * recurrent_activation.slope(z);
                    gs[lane] = dh * (T::ONE - z) * activation.slope(g);
                    rs[lane] = gs[lane] * inner_gs[lane] * recurrent_activation.slope(r);
                    inner_gs[lane] = gs[lane] * r;
                    dhs[lane] = dh * z;
                }
                store(dz, start, zs);
                store(dr, start, rs);
                store(dg, start, gs);
                store(dinner_z, start, zs);
                store(dinner_r, start, rs);
                store(dinner_g, start, inner_gs);
                store(dh, start, dhs);
            }
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
        step.recurrent.add_gate(gate, step.h, step.gates);
    }
    step.recurrent.load_operand(CANDIDATE, step.h);
    let rows = step.gates.chunks_exact_mut(GATES * units).zip(step.recurrent.operand.chunks_exact_mut(units));
    for (gates, operand) in rows {
        let [z, r, _] = split_mut(gates, units);
        for unit in 0..units {
            z[unit] = recurrent_activation.value(z[unit]);
            r[unit] = recurrent_activation.value(r[unit]);
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
            g[unit] = activation.value(g[unit]);
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
