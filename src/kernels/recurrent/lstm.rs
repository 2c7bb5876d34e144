//! The long short-term memory cell.
//!
//! i, f, o = σ(x·W + h·U + b), g = φ(x·W + h·U + b), c ← f·c + i·g, h ← o·φ(c), with W, U and b split by gate in the
//! order i, f, g, o.

use super::activation::{Curve, Sigmoid, Smooth, Tanh, has_fma};
use super::lanes::{LANES, load, store};
use super::{Activation, BackwardStep, Cell, ForwardStep};
use crate::kernels::simd::per_isa;

const GATES: usize = 4;

#[derive(Debug, Clone, Copy)]
pub struct Lstm {
    /// φ
    pub activation: Activation,
    /// σ
    pub recurrent_activation: Activation,
}

impl<T: Smooth> Cell<T> for Lstm {
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
            (Activation::Tanh, Activation::Sigmoid) if has_fma() => {
                update(step, Tanh::<true>, Sigmoid::<true>);
            }
            (activation, recurrent_activation) => update(step, activation, recurrent_activation),
        }
    }

    fn backward(&self, mut step: BackwardStep<'_, T>) {
        match (self.activation, self.recurrent_activation) {
            (Activation::Tanh, Activation::Sigmoid) if has_fma() => {
                differentiate(&mut step, Tanh::<true>, Sigmoid::<true>);
            }
            (activation, recurrent_activation) => differentiate(&mut step, activation, recurrent_activation),
        }
        step.recurrent.add_gradient(step.dgates, step.dh);
    }
}

per_isa! {
    /// Gates before activation → activated gates, c, h.
    fn update[T: Smooth, A: Curve<T>, R: Curve<T>][T, A, R](
        step: ForwardStep<'_, T>,
        activation: A,
        recurrent_activation: R,
    ) {
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
            for start in (0..units).step_by(LANES) {
                let (mut is, mut fs) = (load(i, start), load(f, start));
                let (mut gs, mut os) = (load(g, start), load(o, start));
                let (mut cs, mut hs) = (load(c, start), [T::ZERO; LANES]);
                for lane in 0..LANES {
                    is[lane] = recurrent_activation.value(is[lane]);
                    fs[lane] = recurrent_activation.value(fs[lane]);
                    gs[lane] = activation.value(gs[lane]);
                    os[lane] = recurrent_activation.value(os[lane]);
                    cs[lane] = fs[lane] * cs[lane] + is[lane] * gs[lane];
                    hs[lane] = os[lane] * activation.value(cs[lane]);
                }
                store(i, start, is);
                store(f, start, fs);
                store(g, start, gs);
                store(o, start, os);
                store(c, start, cs);
                store(saved, start, cs);
                store(h, start, hs);
            }
        }
    }
}

per_isa! {
    /// dh, dc of a step → its dgates, dc of the step before, and dh of the step before but for the recurrent product.
    fn differentiate[T: Smooth, A: Curve<T>, R: Curve<T>][T, A, R](
        step: &mut BackwardStep<'_, T>,
        activation: A,
        recurrent_activation: R,
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
            for start in (0..units).step_by(LANES) {
                let (mut is, mut fs) = (load(i, start), load(f, start));
                let (mut gs, mut os) = (load(g, start), load(o, start));
                let (cs, before) = (load(c, start), load(c_previous, start));
                let (dhs, mut dcs) = (load(dh, start), load(dc, start));
                for lane in 0..LANES {
                    let (i, f, g, o) = (is[lane], fs[lane], gs[lane], os[lane]);
                    let y = activation.value(cs[lane]);
                    let dc = dcs[lane] + dhs[lane] * o * activation.slope(y);
                    is[lane] = dc * g * recurrent_activation.slope(i);
                    fs[lane] = dc * before[lane] * recurrent_activation.slope(f);
                    gs[lane] = dc * i * activation.slope(g);
                    os[lane] = dhs[lane] * y * recurrent_activation.slope(o);
                    dcs[lane] = dc * f;
                }
                store(di, start, is);
                store(df, start, fs);
                store(dg, start, gs);
                store(d_o, start, os);
                store(dc, start, dcs);
                store(dh, start, [T::ZERO; LANES]);
            }
        }
    }
}

/// The gates of one row.
#[inline(always)]
fn split<T>(row: &[T], units: usize) -> [&[T]; GATES] {
    let (i, rest) = row.split_at(units);
    let (f, rest) = rest.split_at(units);
    let (g, o) = rest.split_at(units);
    [i, f, g, o]
}

#[inline(always)]
fn split_mut<T>(row: &mut [T], units: usize) -> [&mut [T]; GATES] {
    let (i, rest) = row.split_at_mut(units);
    let (f, rest) = rest.split_at_mut(units);
    let (g, o) = rest.split_at_mut(units);
    [i, f, g, o]
}
