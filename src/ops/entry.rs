//! What an op says of itself to the registry.

use crate::error::Result;
use crate::graph::{Attributes, OpRef};

/// How the op of one name is made from its attributes.
pub struct Entry {
    pub name: &'static str,
    pub build: fn(&Attributes) -> Result<OpRef>,
}
