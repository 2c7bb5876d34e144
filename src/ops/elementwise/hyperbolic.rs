//! Hyperbolic functions.

use super::unary::unary;
use super::{multiply, scalar_like, square, subtract};
use crate::graph::Properties;
use crate::kernels::elementwise::math;

unary! {
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
