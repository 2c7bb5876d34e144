//! What a new tensor is filled with, by the engine, where it lies.

use numpy::PyUntypedArray;
use pyo3::prelude::*;

use super::arrays::zeros;
use super::errors::{detached, entry};
use crate::error::{Error, Result};
use crate::kernels::parallel::{elements_of, for_each_chunk};
use crate::kernels::random::{self, Distribution, Key};
use crate::tensor::{DType, TensorType};
use crate::with_float;

/// Elements of one part of a loop that writes a constant.
const CONSTANT_PART: usize = 1 << 18;

pub enum Fill {
    Constant(f64),
    Random { distribution: Distribution, key: Key, parameters: [f64; 2] },
}

impl Fill {
    /// `parameters` are a constant twice, the ends of a uniform distribution, or mean and standard deviation of a normal one.
    pub fn new(name: &str, seed: u64, parameters: [f64; 2]) -> Result<Self> {
        let distribution = match name {
            "constant" => return Ok(Self::Constant(parameters[0])),
            "uniform" => Distribution::Uniform,
            "normal" => Distribution::Normal,
            "truncated_normal" => Distribution::TruncatedNormal,
            _ => {
                return Err(Error::Configuration(format!(
                    "expected constant, uniform, normal or truncated_normal. Received: distribution={name:?}"
                )));
            }
        };
        Ok(Self::Random { distribution, key: [seed as u32, (seed >> 32) as u32], parameters })
    }

    /// Writes every element of a tensor that holds zeros.
    pub fn write(&self, dtype: DType, bytes: &mut [u8]) -> Result<()> {
        match *self {
            Self::Constant(value) if value.to_bits() == 0 => {}
            _ if !dtype.is_float() => {
                return Err(Error::Configuration(format!(
                    "expected a dtype among float32, float64. Received: dtype={:?}",
                    dtype.name()
                )));
            }
            Self::Constant(value) => with_float!(dtype, T => {
                let elements = elements_of::<T>(bytes);
                let work = elements.len() as u64 / 4;
                for_each_chunk(elements, CONSTANT_PART, work, &|_, part| part.fill(value as T));
            }),
            Self::Random { distribution, key, parameters } => with_float!(dtype, T => {
                if !parameters.iter().all(|&parameter| (parameter as T).is_finite()) {
                    return Err(Error::Configuration(format!(
                        "expected a distribution of finite numbers. Received: {distribution:?} by {parameters:?}"
                    )));
                }
                random::fill(distribution, elements_of::<T>(bytes), key, parameters);
            }),
        }
        Ok(())
    }
}

/// A new array of so many elements, `shape`, that the engine fills: see `Fill::new`.
#[pyfunction]
pub fn filled<'py>(
    py: Python<'py>,
    dtype: &str,
    shape: Vec<usize>,
    distribution: &str,
    seed: u64,
    parameters: [f64; 2],
) -> PyResult<Bound<'py, PyUntypedArray>> {
    entry(|| {
        let fill = Fill::new(distribution, seed, parameters)?;
        let ty = TensorType::new(DType::from_name(dtype)?, shape).checked()?;
        let (array, mut target) = zeros(py, &ty)?;
        detached(py, || fill.write(ty.dtype, target.as_mut_slice()))?;
        Ok(array)
    })
}
