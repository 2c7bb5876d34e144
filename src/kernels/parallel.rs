//! Splitting one output over threads, in parts that depend on shapes only.

use crate::tensor::Element;
use crate::threads::{DisjointMut, for_each_part};

/// Calls `body(index, chunk)` for every chunk of `chunk` elements of `data` (the last may be shorter).
pub fn for_each_chunk<T: Send>(
    data: &mut [T],
    chunk: usize,
    work: u64,
    body: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (length, chunk) = (data.len(), chunk.max(1));
    let data = DisjointMut::new(data);
    for_each_part(length.div_ceil(chunk), work, &|part| {
        let range = part * chunk..length.min((part + 1) * chunk);
        // SAFETY: parts have ranges of their own.
        body(part, unsafe { data.slice(range) });
    });
}

/// Workspace seen as elements of another type: as many as fit.
pub fn elements_of<T: Element>(workspace: &mut [impl Element]) -> &mut [T] {
    // SAFETY: every bit pattern is a value of the element types (f32, f64, i32, u8).
    let (before, elements, _) = unsafe { workspace.align_to_mut::<T>() };
    debug_assert!(before.is_empty() || elements.is_empty(), "workspaces arrive aligned");
    elements
}

/// How many of `count` equal items one part takes, so that a part has about `target` units of work.
pub fn items_per_part(count: usize, work_per_item: usize, target: usize) -> usize {
    (target / work_per_item.max(1)).clamp(1, count.max(1))
}
