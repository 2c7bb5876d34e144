//! Aligned memory that is asked for once and never moves.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::{self, NonNull};

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
        // With room to align within: the allocator would write the zeros of a more aligned layout itself, page by page.
        let layout = bytes.checked_add(align).and_then(|size| Layout::from_size_align(size, 1).ok());
        let layout = layout.ok_or(Error::OutOfMemory(bytes))?;
        let allocated = NonNull::new(allocate(layout)).ok_or(Error::OutOfMemory(bytes))?;
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
        unsafe { free(self.allocated.as_ptr(), self.layout) }
    }
}

/// Zeroed memory, or null. Much of it comes from the system itself, and goes back there when it is freed: where buffers grow,
/// the allocator would keep the holes that the smaller ones leave.
fn allocate(layout: Layout) -> *mut u8 {
    #[cfg(unix)]
    if layout.size() >= HUGE_FROM {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the system's choice.
        let mapped = unsafe { libc::mmap(ptr::null_mut(), layout.size(), protection, flags, -1, 0) };
        return if mapped == libc::MAP_FAILED { ptr::null_mut() } else { mapped.cast() };
    }
    // SAFETY: the layout's size is at least that of a cache line.
    unsafe { alloc_zeroed(layout) }
}

/// # Safety
/// `memory` came from [`allocate`] with this layout, and nobody uses it any more.
unsafe fn free(memory: *mut u8, layout: Layout) {
    #[cfg(unix)]
    if layout.size() >= HUGE_FROM {
        // SAFETY: as promised to this function, a whole mapping.
        unsafe { libc::munmap(memory.cast(), layout.size()) };
        return;
    }
    // SAFETY: as promised to this function.
    unsafe { dealloc(memory, layout) }
}
