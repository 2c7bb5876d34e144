//! A slice whose disjoint ranges are written by the parts of a parallel loop.

use std::marker::PhantomData;
use std::ops::Range;

/// A mutable slice that parts running at the same time take disjoint ranges of.
pub struct DisjointMut<'a, T> {
    data: *mut T,
    len: usize,
    exclusive: PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for an exclusive borrow; `slice` makes its callers promise that ranges do not overlap.
unsafe impl<T: Send> Sync for DisjointMut<'_, T> {}

impl<'a, T> DisjointMut<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { data: slice.as_mut_ptr(), len: slice.len(), exclusive: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the slice starts, for reading what earlier loops wrote.
    pub fn as_ptr(&self) -> *const T {
        self.data
    }

    /// Where the slice starts, for parts that write elements of their own which are no range.
    pub fn as_mut_ptr(&self) -> *mut T {
        self.data
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// While the result is in use, no other part of the loop asks for an overlapping range.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, range: Range<usize>) -> &mut [T] {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "a part asks for a range beyond the slice"
        );
        // SAFETY: within the slice, and the caller promises that nothing else uses it.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(range.start), range.len()) }
    }
}
