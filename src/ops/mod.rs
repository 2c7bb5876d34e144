//! Every op, one family a file.

pub mod registry;
#[cfg(test)]
pub mod testing;
