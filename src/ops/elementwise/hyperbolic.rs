//! Hyperbolic functions.

use super::unary::unary;
use super::{hypot, multiply, scalar_like, square, subtract};
use crate::graph::Properties;
use crate::kernels::elementwise::math;

unary! {
    /// sinh x: (eˣ − e⁻ˣ) / 2
    sinh Sinh "sinh" {
        [f32] |x| sinh_of_float32::<FMA>(x);
        [f64] |x| x.sinh();
        exact: f64::sinh,
        ulps: 3.0,
        picoseconds: Some([500, 10_000]),
        // dy · cosh x = dy · √(1 + y²)
        gradient: |graph, _, y, dy| {
            let one = scalar_like(graph, y, 1.0);
            let slope = hypot(graph, one, y)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties {
            monotone: [true, false],
            odd: true,
            keeps_zero: true,
            ..Properties::NONE
        },
    }

    /// cosh x: (eˣ + e⁻ˣ) / 2
    cosh Cosh "cosh" {
        [f32] |x| cosh_of_float32::<FMA>(x);
        [f64] |x| x.cosh();
        exact: f64::cosh,
        ulps: 3.0,
        picoseconds: Some([500, 10_000]),
        // dy · sinh x
        gradient: |graph, x, _, dy| {
            let slope = sinh(graph, x)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties { even: true, ..Properties::NONE },
    }

    /// tanh x
    tanh Tanh "tanh" {
        [f32] |x| math::tanh::<FMA>(x);
        [f64] |x| x.tanh();
        exact: f64::tanh,
        ulps: 3.0,
        picoseconds: Some([400, 10_000]),
        // dy · (1 − y²)
        gradient: |graph, _, y, dy| {
            let one = scalar_like(graph, y, 1.0);
            let square = square(graph, y)?;
            let slope = subtract(graph, one, square)?;
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

/// eᵗ / 2 for t ≥ 0, which is finite wherever a hyperbolic function is.
#[inline(always)]
fn half_exp<const FMA: bool>(t: f32) -> f32 {
    let (n, p) = math::reduced_expm1::<FMA>(math::clamp(t, 0.0, 90.0));
    // In two factors, as 2ⁿ itself may be too large.
    let half = n >> 1;
    (p + 1.0) * math::power_of_two(half) * math::power_of_two(n - 1 - half)
}

#[inline(always)]
fn sinh_of_float32<const FMA: bool>(x: f32) -> f32 {
    let t = x.abs();
    // With m = eᵗ − 1: (m + m / (m + 1)) / 2, which cancels nothing.
    let half = 0.5 * math::expm1::<FMA>(t);
    let near = half + half / (2.0 * half + 1.0);
    let exp = half_exp::<FMA>(t);
    let far = exp - 0.25 / exp;
    (if t < 1.0 { near } else { far }).copysign(x)
}

#[inline(always)]
fn cosh_of_float32<const FMA: bool>(x: f32) -> f32 {
    let exp = half_exp::<FMA>(x.abs());
    exp + 0.25 / exp
}
