//! Element types, shapes and tensors: the vocabulary of every other module.

use ndarray::{ArrayD, IxDyn};

use crate::error::{Error, Result};

/// The element types of the engine. `Bool` is stored as one byte, 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    F32,
    F64,
    I32,
    Bool,
}

impl DType {
    pub const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::Bool => 1,
        }
    }

    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// NumPy's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I32 => "int32",
            Self::Bool => "bool",
        }
    }

    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "float32" => Ok(Self::F32),
            "float64" => Ok(Self::F64),
            "int32" => Ok(Self::I32),
            "bool" => Ok(Self::Bool),
            _ => Err(Error::Configuration(format!(
                "expected a dtype among float32, float64, int32, bool. Received: dtype={name:?}"
            ))),
        }
    }
}

/// A Rust type that can be an element of a tensor. `u8` is the storage of `Bool`.
pub trait Element: Copy + Default + PartialOrd + Send + Sync + std::fmt::Debug + 'static {
    const DTYPE: DType;
}

impl Element for f32 {
    const DTYPE: DType = DType::F32;
}
impl Element for f64 {
    const DTYPE: DType = DType::F64;
}
impl Element for i32 {
    const DTYPE: DType = DType::I32;
}
impl Element for u8 {
    const DTYPE: DType = DType::Bool;
}

/// The static type of a value: its dtype and its shape. Data is always contiguous, row-major.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    pub dtype: DType,
    pub shape: Vec<usize>,
}

impl TensorType {
    pub fn new(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype, shape: shape.into() }
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn bytes(&self) -> usize {
        self.size() * self.dtype.size()
    }

    /// The same type, or an error where the number of bytes does not fit in `isize`.
    pub fn checked(self) -> Result<Self> {
        self.shape
            .iter()
            .try_fold(self.dtype.size(), |bytes, &dim| bytes.checked_mul(dim))
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .map(|_| ())
            .ok_or_else(|| {
                Error::Shape(format!("a tensor's size must fit in memory. Received: shape={:?}", self.shape))
            })?;
        Ok(self)
    }
}

impl std::fmt::Display for TensorType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.dtype.name(), self.shape)
    }
}

/// An empty vector with room for so many elements: for what users decide the size of, whose memory may be refused.
pub fn room_for<T>(elements: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    let bytes = elements.saturating_mul(size_of::<T>());
    vector.try_reserve_exact(elements).map_err(|_| Error::OutOfMemory(bytes))?;
    Ok(vector)
}

/// An owned tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
    I32(ArrayD<i32>),
    Bool(ArrayD<u8>),
}

/// Runs `$body` with `$array` bound to the array inside `$tensor`, whatever its element type.
#[macro_export]
macro_rules! with_array {
    ($tensor:expr, $array:ident => $body:expr) => {
        match $tensor {
            $crate::tensor::Tensor::F32($array) => $body,
            $crate::tensor::Tensor::F64($array) => $body,
            $crate::tensor::Tensor::I32($array) => $body,
            $crate::tensor::Tensor::Bool($array) => $body,
        }
    };
}

/// Runs `$body` with the type `$T` standing for the storage of `$dtype`.
#[macro_export]
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::tensor::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::tensor::DType::Bool => {
                type $T = u8;
                $body
            }
        }
    };
}

/// [`with_dtype`] for ops whose shape rule lets only floats pass.
#[macro_export]
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::tensor::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::tensor::DType::F64 => {
                type $T = f64;
                $body
            }
            other => unreachable!("the shape rule lets no {} pass", other.name()),
        }
    };
}

impl Tensor {
    pub fn zeros(ty: &TensorType) -> Self {
        let shape = IxDyn(&ty.shape);
        match ty.dtype {
            DType::F32 => Self::F32(ArrayD::zeros(shape)),
            DType::F64 => Self::F64(ArrayD::zeros(shape)),
            DType::I32 => Self::I32(ArrayD::zeros(shape)),
            DType::Bool => Self::Bool(ArrayD::zeros(shape)),
        }
    }

    /// A scalar (rank 0) of any dtype, rounded from `value`.
    pub fn scalar(dtype: DType, value: f64) -> Self {
        let shape = IxDyn(&[]);
        match dtype {
            DType::F32 => Self::F32(ArrayD::from_elem(shape, value as f32)),
            DType::F64 => Self::F64(ArrayD::from_elem(shape, value)),
            DType::I32 => Self::I32(ArrayD::from_elem(shape, value as i32)),
            DType::Bool => Self::Bool(ArrayD::from_elem(shape, u8::from(value != 0.0))),
        }
    }

    pub fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
            Self::I32(_) => DType::I32,
            Self::Bool(_) => DType::Bool,
        }
    }

    pub fn shape(&self) -> &[usize] {
        with_array!(self, array => array.shape())
    }

    /// Whether type and elements are the same to the bit, also where they are NaN.
    pub fn is_same(&self, other: &Self) -> bool {
        if self.shape() != other.shape() {
            return false;
        }
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()),
            (Self::F64(a), Self::F64(b)) => a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()),
            (Self::I32(a), Self::I32(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            _ => false,
        }
    }

    pub fn tensor_type(&self) -> TensorType {
        TensorType::new(self.dtype(), self.shape())
    }
}
