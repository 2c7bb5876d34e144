//! The fully connected recurrent cell: h ← φ(x·W + h·U + b).

use super::activation::{Curve, Tanh};
use super::{Activation, BackwardStep, Cell, ForwardStep};
use crate::kernels::Real;

#[derive(Debug, Clone, Copy)]
pub struct SimpleRnn {
    /// φ
    pub activation: Activation,
}

impl<T: Real> Cell<T> for SimpleRnn {
    fn gates(&self) -> usize {
        1
    }

    fn saved(&self) -> usize {
        0
    }

    fn forward(&self, mut step: ForwardStep<'_, T>) {
        step.recurrent.add_product(step.h, step.gates);
        match self.activation {
            Activation::Tanh => update(step, Tanh),
            activation => update(step, activation),
        }
    }

    fn backward(&self, step: BackwardStep<'_, T>) {
        match self.activation {
            Activation::Tanh => differentiate(step, Tanh),
            activation => differentiate(step, activation),
        }
    }
}

fn update<T: Real>(step: ForwardStep<'_, T>, activation: impl Curve<T>) {
    let ForwardStep { units, gates, h, skipped, .. } = step;
    for (row, (gate, h)) in gates.chunks_exact_mut(units).zip(h.chunks_exact_mut(units)).enumerate() {
        if skipped.row(row) {
            continue;
        }
        for (gate, h) in gate.iter_mut().zip(h) {
            *gate = activation.value(*gate);
            *h = *gate;
        }
    }
}

fn differentiate<T: Real>(mut step: BackwardStep<'_, T>, activation: impl Curve<T>) {
    let units = step.units;
    let rows = step
        .gates
        .chunks_exact(units)
        .zip(step.dgates.chunks_exact_mut(units))
        .zip(step.dh.chunks_exact_mut(units));
    for (row, ((gate, dgate), dh)) in rows.enumerate() {
        if step.skipped.row(row) {
            dgate.fill(T::ZERO);
            continue;
        }
        for ((&gate, dgate), dh) in gate.iter().zip(dgate).zip(dh) {
            *dgate = *dh * activation.slope(gate);
            *dh = T::ZERO;
        }
    }
    step.recurrent.add_gradient(step.dgates, step.dh);
}
