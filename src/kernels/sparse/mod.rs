//! Products of matrices with zeros: only what is not zero is multiplied.
//!
//! [`SparseRows`] are rows that are mostly zeros, such as bags of words. [`SparseColumns`] are columns of which a good part
//! are zeros, as gradients have that went through a ReLU.
//!
//! Adding 0 · b changes no sum as long as b is finite, so these products skip it; where b is not finite, the dense ones must
//! be computed. Products with rows have the bits of the dense ones, and products with columns sum in another order.

mod column_product;
mod columns;
mod find;
mod nonzero;
mod product;
mod rows;
#[cfg(test)]
mod tests;

pub use column_product::ColumnProduct;
pub use columns::SparseColumns;
pub use product::{all_finite, product, transposed_product};
pub use rows::SparseRows;
