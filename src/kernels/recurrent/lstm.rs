//! The long short-term memory cell.
//!
//! i, f, o = σ(x·W + h·U + b), g = φ(x·W + h·U + b), c ← f·c + i·g, h ← o·φ(c), with W, U and b split by gate in the
//! order i, f, g, o.

use super::activation::{Curve, Sigmoid, Smooth, Tanh, apply, has_fma};
use super::lanes::{LANES, for_each_chunk, load, store, sum};
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
        step.recurrent.add_product(step.previous, step.gates);
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
        let ForwardStep { units, gates, bias, saved, h, c, skipped, .. } = step;
        let [bias_i, bias_f, bias_g, bias_o] = split(bias, units);
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
            for_each_chunk!(units, |start, count| {
                let is = apply(recurrent_activation, sum(load(i, start, count), load(bias_i, start, count)));
                let fs = apply(recurrent_activation, sum(load(f, start, count), load(bias_f, start, count)));
                let gs = apply(activation, sum(load(g, start, count), load(bias_g, start, count)));
                let os = apply(recurrent_activation, sum(load(o, start, count), load(bias_o, start, count)));
                let mut cs = load(c, start, count);
                for lane in 0..LANES {
                    cs[lane] = fs[lane] * cs[lane] + is[lane] * gs[lane];
                }
                let mut hs = apply(activation, cs);
                for lane in 0..LANES {
                    hs[lane] *= os[lane];
                }
                store(i, start, count, is);
                store(f, start, count, fs);
                store(g, start, count, gs);
                store(o, start, count, os);
                store(c, start, count, cs);
                store(saved, start, count, cs);
                store(h, start, count, hs);
            });
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
            for_each_chunk!(units, |start, count| {
                let (mut is, mut fs) = (load(i, start, count), load(f, start, count));
                let (mut gs, mut os) = (load(g, start, count), load(o, start, count));
                let (cs, before) = (load(c, start, count), load(c_previous, start, count));
                let ys = apply(activation, cs);
                let (dhs, mut dcs) = (load(dh, start, count), load(dc, start, count));
                for lane in 0..LANES {
                    let (i, f, g, o) = (is[lane], fs[lane], gs[lane], os[lane]);
                    let y = ys[lane];
                    let dc = dcs[lane] + dhs[lane] * o * activation.slope(y);
                    is[lane] = dc * g * recurrent_activation.slope(i);
                    fs[lane] = dc * before[lane] * recurrent_activation.slope(f);
                    gs[lane] = dc * i * activation.slope(g);
                    os[lane] = dhs[lane] * y * recurrent_activation.slope(o);
                    dcs[lane] = dc * f;
                }
                store(di, start, count, is);
                store(df, start, count, fs);
                store(dg, start, count, gs);
                store(d_o, start, count, os);
                store(dc, start, count, dcs);
                store(dh, start, count, [T::ZERO; LANES]);
            });
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
