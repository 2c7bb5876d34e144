//! The boundary to Python: convert, detach, map the error, nothing else. Nothing outside names pyo3 or numpy.

mod arenas;
mod arrays;
mod errors;
mod exclusive;
mod graph;
mod program;
mod variable;

use numpy::PyArray1;
use pyo3::prelude::*;

use crate::{kernels, ops, threads};

/// The compiled engine of rustnet; what users see is the package `rustnet`.
#[pymodule]
mod _core {
    use super::*;
    use crate::kernels::simd;

    #[pymodule_export]
    use super::arenas::PyArenas;
    #[pymodule_export]
    use super::errors::{ConfigurationError, DataError, InternalError, ShapeError};
    #[pymodule_export]
    use super::exclusive::PyExclusive;
    #[pymodule_export]
    use super::graph::PyGraph;
    #[pymodule_export]
    use super::program::PyProgram;
    #[pymodule_export]
    use super::variable::PyVariable;
    /// Reads the environment, so that a wrong setting is an error and not ignored.
    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        let variable = |name: &str| std::env::var(name).ok();
        simd::chosen(variable("RUSTNET_ISA").as_deref())?;
        threads::check_threads(variable("RUSTNET_NUM_THREADS").as_deref())?;
        Ok(())
    }

    #[pymodule_export]
    use super::{get_num_threads, op_names, peak_flops_per_second, permutation, set_num_threads};
}

/// The names of all ops, in the registry's order.
#[pyfunction]
fn op_names() -> Vec<&'static str> {
    ops::registry::entries().map(|entry| entry.name).collect()
}

/// Sets how many threads kernels may use, the caller included.
#[pyfunction]
fn set_num_threads(threads: usize) -> PyResult<()> {
    if threads == 0 {
        let message = "expected at least one thread. Received: threads=0".to_owned();
        return Err(errors::ConfigurationError::new_err(message));
    }
    threads::set_num_threads(threads);
    Ok(())
}

/// The numbers from 0 to `size - 1` in an order that depends on the seed and the round alone.
#[pyfunction]
fn permutation(py: Python<'_>, size: usize, seed: u64, round: u32) -> Bound<'_, PyArray1<i64>> {
    let mut order = vec![0; size];
    kernels::random::permutation(&mut order, [seed as u32, (seed >> 32) as u32], round);
    PyArray1::from_vec(py, order)
}

#[pyfunction]
fn get_num_threads() -> usize {
    threads::num_threads()
}

/// What all threads together reach with multiply-adds of registers alone, in float32 FLOP/s.
#[pyfunction]
fn peak_flops_per_second(py: Python<'_>) -> f64 {
    py.detach(kernels::peak::flops_per_second)
}
