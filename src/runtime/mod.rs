//! What runs: variables, arenas, the compiled program and the batch feed.

mod arenas;
mod buffer;
mod feed;
mod locks;
mod order;
mod profile;
mod program;
mod variable;

pub use arenas::Arenas;
pub use buffer::Buffer;
pub use feed::{Column, ElementKind, Rows};
pub use order::Order;
pub use program::{Batches, Program};
pub use variable::Variable;

#[cfg(test)]
mod effects_tests;
#[cfg(test)]
mod tests;
