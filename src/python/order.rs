//! `rustnet._core.Order` and `permutation`.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use super::errors::{detached, entry};
use crate::runtime::Order;

/// The rows of a pass, in order: read once, and held for all its batches.
#[pyclass(frozen, name = "Order", module = "rustnet._core")]
pub struct PyOrder(pub Order);

#[pymethods]
impl PyOrder {
    /// The rows that `rows` lists.
    #[new]
    fn new(rows: PyReadonlyArray1<'_, i64>) -> PyResult<Self> {
        entry(|| Ok(Self(Order::of(rows.as_array().iter().copied())?)))
    }

    fn __len__(&self) -> PyResult<usize> {
        entry(|| Ok(self.0.rows().len()))
    }
}

/// The numbers from 0 to `size - 1` in an order that depends on the seed and the round alone.
#[pyfunction]
pub fn permutation(py: Python<'_>, size: usize, seed: u64, round: u32) -> PyResult<PyOrder> {
    entry(|| detached(py, || Ok(PyOrder(Order::shuffled(size, seed, round)?))))
}
