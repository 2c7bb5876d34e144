//! A lock that the thread that holds it may take again.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fork::{PerProcess, generation, is_here, this_thread, watch_forks};

/// Held by one thread at a time. What a thread held that a fork left behind is free in the child; what the forking thread
/// itself held, it still holds there.
#[derive(Debug, Default)]
pub struct Reentrant {
    /// The holder's process in the upper half and its number in the lower; 0 where nobody is.
    holder: AtomicU64,
    /// How often the holder has entered. Only the holder reads and writes it.
    depth: AtomicUsize,
    waiting: PerProcess<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    threads: AtomicUsize,
    lock: Mutex<()>,
    left: Condvar,
}

impl Reentrant {
    /// Waits so long for the lock; whether this thread has it now, and owes a [`Reentrant::leave`].
    pub fn enter(&self, timeout: Duration) -> bool {
        if self.try_enter() {
            return true;
        }
        let began = Instant::now();
        let waiting = self.waiting.get();
        let mut guard = waiting.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Sequentially consistent with `leave`, which frees the lock and then looks for threads that wait.
        waiting.threads.fetch_add(1, Ordering::SeqCst);
        let mut entered = self.try_enter();
        while !entered && began.elapsed() < timeout {
            let rest = timeout.saturating_sub(began.elapsed());
            guard = waiting.left.wait_timeout(guard, rest).unwrap_or_else(PoisonError::into_inner).0;
            entered = self.try_enter();
        }
        waiting.threads.fetch_sub(1, Ordering::SeqCst);
        entered
    }

    fn try_enter(&self) -> bool {
        let thread = this_thread();
        let holder = self.holder.load(Ordering::SeqCst);
        let (process, holding) = ((holder >> 32) as u32, holder as u32);
        if holding == thread {
            self.depth.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        if holding != 0 && is_here(holding, process) {
            return false;
        }
        watch_forks();
        let new = u64::from(generation()) << 32 | u64::from(thread);
        let entered = self.holder.compare_exchange(holder, new, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        if entered {
            self.depth.store(1, Ordering::Relaxed);
        }
        entered
    }

    /// Ends one [`Reentrant::enter`] of this thread.
    pub fn leave(&self) {
        debug_assert_eq!(self.holder.load(Ordering::Relaxed) as u32, this_thread());
        if self.depth.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        self.holder.store(0, Ordering::SeqCst);
        let waiting = self.waiting.get();
        if waiting.threads.load(Ordering::SeqCst) > 0 {
            drop(waiting.lock.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.left.notify_one();
        }
    }
}
