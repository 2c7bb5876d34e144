//! `rustnet._core.Arenas`.

use std::sync::Arc;

use pyo3::prelude::*;

use super::errors::entry;
use crate::runtime::Arenas;

/// The memory that the runs of several programs take turns at, such as all programs of one model.
#[pyclass(frozen, name = "Arenas", module = "rustnet._core")]
#[derive(Default)]
pub struct PyArenas(pub Arc<Arenas>);

#[pymethods]
impl PyArenas {
    #[new]
    fn new() -> PyResult<Self> {
        entry(|| Ok(Self::default()))
    }
}
