//! The engine's errors as Python exceptions.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyErr, create_exception};

use crate::error::{Error, Raised, Result};

create_exception!(
    rustnet,
    ConfigurationError,
    PyValueError,
    "An argument is out of its domain, whatever the data."
);
create_exception!(rustnet, ShapeError, PyValueError, "Shapes or dtypes do not fit together.");
create_exception!(rustnet, DataError, PyValueError, "A value met while running is out of its domain.");
create_exception!(rustnet, InternalError, PyRuntimeError, "A defect of rustnet itself; please report it.");

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Configuration(_) => ConfigurationError::new_err(message),
            Error::Shape(_) => ShapeError::new_err(message),
            Error::Data(_) => DataError::new_err(message),
            Error::OutOfMemory(_) => PyMemoryError::new_err(message),
            Error::Busy(_) => PyRuntimeError::new_err(message),
            Error::Raised(Raised(raised)) => match raised.downcast_ref::<PyErr>() {
                Some(raised) => Python::attach(|py| raised.clone_ref(py)),
                None => InternalError::new_err(message),
            },
            Error::Internal(_) => InternalError::new_err(message),
        }
    }
}

/// Runs the body of a function that Python calls. A panic becomes an `InternalError`, which `except Exception` catches,
/// instead of a `PanicException`, which it does not.
pub fn entry<T>(body: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let version = env!("CARGO_PKG_VERSION");
        Err(InternalError::new_err(format!("a defect of rustnet {version}, please report it: {message}")))
    })
}

/// Runs engine code with the interpreter released.
pub fn detached<T: Send>(py: Python<'_>, body: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    Ok(py.detach(body)?)
}
