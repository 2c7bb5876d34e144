//! Whether a loop is worth sharing between threads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::pool;

/// Loops of less work than this, in nanoseconds on one thread, stay on the calling thread where all workers are awake.
const SHARING_THRESHOLD: u64 = 4_000;

/// The same where workers sleep: to wake one costs the caller several microseconds, and it comes tens of microseconds
/// late. (`cargo bench --bench threads` measures both.)
const WAKING_THRESHOLD: u64 = 50_000;

/// Work that sleeping workers have missed lately.
static MISSED: Missed = Missed { work: AtomicU64::new(0), at: AtomicU64::new(0) };

/// Whether a loop of this many nanoseconds is shared. Loops that are too short to wake a worker for do so together, where
/// they follow each other so closely that it would stay awake for them.
pub fn pays_to_share(work: u64) -> bool {
    work >= WAKING_THRESHOLD
        || work >= SHARING_THRESHOLD && (pool::is_awake() || MISSED.with(work, now()) >= WAKING_THRESHOLD)
}

struct Missed {
    work: AtomicU64,
    /// When the last of it was missed, in nanoseconds as of [`now`].
    at: AtomicU64,
}

impl Missed {
    /// Adds the work of a loop that begins now, and returns what has been missed without a longer pause than a worker
    /// stays awake for. Threads that do this at once may lose each other's work: then a worker is woken a little later.
    fn with(&self, work: u64, now: u64) -> u64 {
        let pause = now.saturating_sub(self.at.swap(now, Ordering::Relaxed));
        let before =
            if u128::from(pause) < pool::SPIN.as_nanos() { self.work.load(Ordering::Relaxed) } else { 0 };
        let missed = before + work;
        self.work.store(if missed < WAKING_THRESHOLD { missed } else { 0 }, Ordering::Relaxed);
        missed
    }
}

/// Nanoseconds since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_loops_wake_a_worker_together_where_they_follow_each_other_closely() {
        let missed = Missed { work: AtomicU64::new(0), at: AtomicU64::new(0) };
        let spin = pool::SPIN.as_nanos() as u64;
        let close =
            |count: u64| (1..=count).map(|index| missed.with(20_000, index * spin / 2)).collect::<Vec<_>>();
        assert_eq!(close(4), [20_000, 40_000, 60_000, 20_000]);
        // A longer pause than a worker stays awake for: what was missed before no longer counts.
        assert_eq!(missed.with(20_000, 10 * spin), 20_000);
    }
}
