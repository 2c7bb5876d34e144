//! The one error of the engine.

use std::any::Any;
use std::sync::Arc;

/// What can go wrong while a graph is built, compiled or run.
///
/// Every message says what was expected and ends with what was received.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// An attribute or argument is out of its domain, whatever the data.
    #[error("{0}")]
    Configuration(String),
    /// Shapes or dtypes do not fit together.
    #[error("{0}")]
    Shape(String),
    /// A value met while running is out of its domain (a label, a token id).
    #[error("{0}")]
    Data(String),
    /// A step needs a variable that another step holds, which may be the one that waits for it.
    #[error("{0}")]
    Busy(String),
    /// What a function outside the engine raised. It is passed on as it is.
    #[error("a function that a step called has failed")]
    Raised(Raised),
    /// The operating system refused memory.
    #[error("out of memory: {0} bytes were asked for")]
    OutOfMemory(usize),
    /// A defect of rustnet itself.
    #[error("{0}")]
    Internal(String),
}

/// An error that is not the engine's.
#[derive(Debug, Clone)]
pub struct Raised(pub Arc<dyn Any + Send + Sync>);

/// Two are equal that are the same object.
impl PartialEq for Raised {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The same error, its message preceded by where it happened (a layer's name).
    pub fn within(self, scope: &str) -> Self {
        if scope.is_empty() {
            return self;
        }
        let prefixed = |message: String| format!("{scope}: {message}");
        match self {
            Self::Configuration(message) => Self::Configuration(prefixed(message)),
            Self::Shape(message) => Self::Shape(prefixed(message)),
            Self::Data(message) => Self::Data(prefixed(message)),
            other => other,
        }
    }
}
