//! What a product is besides its matrices, and how its parts are handed to threads.

use super::Addend;
use super::tile::Kernels;
use crate::kernels::Epilogue;
use crate::kernels::Real;
use crate::kernels::prefetch::Prefetch;
use crate::threads;

/// Multiply-adds of one thread in a nanosecond, roughly: for the threads' estimate of the work.
const PRODUCTS_A_NANOSECOND: usize = 40;

/// All of a product but its matrices.
#[derive(Clone, Copy)]
pub struct Options<'a, T: 'static> {
    pub kernels: &'static Kernels<T>,
    /// On all threads, not on the calling one alone.
    pub parallel: bool,
    pub addend: Addend<'a, T>,
    pub epilogue: Option<&'a dyn Epilogue>,
    pub prefetch: Option<&'a Prefetch<'a>>,
}

impl<T> Options<'_, T> {
    /// Runs the parts of a product of so many multiply-adds.
    pub fn for_each_part(&self, parts: usize, products: usize, body: &(dyn Fn(usize) + Sync)) {
        match self.parallel {
            true => threads::for_each_part(parts, (products / PRODUCTS_A_NANOSECOND) as u64, body),
            false => (0..parts).for_each(body),
        }
    }
}

/// The memory as numbers.
pub fn numbers<T: Real>(workspace: &mut [u8]) -> &mut [T] {
    // SAFETY: any bytes are numbers; `align_to_mut` sees to the alignment.
    let (unaligned, memory, _) = unsafe { workspace.align_to_mut::<T>() };
    assert!(unaligned.is_empty(), "the workspace is not aligned");
    memory
}
