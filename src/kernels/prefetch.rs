//! Memory that is used later, asked for meanwhile by kernels that compute more than they read.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// Pieces of memory that are far away and will be used soon. Each is handed out once, to whichever thread asks.
#[derive(Debug)]
pub struct Prefetch<'a> {
    data: *const u8,
    /// From one piece to the next, in bytes.
    stride: isize,
    /// The pieces, by number; `None` for as many as `count` says, one after the other.
    order: Option<&'a [usize]>,
    count: usize,
    piece_bytes: usize,
    next: AtomicUsize,
}

// SAFETY: the memory is only asked for, which is allowed for any address.
unsafe impl Sync for Prefetch<'_> {}

/// A piece to be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    pub data: *const u8,
    pub bytes: usize,
}

impl<'a> Prefetch<'a> {
    /// The rows `order` of an array, each of `row_bytes`, which begin `stride` bytes apart.
    pub fn rows(data: *const u8, stride: isize, row_bytes: usize, order: &'a [usize]) -> Self {
        let count = order.len();
        Self { data, stride, order: Some(order), count, piece_bytes: row_bytes, next: AtomicUsize::new(0) }
    }

    /// All of `memory`, in pieces of `piece_bytes`.
    pub fn whole<T>(memory: &'a [T], piece_bytes: usize) -> Self {
        let data = memory.as_ptr().cast();
        let count = size_of_val(memory).div_ceil(piece_bytes);
        Self {
            data,
            stride: piece_bytes as isize,
            order: None,
            count,
            piece_bytes,
            next: AtomicUsize::new(0),
        }
    }

    /// The next piece, if one is left.
    #[inline]
    pub fn next(&self) -> Option<Piece> {
        // Once all are handed out, nobody writes any more.
        if self.next.load(Ordering::Relaxed) >= self.count {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.count {
            return None;
        }
        let number = self.order.map_or(index, |order| order[index]);
        Some(Piece {
            data: self.data.wrapping_offset(number as isize * self.stride),
            bytes: self.piece_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(prefetch: &Prefetch<'_>, data: *const u8) -> Vec<usize> {
        std::iter::from_fn(|| prefetch.next()).map(|piece| piece.data as usize - data as usize).collect()
    }

    #[test]
    fn each_piece_is_handed_out_once() {
        let memory = [0u32; 100];
        let data = memory.as_ptr().cast();
        assert_eq!(offsets(&Prefetch::whole(&memory, 128), data), [0, 128, 256, 384]);
        let rows = Prefetch::rows(data, 40, 8, &[7, 0, 3]);
        assert_eq!(offsets(&rows, data), [280, 0, 120]);
        assert!(rows.next().is_none());
    }
}
