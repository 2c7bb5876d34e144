//! The pool is one for the process, so each test says what holds whatever the others do at the same time.

use std::collections::HashSet;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

const LARGE: u64 = 1_000_000;

/// The number of threads is one for the process: tests that set it take turns.
static SETTING: Mutex<()> = Mutex::new(());

fn with_threads<R>(threads: usize, run: impl FnOnce() -> R) -> R {
    let _turn = SETTING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let before = num_threads();
    set_num_threads(threads);
    let result = run();
    set_num_threads(before);
    result
}

/// Every part squares its own element.
fn squares(parts: usize) -> Vec<usize> {
    let mut squares = vec![0; parts];
    let shared = DisjointMut::new(&mut squares);
    for_each_part(parts, LARGE, &|part| {
        // SAFETY: one element a part.
        let square = unsafe { shared.slice(part..part + 1) };
        square[0] = part * part;
    });
    squares
}

#[test]
fn every_part_runs_once_whatever_the_threads() {
    for threads in [1, 2, 4, 7] {
        with_threads(threads, || {
            for parts in [0, 1, 2, 3, 64, 1000] {
                let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                for_each_part(parts, LARGE, &|part| {
                    counts[part].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                assert!(squares(parts).iter().enumerate().all(|(part, &square)| square == part * part));
            }
        });
    }
}

#[test]
fn several_threads_take_part() {
    with_threads(2, || {
        // Another test may hold the pool, and then both parts run here: try again.
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            let threads = Mutex::new(HashSet::new());
            let loop_start = Instant::now();
            for_each_part(2, LARGE, &|_| {
                threads.lock().unwrap().insert(std::thread::current().id());
                while threads.lock().unwrap().len() < 2 && loop_start.elapsed() < Duration::from_millis(100) {
                    std::thread::yield_now();
                }
            });
            if threads.into_inner().unwrap().len() == 2 {
                return;
            }
        }
        panic!("no second thread took part");
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    with_threads(4, || {
        for _ in 0..50 {
            let panic = catch_unwind(|| {
                for_each_part(16, LARGE, &|part| assert!(part != 11, "part eleven"));
            });
            assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"part eleven"));
            assert_eq!(squares(10)[9], 81);
        }
    });
}

#[test]
fn nested_loops_run() {
    with_threads(4, || {
        let sum = AtomicUsize::new(0);
        for_each_part(8, LARGE, &|_| {
            for_each_part(8, LARGE, &|part| {
                sum.fetch_add(part, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.load(Ordering::Relaxed), 8 * 28);
    });
}

#[test]
fn several_callers_at_the_same_time() {
    with_threads(3, || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        assert_eq!(squares(17)[16], 256);
                    }
                });
            }
        });
    });
}

#[test]
fn denormals_are_flushed_while_the_guard_lives() {
    let half = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
    assert!(half(f32::MIN_POSITIVE) > 0.0);
    let guard = FlushDenormals::new();
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    assert_eq!(half(f32::MIN_POSITIVE), 0.0);
    drop(guard);
    assert!(half(f32::MIN_POSITIVE) > 0.0);
}

#[cfg(unix)]
#[test]
fn a_forked_child_has_a_pool_of_its_own() {
    with_threads(4, || {
        assert_eq!(squares(10)[9], 81);
        // SAFETY: the child runs the pool and leaves with _exit, so that no destructor or test harness runs twice.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork");
        if child == 0 {
            // SAFETY: alarm ends a child that hangs; _exit does not return.
            unsafe {
                libc::alarm(20);
                let right = (0..20).all(|_| squares(100)[99] == 99 * 99);
                libc::_exit(if right { 0 } else { 1 });
            }
        }
        let mut status = 0;
        // SAFETY: waits for the child made above.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child ended with {status}");
        assert_eq!(squares(10)[9], 81);
    });
}

#[test]
fn slots_are_borrowed_by_one_part_at_a_time() {
    with_threads(4, || {
        let mut memory = vec![0usize; 3 * 64];
        let slots = Slots::new(&mut memory, 3);
        for_each_part(64, LARGE, &|part| {
            slots.with(|slot| {
                slot.fill(part);
                std::thread::yield_now();
                assert_eq!(*slot, [part; 3]);
            });
        });
        slots.with(|slot| assert_eq!(slot.len(), 3));
    });
}

#[test]
fn a_round_begins_when_the_one_before_has_ended() {
    for threads in [1, 2, 4, 7] {
        with_threads(threads, || {
            for parts in [1, 2, 3, 8] {
                let ended = AtomicUsize::new(0);
                for_each_round(100, parts, LARGE, &|round, _| {
                    let before = ended.load(Ordering::SeqCst);
                    assert!((round * parts..(round + 1) * parts).contains(&before));
                    ended.fetch_add(1, Ordering::SeqCst);
                });
                assert_eq!(ended.load(Ordering::SeqCst), 100 * parts);
            }
        });
    }
}

#[test]
fn a_panic_in_a_round_reaches_the_caller() {
    for threads in [1, 2, 4] {
        with_threads(threads, || {
            let outcome = catch_unwind(|| {
                for_each_round(50, 4, LARGE, &|round, part| assert!((round, part) != (20, 1), "round 20"));
            });
            assert!(outcome.is_err());
        });
    }
}
