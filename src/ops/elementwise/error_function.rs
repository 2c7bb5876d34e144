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

    /// 1 − erf x, accurate where that is small
    erfc Erfc "erfc" {
        [f32] |x| erfc_of_float32(x);
        [f64] |x| libm::erfc(x);
        exact: libm::erfc,
        ulps: 0.51,
        picoseconds: Some([1_500, 10_000]),
        gradient: |graph, x, _, dy| {
            let slope = bell(graph, x, -FRAC_2_SQRT_PI)?;
            multiply(graph, dy, slope).map(Some)
        },
    }
}

/// In double precision: eʳ of a rounded r = x² would lose the digits that x² has before the point.
#[inline(always)]
fn erfc_of_float32(x: f32) -> f32 {
    // Beyond this, erfc x is 0 in float32.
    let z = f64::from(math::clamp(x.abs(), 0.0, 10.2));
    // erfc z = exp(−z²) · t · q(t) with t = 2 / (2 + z); q is a fit to 3e-10, by iteratively reweighted least squares.
    let t = 2.0 / (2.0 + z);
    let mut sum = -0.028_955_276_239_6;
    for coefficient in [
        0.218_252_451_628,
        -0.699_954_837_087,
        1.208_704_474_22,
        -1.158_612_315_36,
        0.595_996_785_547,
        -0.267_421_878_317,
        0.156_913_506_424,
        0.162_477_290_244,
        0.248_527_470_146,
        0.281_973_716_208,
        0.282_098_612_886,
    ] {
        sum = sum * t + coefficient;
    }
    let tail = math::exp_f64(-z * z) * t * sum;
    (if x < 0.0 { 2.0 - tail } else { tail }) as f32
}

/// factor · exp(−x²)
fn bell(graph: &mut Graph, x: Value, factor: f64) -> Result<Value> {
    let square = square(graph, x)?;
    let exponent = negative(graph, square)?;
    let bell = exp(graph, exponent)?;
    let factor = scalar_like(graph, x, factor);
    multiply(graph, bell, factor)
}
