//! Aligned memory that is asked for once and never moves.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use crate::error::{Error, Result};

const CACHE_LINE: usize = 64;
const HUGE_PAGE: usize = 2 << 20;
/// From this size on, huge pages save more page faults than they waste memory.
const HUGE_FROM: usize = 4 << 20;

/// Zeroed bytes at a fixed address.
#[derive(Debug)]
pub struct Buffer {
    data: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a buffer owns its memory; access goes through `&self` / `&mut self` of whoever owns it.
unsafe impl Send for Buffer {}
// SAFETY: shared access is read-only, except through the raw pointer, whose users carry the obligation.
unsafe impl Sync for Buffer {}

impl Buffer {
    pub fn new(bytes: usize) -> Result<Self> {
        let align = if bytes >= HUGE_FROM { HUGE_PAGE } else { CACHE_LINE };
        let layout = Layout::from_size_align(bytes.max(1), align).map_err(|_| Error::OutOfMemory(bytes))?;
        // SAFETY: the layout's size is at least 1.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(Error::OutOfMemory(bytes))?;
        #[cfg(target_os = "linux")]
        if bytes >= HUGE_FROM {
            // SAFETY: the range was just allocated; the advice changes no content and may be refused.
            unsafe { libc::madvise(data.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        }
        Ok(Self { data, layout })
    }

    pub fn bytes(&self) -> usize {
        self.layout.size()
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.data.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, freed once.
        unsafe { dealloc(self.data.as_ptr(), self.layout) }
    }
}
