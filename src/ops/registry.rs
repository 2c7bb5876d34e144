//! All ops by name.

use super::entry::Entry;
use super::{FAMILIES, elementwise};
use crate::error::{Error, Result};
use crate::graph::{Attributes, OpRef};

pub fn build(name: &str, attributes: &Attributes) -> Result<OpRef> {
    match entries().find(|entry| entry.name == name) {
        Some(entry) => (entry.build)(attributes).map_err(|error| error.within(name)),
        None => Err(Error::Configuration(format!("expected the name of an op. Received: {name:?}"))),
    }
}

pub fn entries() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().chain(elementwise::FAMILIES).flat_map(|family| family.iter())
}
