//! Aligned memory that is asked for once and never moves.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use crate::error::{Error, Result};

/// Buffers are at least so aligned.
pub const CACHE_LINE: usize = 64;
const HUGE_PAGE: usize = 2 << 20;
/// From this size on, huge pages save more page faults than they waste memory.
const HUGE_FROM: usize = 4 << 20;

/// Zeroed bytes at a fixed address. What is never touched takes up no memory.
#[derive(Debug)]
pub struct Buffer {
    data: NonNull<u8>,
    bytes: usize,
    /// What was allocated, with room to align within.
    allocated: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a buffer owns its memory; access goes through `&self` / `&mut self` of whoever owns it.
unsafe impl Send for Buffer {}
// SAFETY: shared access is read-only, except through the raw pointer, whose users carry the obligation.
unsafe impl Sync for Buffer {}

impl Buffer {
    pub fn new(bytes: usize) -> Result<Self> {
        let align = if bytes >= HUGE_FROM { HUGE_PAGE } else { CACHE_LINE };
        // The allocator would write the zeros of a more aligned layout itself, page by page.
        let layout = bytes.checked_add(align).and_then(|size| Layout::from_size_align(size, 1).ok());
        let layout = layout.ok_or(Error::OutOfMemory(bytes))?;
        // SAFETY: the layout's size is at least that of a cache line.
        let allocated = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(Error::OutOfMemory(bytes))?;
        // SAFETY: less than `align` bytes further on, `bytes` bytes are left.
        let data = unsafe { allocated.add(allocated.align_offset(align)) };
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_FROM {
            // SAFETY: the range was just allocated; the advice changes no content and may be refused.
            unsafe { libc::madvise(data.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Ok(Self { data, bytes, allocated, layout })
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.data.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, freed once.
        unsafe { dealloc(self.allocated.as_ptr(), self.layout) }
    }
}
