//! Memory that programs take turns at, and constants that they share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Buffer;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::threads::{PerProcess, num_threads};

/// The idle buffers of programs that share them, such as all those of one model.
///
/// A run takes one and puts it back. Buffers grow to what the largest program needs; there is none for each program.
#[derive(Debug, Default)]
pub struct Arenas {
    idle: PerProcess<Mutex<Vec<Buffer>>>,
    constants: PerProcess<Mutex<Vec<Weak<Tensor>>>>,
}

/// Smaller constants are not worth looking for.
const LARGE: usize = 4096;

impl Arenas {
    /// The smallest idle buffer of at least so many bytes, or a new one instead of the largest, which is too small.
    pub fn take(&self, bytes: usize) -> Result<Buffer> {
        let outgrown = {
            let mut idle = self.idle.get().lock().unwrap_or_else(PoisonError::into_inner);
            let size = |&index: &usize| idle[index].bytes();
            let fitting = (0..idle.len()).filter(|index| size(index) >= bytes).min_by_key(size);
            if let Some(index) = fitting {
                return Ok(idle.swap_remove(index));
            }
            let largest = (0..idle.len()).max_by_key(size);
            largest.map(|index| idle.swap_remove(index))
        };
        // Freed first, so that the two need not fit in memory together.
        drop(outgrown);
        Buffer::new(bytes)
    }

    /// Keeps the buffer for the next run; no more than there are threads to run on, once a burst of runs is over.
    pub fn put(&self, buffer: Buffer) {
        let spare = {
            let mut idle = self.idle.get().lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(buffer);
            let smallest = (0..idle.len()).min_by_key(|&index| idle[index].bytes());
            smallest.filter(|_| idle.len() > num_threads().max(2)).map(|index| idle.swap_remove(index))
        };
        drop(spare);
    }
}

impl Arenas {
    /// The constant itself, or one of the same bits that a program has already: the programs of a model, recorded from the
    /// same code for different shapes, have mostly the same.
    pub fn shared(&self, constant: Arc<Tensor>) -> Arc<Tensor> {
        if constant.tensor_type().bytes() < LARGE {
            return constant;
        }
        let mut known = self.constants.get().lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|other| other.strong_count() > 0);
        known.iter().filter_map(Weak::upgrade).find(|other| other.is_same(&constant)).unwrap_or_else(|| {
            known.push(Arc::downgrade(&constant));
            constant
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;

    #[test]
    fn a_buffer_serves_all_that_need_no_more_and_is_replaced_where_one_needs_more() {
        let arenas = Arenas::default();
        let sizes = |arenas: &Arenas| {
            let mut sizes: Vec<usize> = arenas.idle.get().lock().unwrap().iter().map(Buffer::bytes).collect();
            sizes.sort_unstable();
            sizes
        };
        for bytes in [100, 50, 300, 200] {
            arenas.put(arenas.take(bytes).unwrap());
        }
        assert_eq!(sizes(&arenas), [300]);
        // Two runs at once need two; afterwards each gets what fits best.
        let (large, small) = (arenas.take(300).unwrap(), arenas.take(40).unwrap());
        let addresses = (large.as_ptr(), small.as_ptr());
        arenas.put(small);
        arenas.put(large);
        let (small, large) = (arenas.take(40).unwrap(), arenas.take(200).unwrap());
        assert_eq!((large.as_ptr(), small.as_ptr()), addresses);
        arenas.put(small);
        arenas.put(large);
        assert_eq!(sizes(&arenas), [40, 300]);
    }

    #[test]
    fn after_a_burst_the_largest_stay() {
        let arenas = Arenas::default();
        let burst: Vec<Buffer> = (1..=1000).map(|bytes| arenas.take(bytes).unwrap()).collect();
        burst.into_iter().for_each(|buffer| arenas.put(buffer));
        assert!(arenas.idle.get().lock().unwrap().len() <= 256, "the most threads there may be");
        assert_eq!(arenas.take(1000).unwrap().bytes(), 1000);
    }

    #[test]
    fn large_constants_of_the_same_bits_are_one() {
        let arenas = Arenas::default();
        let tensor = |size: usize, first: f32| {
            let mut array = ArrayD::from_elem(vec![size], 1.0);
            array[[0]] = first;
            Arc::new(Tensor::F32(array))
        };
        let constants = [(2000, 1.0), (2000, f32::NAN), (2000, 1.0), (2000, f32::NAN), (1999, 1.0), (3, 1.0)]
            .map(|(size, first)| arenas.shared(tensor(size, first)));
        let same = |a: usize, b: usize| Arc::ptr_eq(&constants[a], &constants[b]);
        assert!(same(0, 2) && same(1, 3) && !same(0, 1) && !same(0, 4));
        drop(constants);
        arenas.shared(tensor(2000, 1.0));
        assert_eq!(
            arenas.constants.get().lock().unwrap().len(),
            1,
            "those that no program has are forgotten"
        );
    }
}
