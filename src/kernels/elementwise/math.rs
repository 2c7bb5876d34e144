//! Vector mathematics in float32: branch-free bodies that the compiler vectorises wherever they are inlined.
//!
//! `FMA` says that the function they are inlined into has fused multiply-add instructions. Errors are stated in units
//! in the last place (ulp) over the whole range of float32; NaN stays NaN. The polynomials were fitted here, by
//! iteratively reweighted least squares towards the minimax of the relative error.

// Coefficients keep the digits of their fit.
#![allow(clippy::excessive_precision)]

use std::f32::consts::LOG2_E;
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// a·b + c, rounded once where `FMA`, else twice.
#[inline(always)]
pub fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Σ coefficients[k] · xᵏ
#[inline(always)]
pub fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[N - 1];
    for k in (0..N - 1).rev() {
        sum = mul_add::<FMA>(sum, x, coefficients[k]);
    }
    sum
}

/// Adding this to a number below 2²² in magnitude rounds it to an integer, which is then in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; the first one has few enough bits that its product with a small integer is exact.
const LN_2_HIGH: f32 = 0.693_359_375;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// 2ⁿ for an integer n in −126..=127.
#[inline(always)]
pub fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// x = n ln 2 + r with |r| ≤ ½ ln 2, for |x| < 110: (n, eʳ − 1).
#[inline(always)]
pub fn reduced_expm1<const FMA: bool>(x: f32) -> (i32, f32) {
    let shifted = mul_add::<FMA>(x, LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add::<FMA>(n, -LN_2_HIGH, x);
    let r = mul_add::<FMA>(n, -LN_2_LOW, r);
    let q = polynomial::<FMA, 6>(
        r,
        [0.5, 0.166_666_67, 0.041_666_355, 0.008_333_274, 0.001_394_107_7, 0.000_199_136_75],
    );
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    (n, mul_add::<FMA>(q, r * r, r))
}

/// `x` within `low..=high`; NaN stays NaN.
#[inline(always)]
pub fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// eˣ, to 1 ulp.
#[inline(always)]
pub fn exp<const FMA: bool>(x: f32) -> f32 {
    let (n, p) = reduced_expm1::<FMA>(clamp(x, -104.0, 89.0));
    // In two factors, so that results below the normal numbers and above the greatest one come out right.
    let half = n >> 1;
    (p + 1.0) * power_of_two(half) * power_of_two(n - half)
}

/// eˣ − 1, to 2 ulp.
#[inline(always)]
pub fn expm1<const FMA: bool>(x: f32) -> f32 {
    let (n, p) = reduced_expm1::<FMA>(clamp(x, -30.0, 89.0));
    // 2ⁿ p + (2ⁿ − 1), halved so that n = 128 fits.
    let half = power_of_two(n - 1);
    let result = mul_add::<FMA>(p, half, half - 0.5) * 2.0;
    if x == 0.0 { x } else { result }
}

/// ln x, to 1 ulp.
#[inline(always)]
pub fn log<const FMA: bool>(x: f32) -> f32 {
    // Numbers below the normal ones are scaled into them.
    let small = x < f32::MIN_POSITIVE;
    let scaled = if small { x * 8_388_608.0 } else { x };
    let offset = if small { -23.0 } else { 0.0 };
    // x = 2ⁿ m with m in 2/3..4/3
    let bits = scaled.to_bits() as i32;
    let exponent = bits.wrapping_sub(0x3F2A_AAAB) & 0xFF80_0000_u32 as i32;
    let f = f32::from_bits(bits.wrapping_sub(exponent) as u32) - 1.0;
    let n = (exponent >> 23) as f32 + offset;
    // ln(1 + f) = f − f²/2 + f³ q(f)
    let q = polynomial::<FMA, 8>(
        f,
        [
            0.333_332_2,
            -0.249_996_81,
            0.200_102_14,
            -0.166_858_12,
            0.140_076_37,
            -0.121_102_05,
            0.139_807_48,
            -0.132_134_54,
        ],
    );
    let square = f * f;
    let tail = mul_add::<FMA>(q, f, -0.5) * square;
    let low = mul_add::<FMA>(n, LN_2_LOW, tail);
    let result = mul_add::<FMA>(n, LN_2_HIGH, low + f);
    // +∞ and NaN are their own logarithms.
    let result = if x < f32::INFINITY { result } else { x };
    let result = if x < 0.0 { f32::NAN } else { result };
    if x == 0.0 { f32::NEG_INFINITY } else { result }
}

/// ln(1 + x), to 2 ulp.
#[inline(always)]
pub fn log1p<const FMA: bool>(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding took from 1 + x, to first order.
    let correction = (x - (u - 1.0)) / u;
    let result = log::<FMA>(u) + correction;
    let result = if u > 0.0 && u < f32::INFINITY { result } else { log::<FMA>(u) };
    if x == 0.0 { x } else { result }
}

/// tanh x, to 3 ulp.
#[inline(always)]
pub fn tanh<const FMA: bool>(x: f32) -> f32 {
    // (1 − e⁻²ˣ) / (1 + e⁻²ˣ) for x > 0; 1 to all digits from 10 on
    let t = x.abs();
    let t = if t > 10.0 { 10.0 } else { t };
    let (n, p) = reduced_expm1::<FMA>(-2.0 * t);
    let power = power_of_two(n);
    let expm1 = mul_add::<FMA>(p, power, power - 1.0);
    (expm1 / (expm1 + 2.0)).copysign(x)
}

/// 1 / (1 + e⁻ˣ), to 3 ulp.
#[inline(always)]
pub fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    // e⁻|ˣ| never overflows.
    let e = exp::<FMA>(-x.abs());
    let numerator = if x < 0.0 { e } else { 1.0 };
    numerator / (1.0 + e)
}

/// The sigmoid of a gate: [`sigmoid`] in fewer instructions, also to 3 ulp for x ≥ −87; below, the sigmoid of −87.
#[inline(always)]
pub fn gate_sigmoid<const FMA: bool>(x: f32) -> f32 {
    // Within these bounds the power of two is a normal number.
    let (n, p) = reduced_expm1::<FMA>(-clamp(x, -87.0, 87.0));
    let power = power_of_two(n);
    1.0 / mul_add::<FMA>(p, power, power + 1.0)
}

/// The error function, to 2 ulp.
#[inline(always)]
pub fn erf<const FMA: bool>(x: f32) -> f32 {
    let t = x.abs();
    // x + x q(x²) near 0
    let near = polynomial::<FMA, 7>(
        x * x,
        [
            0.128_379_17,
            -0.376_126_32,
            0.112_836_875,
            -0.026_858_94,
            0.005_199_906_4,
            -0.000_813_001_2,
            8.316_772_4e-5,
        ],
    );
    let near = mul_add::<FMA>(near, x, x);
    // 1 − exp(−t − t q(t)) further out; 1 to all digits from 4 on
    let t = clamp(t, 0.0, 4.0);
    let far = polynomial::<FMA, 6>(
        t,
        [0.128_510_76, 0.635_730_9, 0.105_244_67, -0.022_878_611, 0.003_211_318_3, -0.000_213_532_99],
    );
    let far = 1.0 - exp::<FMA>(-mul_add::<FMA>(far, t, t));
    if t < 0.925 { near } else { far.copysign(x) }
}

/// Beyond this, [`sin_cos_small`] has too few bits of π.
pub const TRIGONOMETRIC_LIMIT: f32 = 1e6;

/// sin x where `quarter` = 0, cos x where it is 1, to 1 ulp, for |x| ≤ [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
fn sin_cos_small(x: f32, quarter: i64) -> f32 {
    // In double precision: x = n π/2 + r with |r| ≤ π/4. π/2 is in two parts, so that n times the first is exact.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const HIGH: f64 = f64::from_bits(FRAC_PI_2.to_bits() & !0xF_FFFF);
    const LOW: f64 = (FRAC_PI_2 - HIGH) + 6.123_233_995_736_766e-17;
    let x = f64::from(x);
    let shifted = x * FRAC_2_PI + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * HIGH) - n * LOW;
    let quadrant = (shifted.to_bits() as i64).wrapping_add(quarter);
    let s = r * r;
    // Taylor series: their first terms left out are below 2⁻²⁸.
    let sine = r + r * s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s * (1.0 / 362_880.0))));
    let cosine = 1.0
        + s * (-0.5
            + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s * (1.0 / 40_320.0 + s * (-1.0 / 3_628_800.0)))));
    let value = if quadrant & 1 == 0 { sine } else { cosine };
    (if quadrant & 2 == 0 { value } else { -value }) as f32
}

/// sin x, to 1 ulp, for |x| ≤ [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
pub fn sin_small(x: f32) -> f32 {
    let result = sin_cos_small(x, 0);
    if x == 0.0 { x } else { result }
}

/// cos x, to 1 ulp, for |x| ≤ [`TRIGONOMETRIC_LIMIT`].
#[inline(always)]
pub fn cos_small(x: f32) -> f32 {
    sin_cos_small(x, 1)
}

/// ln x in double precision, to 1e-11.
#[inline(always)]
fn log_f64(x: f64) -> f64 {
    // x = 2ⁿ m with m in √½..√2; the argument comes from a float32, so it is a normal number.
    let bits = x.to_bits() as i64;
    let exponent = bits.wrapping_sub(0x3FE6_A09E_667F_3BCD) & 0xFFF0_0000_0000_0000_u64 as i64;
    let m = f64::from_bits(bits.wrapping_sub(exponent) as u64);
    // Of a small integer to double, through the bits of 2⁵² + n.
    let n = f64::from_bits(((exponent >> 52) + 1024) as u64 | 0x4330_0000_0000_0000)
        - (4_503_599_627_370_496.0 + 1024.0);
    // ln m = 2 artanh((m − 1) / (m + 1))
    let s = (m - 1.0) / (m + 1.0);
    let w = s * s;
    let series = 1.0
        + w * (1.0 / 3.0
            + w * (0.2 + w * (1.0 / 7.0 + w * (1.0 / 9.0 + w * (1.0 / 11.0 + w * (1.0 / 13.0))))));
    n * std::f64::consts::LN_2 + 2.0 * s * series
}

/// eˣ in double precision, to 1e-11, for |x| ≤ 700.
#[inline(always)]
pub fn exp_f64(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * std::f64::consts::LN_2;
    // Taylor series up to r⁹
    let mut sum = 1.0 / 362_880.0;
    for divisor in [40_320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        sum = sum * r + 1.0 / divisor;
    }
    let n = (shifted.to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64);
    sum * f64::from_bits((n.wrapping_add(1023) as u64) << 52)
}

/// aᵇ, correctly rounded but for ties within 1e-9 of the middle; powers that float32 holds exactly are exact.
#[inline(always)]
pub fn power(a: f32, b: f32) -> f32 {
    let magnitude = a.abs();
    // |a|ᵇ = exp(b ln |a|), in double precision
    let log = log_f64(f64::from(magnitude));
    let log = if magnitude == 0.0 { f64::NEG_INFINITY } else { log };
    let log = if magnitude < f32::INFINITY { log } else { f64::from(magnitude) };
    let exponent = f64::from(b) * log;
    // Clamped to where the result is 0 or ∞ in float32 anyway; NaN stays NaN.
    let exponent = if exponent < -200.0 { -200.0 } else { exponent };
    let exponent = if exponent > 200.0 { 200.0 } else { exponent };
    let result = exp_f64(exponent) as f32;
    // A negative base needs an integer exponent; an odd one keeps the sign.
    let is_integer = b.abs() >= 8_388_608.0 || (b.abs() + 8_388_608.0) - 8_388_608.0 == b.abs();
    let half = b * 0.5;
    let is_even = b.abs() >= 16_777_216.0 || (half.abs() + 8_388_608.0) - 8_388_608.0 == half.abs();
    let is_negative = a.to_bits() >> 31 != 0;
    let result = if is_negative && is_integer && !is_even { -result } else { result };
    let undefined = a < 0.0 && a > f32::NEG_INFINITY && !is_integer;
    let result = if undefined { f32::NAN } else { result };
    let is_one = b == 0.0 || a == 1.0 || (a == -1.0 && b.abs() == f32::INFINITY);
    if is_one { 1.0 } else { result }
}
#[cfg(test)]
mod tests {
    use super::gate_sigmoid;
    use crate::kernels::elementwise::accuracy::{sweep, ulps};

    #[test]
    fn the_sigmoid_of_gates_is_accurate_wherever_it_is_not_tiny() {
        for x in sweep() {
            let exact = 1.0 / (1.0 + f64::from(-x.max(-87.0)).exp());
            let exact = if x.is_nan() { f64::NAN } else { exact };
            for got in [gate_sigmoid::<false>(x), gate_sigmoid::<true>(x)] {
                let error = ulps(got, exact);
                assert!(error <= 3.0, "{error} ulp at {x:e}: {got:e}, exactly {exact:e}");
            }
        }
    }
}
