//! Scratch memory that the parts of a parallel loop take turns at.

use std::sync::atomic::{AtomicU64, Ordering};

use super::DisjointMut;

/// As many pieces of memory as a loop may have parts at work. A part borrows the first that is free, so that only as many
/// are touched as there are threads, and stay in their caches from part to part.
pub struct Slots<'a, T> {
    memory: DisjointMut<'a, T>,
    /// Elements of a slot.
    len: usize,
    /// A bit for each slot.
    taken: AtomicU64,
}

impl<'a, T> Slots<'a, T> {
    /// `memory` cut into slots of `len` elements. There must be one for each part, and no more than 64 are used.
    pub fn new(memory: &'a mut [T], len: usize) -> Self {
        Self { memory: DisjointMut::new(memory), len, taken: AtomicU64::new(0) }
    }

    /// Runs `body` with a slot of its own. What the slot holds before is left over from other parts: `body` may not let
    /// its result depend on it.
    pub fn with(&self, body: impl FnOnce(&mut [T])) {
        let mut taken = self.taken.load(Ordering::Relaxed);
        let slot = loop {
            let slot = taken.trailing_ones();
            match self.taken.compare_exchange_weak(
                taken,
                taken | 1 << slot,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => break slot,
                Err(now) => taken = now,
            }
        };
        let first = slot as usize * self.len;
        // SAFETY: the bit keeps others from this slot until it is given back.
        body(unsafe { self.memory.slice(first..first + self.len) });
        self.taken.fetch_and(!(1 << slot), Ordering::Release);
    }
}
