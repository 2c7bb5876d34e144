//! The plain meaning of an instruction, one element at a time: the oracle that instruction sequences and op tests are
//! checked against.

use super::{Instruction, Meaning};
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
    /// A number of a dtype. An int wraps around, and a bool is true unless the number is 0.
    pub fn new(dtype: DType, value: f64) -> Self {
        match dtype {
            DType::F32 => Self::F32(value as f32),
            DType::F64 => Self::F64(value),
            DType::I32 => Self::I32(value as i64 as i32),
            DType::Bool => Self::Bool(value != 0.0),
        }
    }

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

    /// A float becomes the nearest int towards 0 that there is.
    fn cast(self, dtype: DType) -> Self {
        match dtype {
            DType::I32 => Self::I32(self.to_f64() as i32),
            _ => Self::new(dtype, self.to_f64()),
        }
    }
}

/// Applies one instruction to one element of each input.
pub fn evaluate(instruction: Instruction, inputs: &[Scalar]) -> Scalar {
    let dtypes: Vec<DType> = inputs.iter().map(|input| input.dtype()).collect();
    let form = instruction.form(&dtypes).unwrap_or_else(|| panic!("{instruction:?} of {inputs:?}"));
    let value = match (instruction.meaning, inputs) {
        (Meaning::Select, &[condition, a, b]) => return if condition == Scalar::Bool(true) { a } else { b },
        (Meaning::Cast, &[x]) => return x.cast(form.output),
        (Meaning::Unary { int: Some(int), .. }, &[Scalar::I32(x)]) => f64::from(int(x)),
        (Meaning::Binary { int: Some(int), .. }, &[Scalar::I32(a), Scalar::I32(b)]) => f64::from(int(a, b)),
        (Meaning::Unary { float, .. }, &[x]) => float(x.to_f64()),
        (Meaning::Binary { float, .. }, &[a, b]) => float(a.to_f64(), b.to_f64()),
        _ => panic!("{instruction:?} has a form of {} inputs", inputs.len()),
    };
    let is_exact = value.abs() < 2f64.powi(53);
    assert!(form.output != DType::I32 || is_exact, "{instruction:?} needs a rule for int32: {inputs:?}");
    Scalar::new(form.output, value)
}
