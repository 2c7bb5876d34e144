//! Exponentials and logarithms.

use super::unary::unary;
use super::{add, divide, multiply, scalar_like, subtract};
use crate::graph::Properties;
use crate::kernels::elementwise::math;

const RISING: Properties = Properties { monotone: [true, false], ..Properties::NONE };

unary! {
    /// eˣ
    exp Exp "exp" {
        [f32] |x| math::exp::<FMA>(x);
        [f64] |x| x.exp();
        exact: f64::exp,
        ulps: 1.0,
        picoseconds: Some([400, 10_000]),
        gradient: |graph, _, y, dy| multiply(graph, dy, y).map(Some),
        properties: RISING,
    }

    /// eˣ − 1, accurate near 0
    expm1 Expm1 "expm1" {
        [f32] |x| math::expm1::<FMA>(x);
        [f64] |x| x.exp_m1();
        exact: f64::exp_m1,
        ulps: 2.0,
        picoseconds: Some([400, 10_000]),
        gradient: |graph, _, y, dy| {
            let one = scalar_like(graph, y, 1.0);
            let slope = add(graph, y, one)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties { keeps_zero: true, ..RISING },
    }

    /// ln x
    log Log "log" {
        [f32] |x| math::log::<FMA>(x);
        [f64] |x| x.ln();
        exact: f64::ln,
        ulps: 1.0,
        picoseconds: Some([400, 10_000]),
        gradient: |graph, x, _, dy| divide(graph, dy, x).map(Some),
        domain: [0.3, 2.0],
        properties: Properties::NONE,
    }

    /// ln(1 + x), accurate near 0
    log1p Log1p "log1p" {
        [f32] |x| math::log1p::<FMA>(x);
        [f64] |x| x.ln_1p();
        exact: f64::ln_1p,
        ulps: 2.0,
        picoseconds: Some([400, 10_000]),
        gradient: |graph, x, _, dy| {
            let one = scalar_like(graph, x, 1.0);
            let sum = add(graph, x, one)?;
            divide(graph, dy, sum).map(Some)
        },
        domain: [0.3, 2.0],
        properties: Properties { keeps_zero: true, ..Properties::NONE },
    }

    /// 1 / (1 + e⁻ˣ)
    sigmoid Sigmoid "sigmoid" {
        [f32] |x| math::sigmoid::<FMA>(x);
        [f64] |x| {
            // e⁻|ˣ| never overflows.
            let e = (-x.abs()).exp();
            (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
        };
        exact: |x| 1.0 / (1.0 + (-x).exp()),
        ulps: 3.0,
        picoseconds: Some([400, 10_000]),
        // dy · y · (1 − y)
        gradient: |graph, _, y, dy| {
            let one = scalar_like(graph, y, 1.0);
            let rest = subtract(graph, one, y)?;
            let slope = multiply(graph, y, rest)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: RISING,
    }
}
