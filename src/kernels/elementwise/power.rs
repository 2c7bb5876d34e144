//! The kernel of a power, whose exponent is mostly one number for all elements.

use super::function::{BinaryFunction, MapBinary, MapUnary, UnaryFunction};
use super::kernel::{Body, Kernel, Lane, choose, load};
use super::math;
use crate::kernels::simd::Isa;

/// aᵇ of floats
pub struct Power;

struct Square;
struct Cube;
/// √a, with pow's values at −0 and −∞.
struct Root;
struct Reciprocal;
/// The loop that looks at the exponent first.
struct ByExponent<T>(T);

macro_rules! power {
    ($t:ident, $power:path) => {
        impl BinaryFunction<$t> for Power {
            type Output = $t;

            #[inline(always)]
            fn element<const FMA: bool>(a: $t, b: $t) -> $t {
                $power(a, b)
            }

            fn kernel(isa: Isa) -> Kernel {
                choose::<ByExponent<$t>>(isa)
            }
        }

        power!(@special $t, Square, |a| a * a);
        power!(@special $t, Cube, |a| a * a * a);
        power!(@special $t, Root, |a| if a == $t::NEG_INFINITY { $t::INFINITY } else { (a + 0.0).sqrt() });
        power!(@special $t, Reciprocal, |a| 1.0 / a);

        impl Body for ByExponent<$t> {
            #[inline(always)]
            unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
                // SAFETY: the caller's promise, for the exponent and for all.
                unsafe {
                    // The usual exponents are exact, and quick.
                    let exponent = load::<$t>(*inputs[1], 0)[0];
                    if inputs[1].advance == 0 && exponent == 2.0 {
                        MapUnary::<Square, $t>::run::<FMA>(inputs, output, chunks)
                    } else if inputs[1].advance == 0 && exponent == 3.0 {
                        MapUnary::<Cube, $t>::run::<FMA>(inputs, output, chunks)
                    } else if inputs[1].advance == 0 && exponent == 0.5 {
                        MapUnary::<Root, $t>::run::<FMA>(inputs, output, chunks)
                    } else if inputs[1].advance == 0 && exponent == -1.0 {
                        MapUnary::<Reciprocal, $t>::run::<FMA>(inputs, output, chunks)
                    } else {
                        MapBinary::<Power, $t>::run::<FMA>(inputs, output, chunks)
                    }
                }
            }
        }
    };
    (@special $t:ident, $name:ident, |$a:ident| $body:expr) => {
        impl UnaryFunction<$t> for $name {
            type Output = $t;

            #[inline(always)]
            fn element<const FMA: bool>($a: $t) -> $t {
                $body
            }
        }
    };
}

power!(f32, math::power);
power!(f64, f64::powf);
