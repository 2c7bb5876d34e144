//! Powers and roots of two numbers.

use super::binary::binary;
use super::{divide, equal, log, multiply, scalar_like, select, subtract};
use crate::error::Result;
use crate::graph::{Graph, Properties, Source, Value};
use crate::kernels::elementwise::{self, BinaryFunction, Kernel};
use crate::kernels::simd::Isa;
use crate::tensor::Tensor;

binary! {
    /// aᵇ; of int32, 1 / aᵇ is truncated towards 0
    power Power "power" {
        [f32 f64];
        [i32] |a, b| match (u32::try_from(b), a) {
            (Ok(exponent), _) => a.wrapping_pow(exponent),
            (Err(_), 1) => 1,
            (Err(_), -1) if b & 1 == 0 => 1,
            (Err(_), -1) => -1,
            (Err(_), _) => 0,
        };
        exact: f64::powf,
        exact_int: Some(|a, b| match (a, b < 0) {
            (_, false) => a.wrapping_pow(b as u32),
            (1, true) => 1,
            (-1, true) => 1 - 2 * (b & 1),
            (_, true) => 0,
        }),
        ulps: 0.51,
        picoseconds: Some([5_000, 5_000]),
        da: |graph, a, b, _, dy| gradient_of_base(graph, a, b, dy),
        db: |graph, a, _, y, dy| gradient_of_exponent(graph, a, y, dy).map(Some),
        kinks: &[([0.0, 0.0], [0.0, 0.0]), ([0.0, 1.0], [1.0, 0.0]), ([0.0, 2.0], [0.0, 0.0])],
    }

    /// √(a² + b²), without overflow
    hypot Hypot "hypot" {
        [f32] |a, b| hypot_of_float32(a, b);
        [f64] |a, b| a.hypot(b);
        exact: f64::hypot,
        ulps: 0.51,
        picoseconds: Some([400, 5_000]),
        da: |graph, a, _, y, dy| gradient_of_side(graph, a, y, dy).map(Some),
        db: |graph, _, b, y, dy| gradient_of_side(graph, b, y, dy).map(Some),
        kinks: &[([0.0, 0.0], [0.0, 0.0])],
        properties: Properties { keeps_zero: true, commutative: true, ..Properties::NONE },
    }
}

/// The kernel of float powers looks at the exponent first.
macro_rules! of_floats {
    ($($t:ident)+) => {$(
        impl BinaryFunction<$t> for Power {
            type Output = $t;

            #[inline(always)]
            fn element<const FMA: bool>(a: $t, b: $t) -> $t {
                elementwise::Power::element::<FMA>(a, b)
            }

            fn kernel(isa: Isa) -> Kernel {
                <elementwise::Power as BinaryFunction<$t>>::kernel(isa)
            }
        }
    )+};
}

of_floats!(f32 f64);

/// dy · b · aᵇ⁻¹, and 0 where b = 0.
fn gradient_of_base(graph: &mut Graph, a: Value, b: Value, dy: Value) -> Result<Option<Value>> {
    let constant = constant_scalar(graph, b);
    if constant == Some(0.0) {
        return Ok(None);
    }
    if constant == Some(1.0) {
        return Ok(Some(dy));
    }
    let one = scalar_like(graph, b, 1.0);
    let lowered = match constant {
        Some(exponent) => scalar_like(graph, b, exponent - 1.0),
        None => subtract(graph, b, one)?,
    };
    let lower_power = if constant == Some(2.0) { a } else { power(graph, a, lowered)? };
    let mut slope = multiply(graph, b, lower_power)?;
    if constant.is_none() {
        let zero = scalar_like(graph, b, 0.0);
        let is_zero = equal(graph, b, zero)?;
        slope = select(graph, is_zero, zero, slope)?;
    }
    Ok(Some(multiply(graph, dy, slope)?))
}

/// dy · y · ln a, where ln 0 counts as 0: the limit for every positive exponent.
fn gradient_of_exponent(graph: &mut Graph, a: Value, y: Value, dy: Value) -> Result<Value> {
    let zero = scalar_like(graph, a, 0.0);
    let one = scalar_like(graph, a, 1.0);
    let is_zero = equal(graph, a, zero)?;
    let safe = select(graph, is_zero, one, a)?;
    let log = log(graph, safe)?;
    let slope = multiply(graph, y, log)?;
    multiply(graph, dy, slope)
}

/// In double precision no square overflows. Infinity counts, whatever the other is.
#[inline(always)]
fn hypot_of_float32(a: f32, b: f32) -> f32 {
    let (x, y) = (f64::from(a), f64::from(b));
    let root = (x * x + y * y).sqrt() as f32;
    let is_infinite = a.abs() == f32::INFINITY || b.abs() == f32::INFINITY;
    if is_infinite { f32::INFINITY } else { root }
}

/// dy · side / y, and 0 where y = 0.
fn gradient_of_side(graph: &mut Graph, side: Value, y: Value, dy: Value) -> Result<Value> {
    let zero = scalar_like(graph, y, 0.0);
    let one = scalar_like(graph, y, 1.0);
    let is_zero = equal(graph, y, zero)?;
    let safe = select(graph, is_zero, one, y)?;
    let slope = divide(graph, side, safe)?;
    multiply(graph, dy, slope)
}

/// The number that `value` is, if it is a constant of one element.
fn constant_scalar(graph: &Graph, value: Value) -> Option<f64> {
    match graph.source(value) {
        Source::Constant(tensor) => match tensor.as_ref() {
            Tensor::F32(array) if array.len() == 1 => array.first().map(|&value| f64::from(value)),
            Tensor::F64(array) if array.len() == 1 => array.first().copied(),
            _ => None,
        },
        _ => None,
    }
}
