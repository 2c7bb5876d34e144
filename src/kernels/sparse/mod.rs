//! Products of matrices whose rows are mostly zeros, such as bags of words: only what is not zero is multiplied.
//!
//! Adding 0 · b changes no sum as long as b is finite, so these products have the bits of the dense ones, of which they
//! skip all that changes nothing; where b is not finite, the dense ones must be computed.

mod product;
mod rows;
#[cfg(test)]
mod tests;

pub use product::{all_finite, product, transposed_product};
pub use rows::SparseRows;
