//! Powers of one number.

use super::unary::unary;
use super::{divide, multiply, negative, scalar_like};
use crate::graph::Properties;
use crate::kernels::elementwise::Arithmetic;

unary! {
    /// x²
    square Square "square" {
        [f32 f64] |x| x * x;
        [i32] |x| x.wrapping_mul(x);
        exact: |x| x * x,
        exact_int: Some(|x| x.wrapping_mul(x)),
        link: Some(Arithmetic::Square),
        gradient: |graph, x, _, dy| {
            let two = scalar_like(graph, x, 2.0);
            let slope = multiply(graph, two, x)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties { even: true, keeps_zero: true, ..Properties::NONE },
    }

    /// 1 / x
    reciprocal Reciprocal "reciprocal" {
        [f32 f64] |x| 1.0 / x;
        exact: |x| 1.0 / x,
        // −dy · y²
        gradient: |graph, _, y, dy| {
            let square = square(graph, y)?;
            let slope = negative(graph, square)?;
            multiply(graph, dy, slope).map(Some)
        },
        domain: [0.3, 2.0],
        properties: Properties { odd: true, ..Properties::NONE },
    }

    /// √x
    sqrt Sqrt "sqrt" {
        [f32 f64] |x| x.sqrt();
        exact: f64::sqrt,
        link: Some(Arithmetic::SquareRoot),
        picoseconds: Some([170, 340]),
        // dy / 2y
        gradient: |graph, _, y, dy| {
            let half = scalar_like(graph, y, 0.5);
            let slope = divide(graph, half, y)?;
            multiply(graph, dy, slope).map(Some)
        },
        domain: [0.3, 2.0],
        kinks: &[(0.0, f64::INFINITY)],
        properties: Properties { keeps_zero: true, ..Properties::NONE },
    }

    /// 1 / √x; in float32, numbers below the normal ones may count as zeros
    rsqrt Rsqrt "rsqrt" {
        [f32 f64] |x| 1.0 / x.sqrt();
        exact: |x| 1.0 / x.sqrt(),
        ulps: 2.0,
        link: Some(Arithmetic::ReciprocalSquareRoot),
        picoseconds: Some([40, 540]),
        // −dy · y / 2x
        gradient: |graph, x, y, dy| {
            let minus_half = scalar_like(graph, y, -0.5);
            let scaled = multiply(graph, minus_half, y)?;
            let slope = divide(graph, scaled, x)?;
            multiply(graph, dy, slope).map(Some)
        },
        domain: [0.3, 2.0],
        kinks: &[(0.0, f64::NEG_INFINITY)],
    }
}
