//! Comparisons, and the logic of their results. Bools have no gradient.

use super::binary::binary;
use crate::graph::Properties;

const COMMUTATIVE: Properties = Properties { commutative: true, ..Properties::NONE };

binary! {
    /// a = b
    equal Equal "equal" {
        [f32 f64 i32 u8 => u8] |a, b| u8::from(a == b);
        exact: |a, b| f64::from(a == b),
        properties: COMMUTATIVE,
    }

    /// a ≠ b
    not_equal NotEqual "not_equal" {
        [f32 f64 i32 u8 => u8] |a, b| u8::from(a != b);
        exact: |a, b| f64::from(a != b),
        properties: COMMUTATIVE,
    }

    /// a < b
    less Less "less" {
        [f32 f64 i32 u8 => u8] |a, b| u8::from(a < b);
        exact: |a, b| f64::from(a < b),
    }

    /// a ≤ b
    less_equal LessEqual "less_equal" {
        [f32 f64 i32 u8 => u8] |a, b| u8::from(a <= b);
        exact: |a, b| f64::from(a <= b),
    }

    /// a > b
    greater Greater "greater" {
        [f32 f64 i32 u8 => u8] |a, b| u8::from(a > b);
        exact: |a, b| f64::from(a > b),
    }

    /// a ≥ b
    greater_equal GreaterEqual "greater_equal" {
        [f32 f64 i32 u8 => u8] |a, b| u8::from(a >= b);
        exact: |a, b| f64::from(a >= b),
    }

    /// a and b
    logical_and LogicalAnd "logical_and" {
        [u8] |a, b| a & b;
        exact: |a, b| a * b,
        properties: COMMUTATIVE,
    }

    /// a or b
    logical_or LogicalOr "logical_or" {
        [u8] |a, b| a | b;
        exact: |a, b| a.max(b),
        properties: COMMUTATIVE,
    }
}
