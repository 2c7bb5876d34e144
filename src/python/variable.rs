//! `rustnet._core.Variable`.

use std::sync::Arc;

use numpy::PyUntypedArray;
use pyo3::prelude::*;

use super::arrays::{Bytes, zeros};
use super::errors::{detached, entry};
use super::fill::Fill;
use crate::runtime::Variable;
use crate::tensor::{DType, TensorType};

/// A tensor that programs read and update in place. Its shape and dtype never change.
#[pyclass(frozen, name = "Variable", module = "rustnet._core")]
pub struct PyVariable(pub Arc<Variable>);

#[pymethods]
impl PyVariable {
    /// A variable that starts as a copy of `array`.
    #[new]
    fn new(py: Python<'_>, array: &Bound<'_, PyUntypedArray>) -> PyResult<Self> {
        entry(|| {
            let source = Bytes::to_read(array)?;
            detached(py, || {
                let variable = Variable::zeros(source.ty.clone())?;
                variable.copy_from(source.as_slice())?;
                Ok(Self(Arc::new(variable)))
            })
        })
    }

    /// A variable that the engine fills: see `Fill::new`.
    #[staticmethod]
    fn filled(
        py: Python<'_>,
        dtype: &str,
        shape: Vec<usize>,
        distribution: &str,
        seed: u64,
        parameters: [f64; 2],
    ) -> PyResult<Self> {
        entry(|| {
            let fill = Fill::new(distribution, seed, parameters)?;
            let ty = TensorType::new(DType::from_name(dtype)?, shape).checked()?;
            let dtype = ty.dtype;
            detached(py, || Ok(Self(Arc::new(Variable::filled(ty, |bytes| fill.write(dtype, bytes))?))))
        })
    }

    #[getter]
    fn shape(&self) -> PyResult<Vec<usize>> {
        entry(|| Ok(self.0.ty().shape.clone()))
    }

    #[getter]
    fn dtype(&self) -> PyResult<&'static str> {
        entry(|| Ok(self.0.ty().dtype.name()))
    }

    /// A copy of the content.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyUntypedArray>> {
        entry(|| {
            let (array, mut target) = zeros(py, self.0.ty())?;
            detached(py, || self.0.copy_to(target.as_mut_slice()))?;
            Ok(array)
        })
    }

    /// Replaces the content by a copy of `array`, which has the variable's shape and dtype.
    fn assign(&self, py: Python<'_>, array: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
        entry(|| {
            let source = Bytes::of_type(array, self.0.ty())?;
            detached(py, || self.0.copy_from(source.as_slice()))
        })
    }

    /// Sets every element to zero.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        entry(|| detached(py, || self.0.clear()))
    }
}
