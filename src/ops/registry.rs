//! The table of all ops by name: the one list that a new op is added to.

use super::entry::Entry;
use crate::error::{Error, Result};
use crate::graph::{Attributes, OpRef};

/// One slice for each family.
#[rustfmt::skip]
const FAMILIES: &[&[Entry]] = &[
    super::conv::OPS,
    super::cumulative::OPS,
    super::gather::OPS,
    super::integer_matmul::OPS,
    super::matmul::OPS,
    super::normalize::OPS,
    super::pool::OPS,
    super::recurrent::OPS,
    super::random::OPS,
    super::range::OPS,
    super::reduce::OPS,
    super::shape::OPS,
    super::softmax::OPS,
    super::sort::OPS,
    super::svd::OPS,
];

pub fn build(name: &str, attributes: &Attributes) -> Result<OpRef> {
    match entries().find(|entry| entry.name == name) {
        Some(entry) => (entry.build)(attributes).map_err(|error| error.within(name)),
        None => Err(Error::Configuration(format!("expected the name of an op. Received: {name:?}"))),
    }
}

pub fn entries() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().chain(super::elementwise::FAMILIES).flat_map(|family| family.iter())
}
