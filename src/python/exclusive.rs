//! `rustnet._core.Exclusive`.

use std::time::Duration;

use pyo3::prelude::*;

use super::errors::entry;
use crate::threads::Reentrant;

/// How long a thread waits before it looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// A lock for Python code, which only one thread at a time runs.
#[pyclass(frozen, name = "Exclusive", module = "rustnet._core")]
#[derive(Default)]
pub struct PyExclusive(Reentrant);

#[pymethods]
impl PyExclusive {
    #[new]
    fn new() -> PyResult<Self> {
        entry(|| Ok(Self::default()))
    }

    /// `function()`, while no other thread is in a call of this method. A thread that is may call it again.
    ///
    /// The lock is given back whatever happens in `function`, an interrupt included. In a forked child it is free, unless
    /// the thread that forked holds it.
    fn run<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        entry(|| {
            let py = function.py();
            if !self.0.enter(Duration::ZERO) {
                while !py.detach(|| self.0.enter(LOOK)) {
                    py.check_signals()?;
                }
            }
            let _entered = Entered(&self.0);
            function.call0()
        })
    }
}

struct Entered<'a>(&'a Reentrant);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
