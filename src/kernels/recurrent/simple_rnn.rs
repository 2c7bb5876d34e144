//! The fully connected recurrent cell: h ← φ(x·W + h·U + b).

use super::activation::{Curve, Smooth, Tanh, has_fma};
use super::lanes::{LANES, for_each_chunk, load, store};
use super::{Activation, BackwardStep, Cell, ForwardStep};
use crate::kernels::simd::per_isa;

#[derive(Debug, Clone, Copy)]
pub struct SimpleRnn {
    /// φ
    pub activation: Activation,
}

impl<T: Smooth> Cell<T> for SimpleRnn {
    fn gates(&self) -> usize {
        1
    }

    fn saved(&self) -> usize {
        0
    }

    fn forward(&self, mut step: ForwardStep<'_, T>) {
        step.recurrent.add_product(step.previous, step.gates);
        match self.activation {
            Activation::Tanh if has_fma() => update(step, Tanh::<true>),
            activation => update(step, activation),
        }
    }

    fn backward(&self, mut step: BackwardStep<'_, T>) {
        match self.activation {
            Activation::Tanh if has_fma() => differentiate(&mut step, Tanh::<true>),
            activation => differentiate(&mut step, activation),
        }
        step.recurrent.add_gradient(step.dgates, step.dh);
    }
}

per_isa! {
    /// The gate before activation → activated gate, h.
    fn update[T: Smooth, A: Curve<T>][T, A](step: ForwardStep<'_, T>, activation: A) {
        let ForwardStep { units, gates, bias, h, skipped, .. } = step;
        for (row, (gate, h)) in gates.chunks_exact_mut(units).zip(h.chunks_exact_mut(units)).enumerate() {
            if skipped.row(row) {
                continue;
            }
            for_each_chunk!(units, |start, count| {
                let mut lanes = load(gate, start, count);
                for (lane, bias) in lanes.iter_mut().zip(load(bias, start, count)) {
                    *lane = activation.value(*lane + bias);
                }
                store(gate, start, count, lanes);
                store(h, start, count, lanes);
            });
        }
    }
}

per_isa! {
    /// dh of a step → its dgates, and dh of the step before but for the recurrent product.
    fn differentiate[T: Smooth, A: Curve<T>][T, A](step: &mut BackwardStep<'_, T>, activation: A) {
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
    }
}
