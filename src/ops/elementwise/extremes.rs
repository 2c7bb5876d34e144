//! The choice of one of two numbers by their order.

use super::binary::binary;
use super::{equal, multiply, scalar_like, select};
use crate::error::Result;
use crate::graph::{Graph, Properties, Value};
use crate::kernels::elementwise::Arithmetic;

const EXTREME: Properties =
    Properties { monotone: [true, true], keeps_zero: true, commutative: true, ..Properties::NONE };

binary! {
    /// The greater one; NaN where either is NaN
    maximum Maximum "maximum" {
        [f32 f64] |a, b| {
            let greater = if a > b { a } else { b };
            if a.is_nan() { a } else { greater }
        };
        [i32] |a, b| a.max(b);
        exact: |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) },
        da: |graph, a, b, y, dy| chosen(graph, a, a, b, y, dy).map(Some),
        db: |graph, a, b, y, dy| chosen(graph, b, a, b, y, dy).map(Some),
        kinks: &[([0.0, 0.0], [0.5, 0.5]), ([f64::NAN, 0.0], [0.0, 0.0])],
        properties: EXTREME,
    }

    /// The lesser one; NaN where either is NaN
    minimum Minimum "minimum" {
        [f32 f64] |a, b| {
            let lesser = if a < b { a } else { b };
            if a.is_nan() { a } else { lesser }
        };
        [i32] |a, b| a.min(b);
        exact: |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) },
        da: |graph, a, b, y, dy| chosen(graph, a, a, b, y, dy).map(Some),
        db: |graph, a, b, y, dy| chosen(graph, b, a, b, y, dy).map(Some),
        kinks: &[([0.0, 0.0], [0.5, 0.5]), ([f64::NAN, 0.0], [0.0, 0.0])],
        properties: EXTREME,
    }

    /// a where b > 0, else 0: the gradient of a ReLU's input, for the gradient a of its output b
    relu_backward ReluBackward "relu_backward" {
        [f32 f64] |a, b| if b > 0.0 { a } else { 0.0 };
        [i32] |a, b| if b > 0 { a } else { 0 };
        exact: |a, b| if b > 0.0 { a } else { 0.0 },
        link: Some(Arithmetic::WherePositive),
        da: |graph, _, b, _, dy| relu_backward(graph, dy, b).map(Some),
        properties: Properties {
            monotone: [true, false],
            linear: [true, false],
            keeps_zero: true,
            ..Properties::NONE
        },
    }
}

/// dy where `input` is the one that was chosen, half of it where both are equal.
fn chosen(graph: &mut Graph, input: Value, a: Value, b: Value, y: Value, dy: Value) -> Result<Value> {
    let half = scalar_like(graph, dy, 0.5);
    let zero = scalar_like(graph, dy, 0.0);
    let tie = equal(graph, a, b)?;
    let halved = multiply(graph, dy, half)?;
    let share = select(graph, tie, halved, dy)?;
    let is_chosen = equal(graph, input, y)?;
    select(graph, is_chosen, share, zero)
}
