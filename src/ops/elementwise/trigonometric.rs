//! Functions of an angle in radians.

use super::unary::unary;
use super::{multiply, negative};
use crate::graph::Properties;
use crate::kernels::elementwise::{LANES, UnaryFunction, math};

unary! {
    /// sin x
    sin Sin "sin" {
        [f32];
        [f64] |x| x.sin();
        exact: f64::sin,
        ulps: 1.0,
        picoseconds: Some([400, 10_000]),
        gradient: |graph, x, _, dy| {
            let slope = cos(graph, x)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties { odd: true, keeps_zero: true, ..Properties::NONE },
    }

    /// cos x
    cos Cos "cos" {
        [f32];
        [f64] |x| x.cos();
        exact: f64::cos,
        ulps: 1.0,
        picoseconds: Some([400, 10_000]),
        gradient: |graph, x, _, dy| {
            let sine = sin(graph, x)?;
            let slope = negative(graph, sine)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties { even: true, ..Properties::NONE },
    }
}

/// Sine or cosine in float32: the fast form where a whole chunk is within its range, else the standard library's.
macro_rules! angle_function {
    ($Function:ident, $small:path, $any:path) => {
        impl UnaryFunction<f32> for $Function {
            type Output = f32;

            #[inline(always)]
            fn element<const FMA: bool>(x: f32) -> f32 {
                if x.abs() <= math::TRIGONOMETRIC_LIMIT { $small(x) } else { $any(x) }
            }

            #[inline(always)]
            fn chunk<const FMA: bool>(x: [f32; LANES]) -> [f32; LANES] {
                let small = x.iter().fold(true, |small, x| small & (x.abs() <= math::TRIGONOMETRIC_LIMIT));
                let mut y = [0.0; LANES];
                if small {
                    for lane in 0..LANES {
                        y[lane] = $small(x[lane]);
                    }
                } else {
                    for lane in 0..LANES {
                        y[lane] = $any(x[lane]);
                    }
                }
                y
            }
        }
    };
}

angle_function!(Sin, math::sin_small, f32::sin);
angle_function!(Cos, math::cos_small, f32::cos);
