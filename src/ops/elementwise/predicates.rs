//! Questions about one element, whose answer is a bool. Bools have no gradient.

use super::unary::unary;

unary! {
    /// x → bool
    is_nan IsNan "isnan" {
        [f32 f64 => u8] |x| u8::from(x.is_nan());
        exact: |x| f64::from(x.is_nan()),
    }

    /// x → bool
    is_finite IsFinite "isfinite" {
        [f32 f64 => u8] |x| u8::from(x.is_finite());
        exact: |x| f64::from(x.is_finite()),
    }

    /// bool → bool
    logical_not LogicalNot "logical_not" {
        [u8] |x| x ^ 1;
        exact: |x| 1.0 - x,
    }
}
