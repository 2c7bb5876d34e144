//! Splitting one output over threads, in parts that depend on shapes only.

use std::marker::PhantomData;
use std::ops::Range;

use crate::tensor::Element;
use crate::threads::for_each_part;

/// A mutable slice that the parts of one parallel loop write disjoint ranges of.
pub struct Disjoint<'a, T> {
    pointer: *mut T,
    length: usize,
    exclusive: PhantomData<&'a mut [T]>,
}

// SAFETY: `range` leaves it to its caller that no two threads hold the same elements.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { pointer: slice.as_mut_ptr(), length: slice.len(), exclusive: PhantomData }
    }

    /// The elements `range`.
    ///
    /// # Safety
    /// No other live slice from this value overlaps `range`.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn range(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.length, "a part is out of its slice");
        // SAFETY: in bounds by the assertion, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(range.start), range.len()) }
    }
}

/// Calls `body(index, chunk)` for every chunk of `chunk` elements of `data` (the last may be shorter).
pub fn for_each_chunk<T: Send>(
    data: &mut [T],
    chunk: usize,
    work: u64,
    body: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (length, chunk) = (data.len(), chunk.max(1));
    let data = Disjoint::new(data);
    for_each_part(length.div_ceil(chunk), work, &|part| {
        let range = part * chunk..length.min((part + 1) * chunk);
        // SAFETY: parts have ranges of their own.
        body(part, unsafe { data.range(range) });
    });
}

/// Workspace seen as elements: as many as fit.
pub fn elements_of<T: Element>(workspace: &mut [u8]) -> &mut [T] {
    // SAFETY: every bit pattern is a value of the element types (f32, f64, i32, u8).
    let (before, elements, _) = unsafe { workspace.align_to_mut::<T>() };
    debug_assert!(before.is_empty() || elements.is_empty(), "workspaces arrive aligned");
    elements
}

/// How many of `count` equal items one part takes, so that a part has about `target` units of work.
pub fn items_per_part(count: usize, work_per_item: usize, target: usize) -> usize {
    (target / work_per_item.max(1)).clamp(1, count.max(1))
}
