//! A loop in rounds: parts of one round need what all parts of the round before have written.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{num_threads, pays_to_share, pool};

/// Calls `body(round, part)` for every `part` in `0..parts` of every `round` in `0..rounds`. A part begins when all parts
/// of the rounds before have returned. Otherwise as [`for_each_part`](super::for_each_part), at a fraction of a microsecond
/// a round: threads stay in the loop, and wait for each other in turns.
pub fn for_each_round(rounds: usize, parts: usize, work: u64, body: &(dyn Fn(usize, usize) + Sync)) {
    let ended = AtomicUsize::new(0);
    // Threads take the turns of a run in order, so those that a turn waits for are all with a thread that runs them.
    let turn = |turn: usize| {
        let round = turn / parts;
        wait_for(&ended, round * parts);
        let _end = End(&ended);
        body(round, turn % parts);
    };
    let (threads, turns) = (num_threads().min(parts), rounds * parts);
    if threads <= 1 || !pays_to_share(work) || !pool::run(threads, turns, 1, &turn) {
        (0..turns).for_each(turn);
    }
}

fn wait_for(ended: &AtomicUsize, turns: usize) {
    let mut waited = 0u32;
    while ended.load(Ordering::Acquire) < turns {
        waited += 1;
        if waited < 10_000 {
            std::hint::spin_loop();
        } else {
            // Another thread may have lost its processor in the middle of its turn.
            std::thread::yield_now();
        }
    }
}

/// Counts a turn when it ends, also by a panic: nobody waits for it forever.
struct End<'a>(&'a AtomicUsize);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}
