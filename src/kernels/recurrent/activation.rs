//! The activations that recurrent cells know. Each has a slope that follows from its value, so that the backward pass
//! needs only what the forward pass saved.

use super::lanes::Lanes;
use crate::error::{Error, Result};
use crate::kernels::Real;
use crate::kernels::elementwise::math;
use crate::kernels::simd::{self, Isa};

/// f32 and f64, with the functions that activations are made of. `FMA` says that the code is compiled for a machine
/// with fused multiply-add.
pub trait Smooth: Real {
    fn tanh<const FMA: bool>(self) -> Self;
    fn sigmoid<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
}

impl Smooth for f32 {
    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        math::tanh::<FMA>(self)
    }
    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> Self {
        math::gate_sigmoid::<FMA>(self)
    }
    #[inline(always)]
    fn expm1<const FMA: bool>(self) -> Self {
        math::expm1::<FMA>(self)
    }
}

/// In float64 accuracy comes before speed.
impl Smooth for f64 {
    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> Self {
        1.0 / (1.0 + (-self).exp())
    }
    #[inline(always)]
    fn expm1<const FMA: bool>(self) -> Self {
        self.exp_m1()
    }
}

/// A differentiable function of one number.
pub trait Curve<T>: Copy + Sync {
    /// y = f(x)
    fn value(self, x: T) -> T;
    /// f'(x), given y = f(x)
    fn slope(self, y: T) -> T;
}

/// Keras's default of `activation`, as a type of its own so that loops over it vectorise.
#[derive(Clone, Copy)]
pub struct Tanh<const FMA: bool>;

impl<T: Smooth, const FMA: bool> Curve<T> for Tanh<FMA> {
    #[inline(always)]
    fn value(self, x: T) -> T {
        Smooth::tanh::<FMA>(x)
    }
    #[inline(always)]
    fn slope(self, y: T) -> T {
        T::ONE - y * y
    }
}

/// Keras's default of `recurrent_activation`, likewise.
#[derive(Clone, Copy)]
pub struct Sigmoid<const FMA: bool>;

impl<T: Smooth, const FMA: bool> Curve<T> for Sigmoid<FMA> {
    #[inline(always)]
    fn value(self, x: T) -> T {
        x.sigmoid::<FMA>()
    }
    #[inline(always)]
    fn slope(self, y: T) -> T {
        y * (T::ONE - y)
    }
}

/// A curve's values in a loop of its own, which the compiler is sure to vectorise.
#[inline(always)]
pub fn apply<T: Smooth, C: Curve<T>>(curve: C, mut lanes: Lanes<T>) -> Lanes<T> {
    for lane in &mut lanes {
        *lane = curve.value(*lane);
    }
    lanes
}

/// True where the loops over the defaults may be compiled with fused multiply-add.
pub fn has_fma() -> bool {
    simd::isa() != Isa::Portable
}

/// An activation by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Linear,
    Relu,
    Tanh,
    Sigmoid,
    HardSigmoid,
    Softsign,
    Elu,
}

impl Activation {
    pub const ALL: [(&'static str, Self); 7] = [
        ("linear", Self::Linear),
        ("relu", Self::Relu),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("hard_sigmoid", Self::HardSigmoid),
        ("softsign", Self::Softsign),
        ("elu", Self::Elu),
    ];

    pub fn name(self) -> &'static str {
        let (name, _) = Self::ALL.iter().find(|&&(_, known)| known == self).expect("all are listed");
        name
    }

    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, activation)| activation).ok_or_else(|| {
            let known = Self::ALL.map(|(name, _)| name).join(", ");
            Error::Configuration(format!(
                "expected an activation of a recurrent cell to be one of {known}. Received: activation={name:?}"
            ))
        })
    }
}

impl<T: Smooth> Curve<T> for Activation {
    #[inline(always)]
    fn value(self, x: T) -> T {
        match self {
            Self::Linear => x,
            // A NaN stays a NaN.
            Self::Relu => {
                if x < T::ZERO {
                    T::ZERO
                } else {
                    x
                }
            }
            Self::Tanh => Tanh::<false>.value(x),
            Self::Sigmoid => Sigmoid::<false>.value(x),
            Self::HardSigmoid => {
                let y = x / T::from_f64(6.0) + T::from_f64(0.5);
                if y < T::ZERO {
                    T::ZERO
                } else if y > T::ONE {
                    T::ONE
                } else {
                    y
                }
            }
            Self::Softsign => x / (T::ONE + x.abs()),
            Self::Elu => {
                if x < T::ZERO {
                    x.expm1::<false>()
                } else {
                    x
                }
            }
        }
    }

    #[inline(always)]
    fn slope(self, y: T) -> T {
        match self {
            Self::Linear => T::ONE,
            Self::Relu => {
                if y > T::ZERO {
                    T::ONE
                } else {
                    T::ZERO
                }
            }
            Self::Tanh => Tanh::<false>.slope(y),
            Self::Sigmoid => Sigmoid::<false>.slope(y),
            Self::HardSigmoid => {
                if y > T::ZERO && y < T::ONE {
                    T::from_f64(1.0 / 6.0)
                } else {
                    T::ZERO
                }
            }
            // y = x / (1 + |x|)  =>  1 / (1 + |x|) = 1 - |y|
            Self::Softsign => (T::ONE - y.abs()) * (T::ONE - y.abs()),
            Self::Elu => {
                if y < T::ZERO {
                    y + T::ONE
                } else {
                    T::ONE
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_derivatives_of_the_values() {
        let step = 1e-6;
        for (name, activation) in Activation::ALL {
            for x in [-7.3, -1.9, -0.4, 0.3, 1.1, 6.2] {
                let y = activation.value(x);
                let numeric = (activation.value(x + step) - activation.value(x - step)) / (2.0 * step);
                let slope: f64 = activation.slope(y);
                assert!(
                    (slope - numeric).abs() < 1e-6 * (1.0 + numeric.abs()),
                    "{name} at {x}: {slope} against {numeric}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_activation_is_named_in_the_error() {
        let error = Activation::from_name("swish").unwrap_err().to_string();
        assert!(
            error.contains("hard_sigmoid") && error.ends_with("Received: activation=\"swish\""),
            "{error}"
        );
    }
}
