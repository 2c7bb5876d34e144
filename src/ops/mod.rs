//! Every op, one family a file.

pub mod check;
pub mod elementwise;
mod entry;
pub mod registry;
mod rows;
#[cfg(test)]
pub mod testing;
mod window;

use crate::ops::entry::Entry;

macro_rules! families {
    ($($visibility:vis mod $family:ident;)*) => {
        $($visibility mod $family;)*

        /// The entries of the registry, those of elementwise ops apart.
        const FAMILIES: &[&[Entry]] = &[$($family::OPS),*];
    };
}

families! {
    pub mod conv;
    pub mod cumulative;
    pub mod gather;
    mod integer_matmul;
    pub mod matmul;
    mod normalize;
    pub mod pool;
    mod random;
    mod range;
    pub mod recurrent;
    pub mod reduce;
    pub mod shape;
    mod softmax;
    mod sort;
    mod svd;
}
