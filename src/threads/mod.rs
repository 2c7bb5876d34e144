//! The pool that kernels split their work over.

mod disjoint;

pub use disjoint::DisjointMut;

/// Calls `body(part)` for every `part` in `0..parts`, on one or several threads, and returns when all are done.
///
/// The number of parts must depend on shapes only, and each part must write memory of its own: then results are the
/// same bits for any number of threads. `work` is the estimated cost of all parts in nanoseconds on one thread; below
/// the cost of waking a thread the caller does everything itself.
pub fn for_each_part(parts: usize, work: u64, body: &(dyn Fn(usize) + Sync)) {
    let _ = work;
    for part in 0..parts {
        body(part);
    }
}
