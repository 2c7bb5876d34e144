//! Softmax, log-softmax and the cross-entropies that are fused with them.

mod cross_entropy;
mod normalized;

use super::entry::Entry;

pub const OPS: &[Entry] = &[
    Entry { name: "softmax", build: |attributes| normalized::Softmax::build(false, attributes) },
    Entry { name: "log_softmax", build: |attributes| normalized::Softmax::build(true, attributes) },
    Entry { name: "softmax_cross_entropy", build: cross_entropy::CrossEntropy::build },
    Entry { name: "sparse_softmax_cross_entropy", build: cross_entropy::SparseCrossEntropy::build },
];
