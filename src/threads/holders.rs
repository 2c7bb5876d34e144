//! Who keeps something as it is for a while, and may call code meanwhile that does not belong to the engine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::fork::{PerProcess, this_thread};

/// Any number of threads that read, or one thread that will write. That one may enter again to read.
///
/// A forked child finds nobody: the threads that held are not there.
#[derive(Debug, Default)]
pub struct Holders {
    /// Nobody holds where this is 0.
    entered: AtomicUsize,
    waiting: PerProcess<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    holding: Mutex<Holding>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Holding {
    /// By their numbers, a thread that entered twice twice.
    readers: Vec<u32>,
    writer: Option<u32>,
    /// How many wait to write. Readers that can wait let them go first.
    writers_waiting: usize,
}

impl Holding {
    fn is_free_to(&self, writes: bool, waits: bool) -> bool {
        if writes {
            self.is_nobody()
        } else {
            self.writer.is_none_or(|writer| writer == this_thread()) && (self.writers_waiting == 0 || !waits)
        }
    }

    fn is_nobody(&self) -> bool {
        self.readers.is_empty() && self.writer.is_none()
    }
}

impl Holders {
    /// Enters to read or to write, and waits for that if it `waits`. Whether this thread has entered, and owes a
    /// [`Holders::leave`].
    pub fn enter(&self, writes: bool, waits: bool) -> bool {
        let mut holding = self.holding();
        if !holding.is_free_to(writes, waits) {
            if !waits {
                return false;
            }
            holding.writers_waiting += usize::from(writes);
            while !holding.is_free_to(writes, waits) {
                holding = self.wait(holding);
            }
            holding.writers_waiting -= usize::from(writes);
        }
        if writes {
            holding.writer = Some(this_thread());
        } else {
            holding.readers.push(this_thread());
        }
        self.entered.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// Ends one [`Holders::enter`] of this thread.
    pub fn leave(&self, writes: bool) {
        let mut holding = self.holding();
        if writes {
            holding.writer = None;
        } else if let Some(index) = holding.readers.iter().position(|&reader| reader == this_thread()) {
            holding.readers.swap_remove(index);
        }
        self.entered.fetch_sub(1, Ordering::SeqCst);
        self.waiting.get().left.notify_all();
    }

    /// Whether nobody holds.
    pub fn is_free(&self) -> bool {
        self.entered.load(Ordering::SeqCst) == 0 || self.holding().is_nobody()
    }

    /// Waits until nobody holds.
    pub fn wait_until_free(&self) {
        let mut holding = self.holding();
        holding.writers_waiting += 1;
        while !holding.is_nobody() {
            holding = self.wait(holding);
        }
        holding.writers_waiting -= 1;
        self.waiting.get().left.notify_all();
    }

    fn holding(&self) -> MutexGuard<'_, Holding> {
        self.waiting.get().holding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, holding: MutexGuard<'a, Holding>) -> MutexGuard<'a, Holding> {
        self.waiting.get().left.wait(holding).unwrap_or_else(PoisonError::into_inner)
    }
}
