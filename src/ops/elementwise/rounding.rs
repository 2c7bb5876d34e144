//! Rounding to integers, which stay floats. The slope is 0 wherever there is one, so no gradient flows.

use super::unary::unary;
use crate::graph::Properties;

const STEPS: Properties =
    Properties { monotone: [true, false], keeps_zero: true, idempotent: true, ..Properties::NONE };

unary! {
    /// ⌊x⌋
    floor Floor "floor" {
        [f32 f64] |x| x.floor();
        exact: f64::floor,
        properties: STEPS,
    }

    /// ⌈x⌉
    ceil Ceil "ceil" {
        [f32 f64] |x| x.ceil();
        exact: f64::ceil,
        properties: STEPS,
    }

    /// The nearest integer, halves to the even one
    round Round "round" {
        [f32 f64] |x| x.round_ties_even();
        exact: f64::round_ties_even,
        properties: Properties { odd: true, ..STEPS },
    }

    /// The next integer towards 0
    trunc Trunc "trunc" {
        [f32 f64] |x| x.trunc();
        exact: f64::trunc,
        properties: Properties { odd: true, ..STEPS },
    }
}
