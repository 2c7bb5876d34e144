//! What it costs to share a loop between threads: `cargo bench --bench threads`. `RUSTNET_NUM_THREADS` sets how many.
//!
//! A line is one loop of equal parts, each busy for a while; the columns are what was done since the loop before:
//! nothing (the workers are in their loops still), waiting (they look for the next loop), sleeping (so do they, and must be
//! woken). A figure is the median time from the call to its return over that of the busiest thread, in nanoseconds.

use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};

use rustnet::threads::{for_each_part, for_each_round, num_threads};

/// Nanoseconds that make a loop worth sharing.
const WORK: u64 = 1_000_000;

fn main() {
    let loops: [(usize, u64); 7] = [(1, 0), (2, 0), (8, 0), (2, 1_000), (2, 5_000), (2, 20_000), (8, 5_000)];
    println!("{} threads; overhead in nanoseconds after", num_threads());
    println!("{:<32} {:>9} {:>14} {:>12}", "loop", "nothing", "20 us waiting", "2 ms asleep");
    for (parts, busy) in loops {
        let name = format!("{parts} parts of {:.0} us", busy as f64 / 1e3);
        let rounds = parts.div_ceil(num_threads()) as u64;
        let body = |_: usize| be_busy(Duration::from_nanos(busy));
        report(&name, rounds * busy, &|| for_each_part(parts, WORK, &body));
    }
    report("10 rounds of 2 parts of 0 us", 0, &|| {
        for_each_round(10, 2, WORK, &|round, part| {
            black_box((round, part));
        });
    });
}

fn be_busy(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        spin_loop();
    }
}

fn report(name: &str, ideal: u64, body: &dyn Fn()) {
    let nothing = overhead(20_000, ideal, body, &|| ());
    let waiting = overhead(2_000, ideal, body, &|| be_busy(Duration::from_micros(20)));
    let asleep = overhead(200, ideal, body, &|| std::thread::sleep(Duration::from_millis(2)));
    println!("{name:<32} {nothing:>9} {waiting:>14} {asleep:>12}");
}

/// The median over `count` runs.
fn overhead(count: usize, ideal: u64, body: &dyn Fn(), pause: &dyn Fn()) -> i64 {
    let mut times: Vec<i64> = (0..count)
        .map(|_| {
            pause();
            let start = Instant::now();
            body();
            start.elapsed().as_nanos() as i64 - ideal as i64
        })
        .collect();
    times.sort_unstable();
    times[count / 2]
}
