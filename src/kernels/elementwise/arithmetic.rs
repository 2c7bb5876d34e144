//! What each instruction means for one element of each type, in bodies that vectorise when they are inlined.

use super::math;

/// f32, f64 and i32, which wraps around.
pub trait Number: Copy + PartialOrd {
    fn negative(self) -> Self;
    fn abs(self) -> Self;
    fn sign(self) -> Self;
    fn square(self) -> Self;
    fn relu(self) -> Self;
    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn maximum(self, other: Self) -> Self;
    fn minimum(self, other: Self) -> Self;
    fn where_positive(self, other: Self) -> Self;
    fn modulo(self, other: Self) -> Self;
    fn floor_divide(self, other: Self) -> Self;
    fn power(self, exponent: Self) -> Self;
}

/// f32 and f64.
pub trait Float: Number {
    fn divide(self, other: Self) -> Self;
    fn reciprocal(self) -> Self;
    fn sqrt(self) -> Self;
    fn rsqrt(self) -> Self;
    fn exp<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
    fn log<const FMA: bool>(self) -> Self;
    fn log1p<const FMA: bool>(self) -> Self;
    fn tanh<const FMA: bool>(self) -> Self;
    fn sigmoid<const FMA: bool>(self) -> Self;
    fn erf<const FMA: bool>(self) -> Self;
    /// For arguments that [`Float::is_small_angle`] accepts.
    fn sin_small(self) -> Self;
    fn cos_small(self) -> Self;
    fn is_small_angle(self) -> bool;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round(self) -> Self;
    fn is_nan(self) -> bool;
    fn is_finite(self) -> bool;
}

macro_rules! float_number {
    ($t:ident, $power:expr) => {
        impl Number for $t {
            #[inline(always)]
            fn negative(self) -> Self {
                -self
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            /// −1 or 1; ±0 and NaN stay as they are.
            #[inline(always)]
            fn sign(self) -> Self {
                let positive = if self > 0.0 { 1.0 } else { self };
                if self < 0.0 { -1.0 } else { positive }
            }
            #[inline(always)]
            fn square(self) -> Self {
                self * self
            }
            /// NaN stays NaN.
            #[inline(always)]
            fn relu(self) -> Self {
                if self <= 0.0 { 0.0 } else { self }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn subtract(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                self * other
            }
            /// NaN where either is NaN.
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                let greater = if self > other { self } else { other };
                if self.is_nan() { self } else { greater }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                let lesser = if self < other { self } else { other };
                if self.is_nan() { self } else { lesser }
            }
            /// 0 where the other is not above it, or NaN.
            #[inline(always)]
            fn where_positive(self, other: Self) -> Self {
                if other > 0.0 { self } else { 0.0 }
            }
            #[inline(always)]
            fn modulo(self, other: Self) -> Self {
                let remainder = self % other;
                let wraps = remainder != 0.0 && (remainder < 0.0) != (other < 0.0);
                if wraps { remainder + other } else { remainder }
            }
            /// The quotient by exact remainders, so that it fits [`Number::modulo`].
            #[inline(always)]
            fn floor_divide(self, other: Self) -> Self {
                let remainder = self % other;
                let wraps = remainder != 0.0 && (remainder < 0.0) != (other < 0.0);
                let quotient = ((self - remainder) / other).round_ties_even();
                let quotient = if wraps { quotient - 1.0 } else { quotient };
                if other == 0.0 { self / other } else { quotient }
            }
            #[inline(always)]
            fn power(self, exponent: Self) -> Self {
                let power: fn($t, $t) -> $t = $power;
                power(self, exponent)
            }
        }
    };
}

float_number!(f32, math::power);
float_number!(f64, f64::powf);

impl Number for i32 {
    #[inline(always)]
    fn negative(self) -> Self {
        self.wrapping_neg()
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.wrapping_abs()
    }
    #[inline(always)]
    fn sign(self) -> Self {
        self.signum()
    }
    #[inline(always)]
    fn square(self) -> Self {
        self.wrapping_mul(self)
    }
    #[inline(always)]
    fn relu(self) -> Self {
        self.max(0)
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        self.max(other)
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        self.min(other)
    }
    #[inline(always)]
    fn where_positive(self, other: Self) -> Self {
        if other > 0 { self } else { 0 }
    }
    /// 0 where the divisor is 0, as in NumPy.
    #[inline(always)]
    fn modulo(self, other: Self) -> Self {
        if other == 0 {
            return 0;
        }
        let remainder = self.wrapping_rem(other);
        if remainder != 0 && (remainder ^ other) < 0 { remainder + other } else { remainder }
    }
    /// 0 where the divisor is 0, as in NumPy.
    #[inline(always)]
    fn floor_divide(self, other: Self) -> Self {
        if other == 0 {
            return 0;
        }
        let remainder = self.wrapping_rem(other);
        let quotient = self.wrapping_div(other);
        if remainder != 0 && (remainder ^ other) < 0 { quotient - 1 } else { quotient }
    }
    /// A negative exponent truncates 1 / a^|b| towards zero.
    #[inline(always)]
    fn power(self, exponent: Self) -> Self {
        match (u32::try_from(exponent), self) {
            (Ok(exponent), _) => self.wrapping_pow(exponent),
            (Err(_), 1) => 1,
            (Err(_), -1) if exponent & 1 == 0 => 1,
            (Err(_), -1) => -1,
            (Err(_), _) => 0,
        }
    }
}

macro_rules! float_common {
    ($t:ident) => {
        #[inline(always)]
        fn divide(self, other: Self) -> Self {
            self / other
        }
        #[inline(always)]
        fn reciprocal(self) -> Self {
            1.0 / self
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            $t::sqrt(self)
        }
        #[inline(always)]
        fn rsqrt(self) -> Self {
            1.0 / $t::sqrt(self)
        }
        #[inline(always)]
        fn sin(self) -> Self {
            $t::sin(self)
        }
        #[inline(always)]
        fn cos(self) -> Self {
            $t::cos(self)
        }
        #[inline(always)]
        fn floor(self) -> Self {
            $t::floor(self)
        }
        #[inline(always)]
        fn ceil(self) -> Self {
            $t::ceil(self)
        }
        #[inline(always)]
        fn round(self) -> Self {
            $t::round_ties_even(self)
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            $t::is_nan(self)
        }
        #[inline(always)]
        fn is_finite(self) -> bool {
            $t::is_finite(self)
        }
    };
}

impl Float for f32 {
    float_common!(f32);

    #[inline(always)]
    fn exp<const FMA: bool>(self) -> Self {
        math::exp::<FMA>(self)
    }
    #[inline(always)]
    fn expm1<const FMA: bool>(self) -> Self {
        math::expm1::<FMA>(self)
    }
    #[inline(always)]
    fn log<const FMA: bool>(self) -> Self {
        math::log::<FMA>(self)
    }
    #[inline(always)]
    fn log1p<const FMA: bool>(self) -> Self {
        math::log1p::<FMA>(self)
    }
    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        math::tanh::<FMA>(self)
    }
    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> Self {
        math::sigmoid::<FMA>(self)
    }
    #[inline(always)]
    fn erf<const FMA: bool>(self) -> Self {
        math::erf::<FMA>(self)
    }
    #[inline(always)]
    fn sin_small(self) -> Self {
        math::sin_small(self)
    }
    #[inline(always)]
    fn cos_small(self) -> Self {
        math::cos_small(self)
    }
    #[inline(always)]
    fn is_small_angle(self) -> bool {
        self.abs() <= math::TRIGONOMETRIC_LIMIT
    }
}

/// In float64 accuracy comes before speed: the standard library, and libm for the error function.
impl Float for f64 {
    float_common!(f64);

    #[inline(always)]
    fn exp<const FMA: bool>(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn expm1<const FMA: bool>(self) -> Self {
        f64::exp_m1(self)
    }
    #[inline(always)]
    fn log<const FMA: bool>(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn log1p<const FMA: bool>(self) -> Self {
        f64::ln_1p(self)
    }
    #[inline(always)]
    fn tanh<const FMA: bool>(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> Self {
        // e⁻|ˣ| never overflows.
        let e = (-self.abs()).exp();
        (if self < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }
    #[inline(always)]
    fn erf<const FMA: bool>(self) -> Self {
        libm::erf(self)
    }
    #[inline(always)]
    fn sin_small(self) -> Self {
        f64::sin(self)
    }
    #[inline(always)]
    fn cos_small(self) -> Self {
        f64::cos(self)
    }
    #[inline(always)]
    fn is_small_angle(self) -> bool {
        true
    }
}
