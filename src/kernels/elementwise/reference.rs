//! The plain meaning of every instruction, one element at a time: the oracle that instruction sequences and op tests are checked against.

use super::{BinaryOp, CompareOp, Instruction, LogicalOp, UnaryOp};
use crate::tensor::DType;

/// One element of any dtype.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    F32(f32),
    F64(f64),
    I32(i32),
    Bool(bool),
}

impl Scalar {
    pub fn dtype(self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
            Self::I32(_) => DType::I32,
            Self::Bool(_) => DType::Bool,
        }
    }

    pub fn to_f64(self) -> f64 {
        match self {
            Self::F32(value) => f64::from(value),
            Self::F64(value) => value,
            Self::I32(value) => f64::from(value),
            Self::Bool(value) => f64::from(u8::from(value)),
        }
    }

    fn cast(self, dtype: DType) -> Self {
        match dtype {
            DType::F32 => Self::F32(self.to_f64() as f32),
            DType::F64 => Self::F64(self.to_f64()),
            DType::I32 => Self::I32(self.to_f64() as i32),
            DType::Bool => Self::Bool(self.to_f64() != 0.0),
        }
    }
}

/// Applies one instruction to one element of each input.
pub fn evaluate(instruction: Instruction, inputs: &[Scalar]) -> Scalar {
    use Scalar::{Bool, F32, F64, I32};
    match (instruction, inputs) {
        (Instruction::Unary(op), &[F32(x)]) => match op {
            UnaryOp::IsNan => Bool(x.is_nan()),
            UnaryOp::IsFinite => Bool(x.is_finite()),
            // Computed in double precision and rounded once.
            _ => F32(unary(op, f64::from(x)) as f32),
        },
        (Instruction::Unary(op), &[F64(x)]) => match op {
            UnaryOp::IsNan => Bool(x.is_nan()),
            UnaryOp::IsFinite => Bool(x.is_finite()),
            _ => F64(unary(op, x)),
        },
        (Instruction::Unary(op), &[I32(x)]) => I32(match op {
            UnaryOp::Negative => x.wrapping_neg(),
            UnaryOp::Abs => x.wrapping_abs(),
            UnaryOp::Sign => x.signum(),
            UnaryOp::Square => x.wrapping_mul(x),
            UnaryOp::Relu => x.max(0),
            _ => panic!("{op:?} of int32"),
        }),
        (Instruction::Unary(UnaryOp::LogicalNot), &[Bool(x)]) => Bool(!x),
        (Instruction::Binary(op), &[F32(a), F32(b)]) => F32(binary(op, f64::from(a), f64::from(b)) as f32),
        (Instruction::Binary(op), &[F64(a), F64(b)]) => F64(binary(op, a, b)),
        (Instruction::Binary(op), &[I32(a), I32(b)]) => I32(binary_i32(op, a, b)),
        (Instruction::Compare(op), &[a, b]) => {
            assert_eq!(a.dtype(), b.dtype());
            Bool(compare(op, a.to_f64(), b.to_f64()))
        }
        (Instruction::Logical(LogicalOp::And), &[Bool(a), Bool(b)]) => Bool(a && b),
        (Instruction::Logical(LogicalOp::Or), &[Bool(a), Bool(b)]) => Bool(a || b),
        (Instruction::Select, &[Bool(condition), a, b]) => {
            assert_eq!(a.dtype(), b.dtype());
            if condition { a } else { b }
        }
        (Instruction::Cast(dtype), &[x]) => x.cast(dtype),
        _ => panic!("{instruction:?} of {inputs:?}"),
    }
}

fn unary(op: UnaryOp, x: f64) -> f64 {
    match op {
        UnaryOp::Negative => -x,
        UnaryOp::Abs => x.abs(),
        UnaryOp::Sign => {
            if x == 0.0 || x.is_nan() {
                x
            } else {
                x.signum()
            }
        }
        UnaryOp::Square => x * x,
        UnaryOp::Reciprocal => 1.0 / x,
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Rsqrt => 1.0 / x.sqrt(),
        UnaryOp::Exp => x.exp(),
        UnaryOp::Expm1 => x.exp_m1(),
        UnaryOp::Log => x.ln(),
        UnaryOp::Log1p => x.ln_1p(),
        UnaryOp::Sin => x.sin(),
        UnaryOp::Cos => x.cos(),
        UnaryOp::Tanh => x.tanh(),
        UnaryOp::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        UnaryOp::Relu => {
            if x.is_nan() {
                x
            } else {
                x.max(0.0)
            }
        }
        UnaryOp::Erf => libm::erf(x),
        UnaryOp::Floor => x.floor(),
        UnaryOp::Ceil => x.ceil(),
        UnaryOp::Round => x.round_ties_even(),
        UnaryOp::IsNan | UnaryOp::IsFinite | UnaryOp::LogicalNot => panic!("{op:?} gives a bool"),
    }
}

fn binary(op: BinaryOp, a: f64, b: f64) -> f64 {
    let nan = a.is_nan() || b.is_nan();
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide => a / b,
        BinaryOp::Power => a.powf(b),
        BinaryOp::Maximum | BinaryOp::Minimum if nan => f64::NAN,
        BinaryOp::Maximum => a.max(b),
        BinaryOp::Minimum => a.min(b),
        BinaryOp::ReluBackward if b > 0.0 => a,
        BinaryOp::ReluBackward => 0.0,
        BinaryOp::Mod => {
            let remainder = a % b;
            if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) { remainder + b } else { remainder }
        }
        // ±inf, or NaN for 0 / 0.
        BinaryOp::FloorDivide if b == 0.0 => a / b,
        BinaryOp::FloorDivide => {
            let remainder = a % b;
            let quotient = ((a - remainder) / b).round();
            if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) { quotient - 1.0 } else { quotient }
        }
    }
}

fn binary_i32(op: BinaryOp, a: i32, b: i32) -> i32 {
    match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Subtract => a.wrapping_sub(b),
        BinaryOp::Multiply => a.wrapping_mul(b),
        BinaryOp::Maximum => a.max(b),
        BinaryOp::Minimum => a.min(b),
        BinaryOp::ReluBackward if b > 0 => a,
        BinaryOp::ReluBackward => 0,
        // Division by zero gives 0, as in NumPy.
        BinaryOp::Mod if b == 0 => 0,
        BinaryOp::FloorDivide if b == 0 => 0,
        BinaryOp::Mod => {
            let remainder = a.wrapping_rem(b);
            if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder }
        }
        BinaryOp::FloorDivide => {
            let quotient = a.wrapping_div(b);
            let remainder = a.wrapping_rem(b);
            if remainder != 0 && (remainder < 0) != (b < 0) { quotient - 1 } else { quotient }
        }
        // A negative exponent truncates 1 / a^|b| towards zero.
        BinaryOp::Power if b < 0 => match a {
            1 => 1,
            -1 => 1 - 2 * (b & 1),
            _ => 0,
        },
        BinaryOp::Power => a.wrapping_pow(b as u32),
        BinaryOp::Divide => panic!("division of int32"),
    }
}

fn compare(op: CompareOp, a: f64, b: f64) -> bool {
    match op {
        CompareOp::Equal => a == b,
        CompareOp::NotEqual => a != b,
        CompareOp::Less => a < b,
        CompareOp::LessEqual => a <= b,
        CompareOp::Greater => a > b,
        CompareOp::GreaterEqual => a >= b,
    }
}
