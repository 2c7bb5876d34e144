//! The error function of the normal distribution.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::unary::unary;
use super::{exp, multiply, negative, scalar_like, square};
use crate::error::Result;
use crate::graph::{Graph, Properties, Value};
use crate::kernels::elementwise::math;

unary! {
    /// 2/√π ∫₀ˣ exp(−t²) dt
    erf Erf "erf" {
        [f32] |x| math::erf::<FMA>(x);
        [f64] |x| libm::erf(x);
        exact: libm::erf,
        ulps: 2.0,
        picoseconds: Some([400, 10_000]),
        gradient: |graph, x, _, dy| {
            let slope = bell(graph, x, FRAC_2_SQRT_PI)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties {
            monotone: [true, false],
            odd: true,
            keeps_zero: true,
            ..Properties::NONE
        },
    }
}

/// factor · exp(−x²)
fn bell(graph: &mut Graph, x: Value, factor: f64) -> Result<Value> {
    let square = square(graph, x)?;
    let exponent = negative(graph, square)?;
    let bell = exp(graph, exponent)?;
    let factor = scalar_like(graph, x, factor);
    multiply(graph, bell, factor)
}
