//! Division with a remainder.

use super::binary::binary;
use super::{multiply, negative};

binary! {
    /// a − b·⌊a / b⌋, Python's `%`: the sign is that of the divisor
    modulo Modulo "mod" {
        [f32 f64] |a, b| {
            let remainder = a % b;
            let wraps = remainder != 0.0 && (remainder < 0.0) != (b < 0.0);
            if wraps { remainder + b } else { remainder }
        };
        // 0 where the divisor is 0, as in NumPy.
        [i32] |a, b| {
            if b == 0 {
                return 0;
            }
            let remainder = a.wrapping_rem(b);
            if remainder != 0 && (remainder ^ b) < 0 { remainder + b } else { remainder }
        };
        exact: |a, b| {
            let remainder = a % b;
            if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) { remainder + b } else { remainder }
        },
        exact_int: Some(|a, b| match b {
            0 => 0,
            _ => (i64::from(a) - i64::from(b) * floor(a, b)) as i32,
        }),
        picoseconds: Some([5_000, 5_000]),
        da: |_, _, _, _, dy| Ok(Some(dy)),
        // −dy · ⌊a / b⌋
        db: |graph, a, b, _, dy| {
            let quotient = floor_divide(graph, a, b)?;
            let slope = negative(graph, quotient)?;
            multiply(graph, dy, slope).map(Some)
        },
    }

    /// ⌊a / b⌋, so that it fits [`modulo`]
    floor_divide FloorDivide "floor_divide" {
        // The quotient by exact remainders; ±∞ or NaN where the divisor is 0.
        [f32 f64] |a, b| {
            let remainder = a % b;
            let wraps = remainder != 0.0 && (remainder < 0.0) != (b < 0.0);
            let quotient = ((a - remainder) / b).round_ties_even();
            let quotient = if wraps { quotient - 1.0 } else { quotient };
            if b == 0.0 { a / b } else { quotient }
        };
        // 0 where the divisor is 0, as in NumPy.
        [i32] |a, b| {
            if b == 0 {
                return 0;
            }
            let remainder = a.wrapping_rem(b);
            let quotient = a.wrapping_div(b);
            if remainder != 0 && (remainder ^ b) < 0 { quotient - 1 } else { quotient }
        };
        exact: |a, b| {
            if b == 0.0 {
                return a / b;
            }
            let remainder = a % b;
            let quotient = ((a - remainder) / b).round();
            if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) { quotient - 1.0 } else { quotient }
        },
        exact_int: Some(|a, b| if b == 0 { 0 } else { floor(a, b) as i32 }),
        // A quotient so large that it has no fraction is rounded twice.
        ulps: 2.0,
        picoseconds: Some([5_000, 5_000]),
    }
}

/// ⌊a / b⌋ where b is not 0
fn floor(a: i32, b: i32) -> i64 {
    (f64::from(a) / f64::from(b)).floor() as i64
}
