//! How many threads there are.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// 0 until it is first asked for.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// More would only wait for each other.
const MOST_THREADS: usize = 256;

/// Threads that loops are divided between, the calling one included.
///
/// Unless set: the environment variables `RUSTNET_NUM_THREADS`, then `OMP_NUM_THREADS`, then the processors that this
/// process may use (its affinity and its control group's quota).
pub fn num_threads() -> usize {
    match THREADS.load(Ordering::Relaxed) {
        0 => {
            let threads = default_threads();
            THREADS.store(threads, Ordering::Relaxed);
            threads
        }
        threads => threads,
    }
}

/// Sets the number of threads, from the next loop on; 0 is taken as 1.
pub fn set_num_threads(threads: usize) {
    THREADS.store(threads.clamp(1, MOST_THREADS), Ordering::Relaxed);
}

/// Refuses a `RUSTNET_NUM_THREADS` that is no count of threads. (What `OMP_NUM_THREADS` says is for OpenMP to judge.)
pub fn check_threads(text: Option<&str>) -> Result<()> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if parse(text).is_none() => Err(Error::Configuration(format!(
            "expected RUSTNET_NUM_THREADS to be a number of 1 or more. Received: RUSTNET_NUM_THREADS={text}"
        ))),
        _ => Ok(()),
    }
}

fn default_threads() -> usize {
    ["RUSTNET_NUM_THREADS", "OMP_NUM_THREADS"]
        .into_iter()
        .find_map(|name| parse(&std::env::var(name).ok()?))
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
        .min(MOST_THREADS)
}

/// The first number of a list such as OpenMP's "4,2"; `None` where it is no count of threads.
fn parse(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&threads| threads > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_threads() {
        let table =
            [("4", Some(4)), (" 4 , 2", Some(4)), ("0", None), ("-1", None), ("many", None), ("", None)];
        for (text, threads) in table {
            assert_eq!(parse(text), threads, "{text:?}");
            assert_eq!(check_threads(Some(text)).is_ok(), threads.is_some() || text.is_empty(), "{text:?}");
        }
    }
}
