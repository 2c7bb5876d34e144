//! The boundary to Python: convert, detach, map the error, nothing else. Nothing outside names pyo3 or numpy.

mod arenas;
mod arrays;
mod callback;
mod errors;
mod exclusive;
mod fill;
mod graph;
mod listing;
mod order;
mod program;
mod variable;

use pyo3::prelude::*;

use errors::entry;

use crate::{compile, kernels, ops, threads};

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
    use super::fill::filled;
    #[pymodule_export]
    use super::graph::PyGraph;
    #[pymodule_export]
    use super::order::{PyOrder, permutation};
    #[pymodule_export]
    use super::program::PyProgram;
    #[pymodule_export]
    use super::variable::PyVariable;
    #[pymodule_export]
    use super::{get_num_threads, op_names, peak_flops_per_second, rule_names, set_num_threads};

    /// Reads the environment, so that a wrong setting is an error and not ignored.
    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        entry(|| {
            let variable = |name: &str| std::env::var(name).ok();
            simd::chosen(variable("RUSTNET_ISA").as_deref())?;
            threads::check_threads(variable("RUSTNET_NUM_THREADS").as_deref())?;
            Ok(())
        })
    }
}

/// The names of all ops, in the registry's order.
#[pyfunction]
fn op_names() -> PyResult<Vec<&'static str>> {
    entry(|| Ok(ops::registry::entries().map(|entry| entry.name).collect()))
}

/// The names of all rules that rewrite graphs, in the order in which a node is offered to them.
#[pyfunction]
fn rule_names() -> PyResult<Vec<&'static str>> {
    entry(|| Ok(compile::rules::names().collect()))
}

/// Sets how many threads kernels may use, the caller included.
#[pyfunction]
fn set_num_threads(threads: usize) -> PyResult<()> {
    entry(|| {
        if threads == 0 {
            let message = "expected at least one thread. Received: threads=0".to_owned();
            return Err(errors::ConfigurationError::new_err(message));
        }
        threads::set_num_threads(threads);
        Ok(())
    })
}

#[pyfunction]
fn get_num_threads() -> PyResult<usize> {
    entry(|| Ok(threads::num_threads()))
}

/// What all threads together reach with multiply-adds of registers alone, in float32 FLOP/s.
#[pyfunction]
fn peak_flops_per_second(py: Python<'_>) -> PyResult<f64> {
    entry(|| Ok(py.detach(kernels::peak::flops_per_second)))
}
