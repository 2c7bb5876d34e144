//! Worker threads that take parts of a loop from the thread that runs it.
//!
//! A loop is published as a new *epoch* of one atomic word. Workers that see it in time join, take parts, and leave;
//! the caller takes parts too, closes the epoch when none is left, and waits for those that joined. A worker that the
//! operating system does not run in time is therefore never waited for.
//!
//! The parts lie in *runs*. A thread begins with a run of its own, the same from loop to loop, and so finds in its
//! caches what it wrote there in the loop before; when its run has ended it helps with the others.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::denormals::flush_on_this_thread;
use super::fork::PerProcess;

/// How long a worker looks for the next loop before it sleeps: longer than the gaps between the loops of a training
/// step or between two predictions, and short beside a time slice.
pub const SPIN: Duration = Duration::from_micros(200);

/// With more threads than this, some begin with the same run.
const MOST_RUNS: usize = 64;

/// Keeps what different threads write on different cache lines (adjacent lines are fetched in pairs).
#[repr(align(128))]
struct Padded<T>(T);

struct Pool {
    /// Held by the thread whose loop it is.
    busy: Padded<AtomicBool>,
    /// The epoch in the upper half, then [`OPEN`], the number of workers that there is room for, and the number inside.
    state: Padded<AtomicU64>,
    /// Of each run, how many parts have been taken, and perhaps more.
    taken: [Padded<AtomicUsize>; MOST_RUNS],
    /// Written by the holder of `busy` before an epoch is opened, read by workers that joined it.
    job: UnsafeCell<Job>,
    /// Workers started so far. Written by the holder of `busy`.
    workers: AtomicUsize,
    /// The number of workers beyond which the operating system refused more. Written by the holder of `busy`.
    refused: AtomicUsize,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    /// The first panic of the current loop.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

#[derive(Clone, Copy)]
struct Job {
    body: &'static (dyn Fn(usize) + Sync),
    parts: usize,
    runs: usize,
}

// SAFETY: `job` is written only while no worker is inside an open epoch, and read only by workers that are.
unsafe impl Sync for Pool {}

const OPEN: u64 = 1 << 31;
const INSIDE: u64 = (1 << 16) - 1;

fn room(state: u64) -> u64 {
    (state & (OPEN - 1)) >> 16
}

fn epoch(state: u64) -> u64 {
    state >> 32
}

static POOL: PerProcess<Pool> = PerProcess::new();

/// Runs the loop, its parts in `runs` runs, on up to `threads` threads. Parts of one run are begun in order. False where
/// the pool is in use: then nothing has been run.
pub fn run(threads: usize, parts: usize, runs: usize, body: &(dyn Fn(usize) + Sync)) -> bool {
    let pool = POOL.get();
    if pool.busy.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return false;
    }
    let panic = pool.run(threads, parts, runs.min(MOST_RUNS), body);
    pool.busy.0.store(false, Ordering::Release);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    true
}

/// Whether the workers look for a loop, so that none must be woken.
pub fn is_awake() -> bool {
    let pool = POOL.get();
    pool.workers.load(Ordering::Relaxed) > 0 && pool.sleepers.load(Ordering::Relaxed) == 0
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            busy: Padded(AtomicBool::new(false)),
            state: Padded(AtomicU64::new(0)),
            taken: std::array::from_fn(|_| Padded(AtomicUsize::new(0))),
            job: UnsafeCell::new(Job { body: &|_| (), parts: 0, runs: 0 }),
            workers: AtomicUsize::new(0),
            refused: AtomicUsize::new(usize::MAX),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            panic: Mutex::new(None),
        }
    }
}

impl Pool {
    /// Called by the holder of `busy`. Returns the panic of a part, if one did.
    fn run(
        &'static self,
        threads: usize,
        parts: usize,
        runs: usize,
        body: &(dyn Fn(usize) + Sync),
    ) -> Option<Box<dyn Any + Send>> {
        self.start_workers(threads - 1);
        // SAFETY: only the lifetime changes. Workers call the body between joining and leaving the epoch, and `close`
        // below returns, panic or not, after all of them have left.
        let body =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(body) };
        let job = Job { body, parts, runs };
        // SAFETY: no epoch is open and no worker is inside: the last `close` made sure.
        unsafe { *self.job.get() = job };
        self.taken[..runs].iter().for_each(|taken| taken.0.store(0, Ordering::Relaxed));
        let epoch = epoch(self.state.0.load(Ordering::Relaxed)).wrapping_add(1);
        // Sequentially consistent with a worker that counts itself asleep and then looks at the state once more: one of
        // the two sees the other.
        self.state.0.store(epoch << 32 | OPEN | (threads as u64 - 1) << 16, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.sleep.lock().unwrap_or_else(PoisonError::into_inner));
            (1..threads).for_each(|_| self.wake.notify_one());
        }
        self.take_parts(job, 0);
        self.close();
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes and runs parts until none is left, those of the run of this thread first. A panic ends the loop early and
    /// is kept.
    fn take_parts(&self, job: Job, thread: usize) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for run in (0..job.runs).map(|offset| (thread + offset) % job.runs) {
                let first = run * job.parts / job.runs;
                let count = (run + 1) * job.parts / job.runs - first;
                loop {
                    let taken = self.taken[run].0.fetch_add(1, Ordering::Relaxed);
                    if taken >= count {
                        break;
                    }
                    (job.body)(first + taken);
                }
            }
        }));
        if let Err(panic) = outcome {
            self.taken[..job.runs].iter().for_each(|taken| taken.0.store(job.parts, Ordering::Relaxed));
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }

    /// Lets no more workers join, and waits for those that did.
    fn close(&self) {
        let mut state = self.state.0.fetch_and(!OPEN, Ordering::AcqRel);
        let mut waited = 0u32;
        while state & INSIDE > 0 {
            waited += 1;
            if waited < 1_000 {
                std::hint::spin_loop();
            } else {
                // A worker may have lost its processor in the middle of a part.
                std::thread::yield_now();
            }
            state = self.state.0.load(Ordering::Acquire);
        }
    }

    /// Starts workers until there are `wanted`, or as many as the operating system grants.
    fn start_workers(&'static self, wanted: usize) {
        let mut workers = self.workers.load(Ordering::Relaxed);
        while workers < wanted.min(self.refused.load(Ordering::Relaxed)) {
            let thread = std::thread::Builder::new().name(format!("rustnet-{}", workers + 1));
            match thread.spawn(move || self.work(workers + 1)) {
                Ok(_) => workers += 1,
                Err(_) => self.refused.store(workers, Ordering::Relaxed),
            }
        }
        self.workers.store(workers, Ordering::Relaxed);
    }

    /// The life of a worker, which is the thread `thread`; the caller of a loop is thread 0.
    fn work(&self, thread: usize) {
        flush_on_this_thread();
        let mut last = 0;
        loop {
            let state = self.await_epoch(last);
            last = epoch(state);
            if self.join(state) {
                // SAFETY: the worker is inside an epoch, during which the job is not written.
                let job = unsafe { *self.job.get() };
                self.take_parts(job, thread);
                self.state.0.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// Waits for an open epoch other than `last`: spins for a while, then sleeps, and spins again when it is woken, since
    /// the loop that it was woken for may be over, but the next is near.
    fn await_epoch(&self, last: u64) -> u64 {
        let is_new = |state: u64| state & OPEN != 0 && epoch(state) != last;
        loop {
            let start = Instant::now();
            while start.elapsed() < SPIN {
                for _ in 0..32 {
                    let state = self.state.0.load(Ordering::Acquire);
                    if is_new(state) {
                        return state;
                    }
                    std::hint::spin_loop();
                }
            }
            let guard = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            if !is_new(self.state.0.load(Ordering::SeqCst)) {
                drop(self.wake.wait(guard));
            }
            self.sleepers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Enters the epoch of `state`, unless it is closed or full.
    fn join(&self, mut state: u64) -> bool {
        let wanted = epoch(state);
        while state & OPEN != 0 && epoch(state) == wanted && state & INSIDE < room(state) {
            match self.state.0.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }
}
