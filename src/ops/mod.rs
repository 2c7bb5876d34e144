//! Every op, one family a file.

pub mod registry;
