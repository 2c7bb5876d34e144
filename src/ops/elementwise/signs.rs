//! Ops that look at the sign of a number.

use super::unary::unary;
use super::{multiply, relu_backward};
use crate::graph::Properties;
use crate::kernels::elementwise::Arithmetic;

unary! {
    /// −x
    negative Negative "negative" {
        [f32 f64] |x| -x;
        [i32] |x| x.wrapping_neg();
        exact: |x| -x,
        gradient: |graph, _, _, dy| negative(graph, dy).map(Some),
        properties: Properties { linear: [true, false], odd: true, keeps_zero: true, ..Properties::NONE },
    }

    /// |x|
    abs Abs "abs" {
        [f32 f64] |x| x.abs();
        [i32] |x| x.wrapping_abs();
        exact: f64::abs,
        gradient: |graph, x, _, dy| {
            let sign = sign(graph, x)?;
            multiply(graph, dy, sign).map(Some)
        },
        kinks: &[(0.0, 0.0)],
        properties: Properties { even: true, keeps_zero: true, idempotent: true, ..Properties::NONE },
    }

    /// −1, 0 or 1; ±0 and NaN stay as they are
    sign Sign "sign" {
        [f32 f64] |x| {
            let positive = if x > 0.0 { 1.0 } else { x };
            if x < 0.0 { -1.0 } else { positive }
        };
        [i32] |x| x.signum();
        exact: |x| if x == 0.0 || x.is_nan() { x } else { x.signum() },
        properties: Properties {
            monotone: [true, false],
            odd: true,
            keeps_zero: true,
            idempotent: true,
            ..Properties::NONE
        },
    }

    /// max(x, 0); NaN stays NaN
    relu Relu "relu" {
        [f32 f64] |x| if x <= 0.0 { 0.0 } else { x };
        [i32] |x| x.max(0);
        exact: |x| if x > 0.0 || x.is_nan() { x } else { 0.0 },
        link: Some(Arithmetic::Relu),
        gradient: |graph, _, y, dy| relu_backward(graph, dy, y).map(Some),
        kinks: &[(0.0, 0.0)],
        properties: Properties {
            monotone: [true, false],
            keeps_zero: true,
            idempotent: true,
            ..Properties::NONE
        },
    }
}
