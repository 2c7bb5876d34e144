//! What the machine can do at all: multiply-adds of registers alone. Products are measured against it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::simd::{self, Kernel, Vector};
use crate::threads;

/// Sums that do not wait for each other: enough to keep every multiply-add unit of a core busy.
const SIDE_BY_SIDE: usize = 12;

struct MultiplyAdds<'a> {
    rounds: usize,
    flops: &'a mut f64,
}

impl Kernel for MultiplyAdds<'_> {
    type Element = f32;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = f32>>(self) {
        // SAFETY: the caller's promise; no vector has more than 16 elements.
        unsafe {
            let mut sums = [V::splat(0.0); SIDE_BY_SIDE];
            let (a, b) = (V::splat(black_box(0.5)), V::splat(black_box(0.25)));
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.multiply_add(a, b);
                }
            }
            let mut lanes = [0.0; 16];
            for sum in sums {
                sum.store(lanes.as_mut_ptr());
                black_box(&lanes);
            }
        }
        *self.flops = (2 * V::LANES * SIDE_BY_SIDE * self.rounds) as f64;
    }
}

/// Computes `rounds` rounds of multiply-adds on this thread, and gives how many FLOPs that was.
pub fn multiply_adds(rounds: usize) -> f64 {
    let mut flops = 0.0;
    simd::run(simd::isa(), MultiplyAdds { rounds, flops: &mut flops });
    flops
}

/// FLOP/s of all threads together in the fastest of several milliseconds: other programs can only slow it down.
pub fn flops_per_second() -> f64 {
    const ROUNDS: usize = 500_000;
    let parts = threads::num_threads();
    let start = Instant::now();
    let mut fastest = f64::INFINITY;
    while start.elapsed() < Duration::from_millis(100) {
        let sample = Instant::now();
        threads::for_each_part(parts, u64::MAX, &|_| {
            multiply_adds(ROUNDS);
        });
        fastest = fastest.min(sample.elapsed().as_secs_f64());
    }
    parts as f64 * multiply_adds(ROUNDS) / fastest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flops_are_those_of_the_vectors_in_use() {
        let one = multiply_adds(1);
        assert!(one >= (2 * SIDE_BY_SIDE) as f64);
        assert_eq!(multiply_adds(1000), 1000.0 * one);
        assert!(flops_per_second() > 0.0);
    }
}
