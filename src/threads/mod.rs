//! The pool that kernels split their work over, and what goes with it.
//!
//! One pool serves the process. It starts with the first loop that is worth it, and again in a forked child.

mod call_out;
mod cost_model;
mod denormals;
mod disjoint;
mod fork;
mod holders;
mod pool;
mod reentrant;
mod rounds;
mod size;
mod slots;

pub use call_out::{call_out, is_called_out};
pub use denormals::FlushDenormals;
pub use disjoint::DisjointMut;
pub use fork::{PerProcess, whole};
pub use holders::Holders;
pub use reentrant::Reentrant;
pub use rounds::for_each_round;
pub use size::{check_threads, num_threads, set_num_threads};
pub use slots::Slots;

use cost_model::pays_to_share;

/// Calls `body(part)` for every `part` in `0..parts`, on one or several threads, and returns when all are done.
///
/// Each part must write memory of its own, and where results depend on the number of parts, that must depend on shapes
/// only: then they are the same bits for any number of threads. `work` is the estimated cost of all parts in nanoseconds
/// on one thread; where sharing would cost more than it saves the caller does everything itself, and so it does inside a
/// part and where another thread is using the pool. A panic in a part is passed on to the caller.
pub fn for_each_part(parts: usize, work: u64, body: &(dyn Fn(usize) + Sync)) {
    let threads = if parts > 1 { num_threads().min(parts) } else { 1 };
    if threads <= 1 || !pays_to_share(work) || !pool::run(threads, parts, threads, body) {
        (0..parts).for_each(body);
    }
}

#[cfg(test)]
mod tests;
