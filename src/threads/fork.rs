//! Forked processes: what a child finds, and what it makes for itself.
//!
//! A child has its parent's memory but of its threads only the one that forked. A lock that another thread held would stay
//! held for ever: so the engine's locks are [`PerProcess`]. What another thread was writing would stay half written: so a
//! fork waits until nobody is inside [`whole`].

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// Counts the forks that lead from the first process to this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The thread that forked this process, as [`this_thread`] numbers it; 0 in the first process.
static SURVIVOR: AtomicU32 = AtomicU32::new(0);

/// Threads inside [`whole`].
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Whether a fork is under way, which nobody may enter [`whole`] during.
static FORKING: AtomicBool = AtomicBool::new(false);

/// How long those that wait for a fork, or a fork for them, sleep before they look again.
const NAP: Duration = Duration::from_micros(20);

/// A value that every process makes for itself. A forked child leaves its parent's where it is, perhaps locked.
#[derive(Debug)]
pub struct PerProcess<T> {
    own: AtomicPtr<Own<T>>,
    owns: PhantomData<Own<T>>,
}

#[derive(Debug)]
struct Own<T> {
    generation: u32,
    value: T,
}

impl<T> PerProcess<T> {
    pub const fn new() -> Self {
        Self { own: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Default> PerProcess<T> {
    /// This process's value, made when it is first asked for.
    pub fn get(&self) -> &T {
        let own = self.own.load(Ordering::Acquire);
        // SAFETY: null, or made by `make`; freed with `self` alone.
        match unsafe { own.as_ref() } {
            Some(own) if own.generation == generation() => &own.value,
            _ => self.make(own),
        }
    }

    #[cold]
    fn make(&self, before: *mut Own<T>) -> &T {
        watch_forks();
        let new = Box::into_raw(Box::new(Own { generation: generation(), value: T::default() }));
        let own = match self.own.compare_exchange(before, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(other) => {
                // SAFETY: made above and shared with nobody.
                drop(unsafe { Box::from_raw(new) });
                other
            }
        };
        // SAFETY: a published value is never freed before `self`.
        unsafe { &(*own).value }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let own = *self.own.get_mut();
        // What an ancestor left may be locked by a thread that is not here: only its own value is a process's to drop.
        // SAFETY: null, or made by `make`, and nobody borrows it any more.
        if unsafe { own.as_ref() }.is_some_and(|own| own.generation == generation()) {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(own) });
        }
    }
}

/// Runs `body`, which no fork cuts in two: a child sees what it writes either before or after. It must not wait for a
/// lock, nor for a fork, nor come here again.
pub fn whole<R>(body: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.fetch_sub(1, Ordering::Release);
        }
    }
    loop {
        // Sequentially consistent with the fork, which says that it is under way and then looks who is inside: one of
        // the two sees the other.
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let leave = Leave;
        if !FORKING.load(Ordering::SeqCst) {
            let result = body();
            drop(leave);
            return result;
        }
        drop(leave);
        while FORKING.load(Ordering::Acquire) {
            std::thread::sleep(NAP);
        }
    }
}

/// The number of this process among its ancestors.
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// A number of this thread's own, above 0. The thread that forks has the same in the child.
pub fn this_thread() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    thread_local!(static NUMBER: Cell<u32> = const { Cell::new(0) });
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// Whether the thread that was `thread` in the process `generation` is one of this process.
pub fn is_here(thread: u32, generation: u32) -> bool {
    generation == self::generation() || thread == SURVIVOR.load(Ordering::Relaxed)
}

/// From here on forks wait for [`whole`], and children know that they are some.
pub fn watch_forks() {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.load(Ordering::Acquire) || WATCHED.swap(true, Ordering::AcqRel) {
        return;
    }
    #[cfg(unix)]
    // SAFETY: the handlers use atomics alone, and a sleep before the fork.
    unsafe {
        libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child))
    };
}

#[cfg(unix)]
extern "C" fn before_fork() {
    while FORKING.swap(true, Ordering::SeqCst) {
        std::thread::sleep(NAP);
    }
    while INSIDE.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(NAP);
    }
}

#[cfg(unix)]
extern "C" fn in_parent() {
    FORKING.store(false, Ordering::Release);
}

#[cfg(unix)]
extern "C" fn in_child() {
    SURVIVOR.store(this_thread(), Ordering::Relaxed);
    INSIDE.store(0, Ordering::Relaxed);
    GENERATION.fetch_add(1, Ordering::Relaxed);
    FORKING.store(false, Ordering::Release);
}
