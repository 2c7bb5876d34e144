//! Memory that programs take turns at.

use std::sync::{Mutex, PoisonError};

use super::Buffer;
use crate::error::Result;
use crate::threads::PerProcess;

/// The idle buffers of programs that share them, such as all those of one model: as many as ran at the same time.
///
/// A run takes one and puts it back. Buffers grow to what the largest program needs; there is none for each program.
#[derive(Debug, Default)]
pub struct Arenas {
    idle: PerProcess<Mutex<Vec<Buffer>>>,
}

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

    pub fn put(&self, buffer: Buffer) {
        self.idle.get().lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

#[cfg(test)]
mod tests {
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
}
