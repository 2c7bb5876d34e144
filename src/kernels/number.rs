//! Arithmetic that kernels are generic over.

use crate::tensor::Element;

/// f32, f64, i32 (which wraps around) and u8 (a bool: add is or, multiply is and).
pub trait Number: Element {
    const ZERO: Self;
    const ONE: Self;
    /// Not above any number: the identity of a maximum.
    const LOWEST: Self;
    /// Not below any number: the identity of a minimum.
    const HIGHEST: Self;
    fn add(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
}

macro_rules! number {
    ($t:ty, $zero:expr, $one:expr, $lowest:expr, $highest:expr, $add:expr, $multiply:expr) => {
        impl Number for $t {
            const ZERO: Self = $zero;
            const ONE: Self = $one;
            const LOWEST: Self = $lowest;
            const HIGHEST: Self = $highest;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                let add: fn($t, $t) -> $t = $add;
                add(self, other)
            }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                let multiply: fn($t, $t) -> $t = $multiply;
                multiply(self, other)
            }
        }
    };
}

number!(f32, 0.0, 1.0, f32::NEG_INFINITY, f32::INFINITY, |a, b| a + b, |a, b| a * b);
number!(f64, 0.0, 1.0, f64::NEG_INFINITY, f64::INFINITY, |a, b| a + b, |a, b| a * b);
number!(i32, 0, 1, i32::MIN, i32::MAX, |a, b| a.wrapping_add(b), |a, b| a.wrapping_mul(b));
number!(u8, 0, 1, 0, 1, |a, b| a | b, |a, b| a & b);
