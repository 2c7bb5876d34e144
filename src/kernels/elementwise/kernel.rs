//! The kernel of one instruction: a loop over whole chunks of elements, compiled for every instruction set.

use crate::kernels::simd::Isa;

/// Elements of a chunk: one AVX-512 register of f32. Kernels run over whole chunks, so that no loop has a remainder.
pub const LANES: usize = 16;

/// Where the chunks of an operand lie.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    pub data: *const u8,
    /// Bytes from one chunk to the next; 0 for one chunk that stands for all.
    pub advance: usize,
}

/// Computes `chunks` chunks of one instruction; unused inputs may be anything.
///
/// # Safety
/// The instruction set that the kernel was chosen for is available. Every input in use is readable, and the output
/// writable, for all chunks; the output may be the same memory as an input that has elements of no smaller size.
/// (Lanes are named, not copied: a copy would wait for the stores that made it.)
pub type Kernel = unsafe fn(inputs: [&Lane; 3], output: *mut u8, chunks: usize);

/// A loop over chunks; `FMA` says whether the instruction set has fused multiply-add.
pub(super) trait Body {
    /// # Safety
    /// As for a [`Kernel`].
    unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize);
}

/// The loop compiled for an instruction set.
pub(super) fn choose<B: Body>(isa: Isa) -> Kernel {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::<B>,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::<B>,
        _ => baseline::<B>,
    }
}

/// # Safety
/// As for a [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn avx512<B: Body>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
    // SAFETY: passed on.
    unsafe { B::run::<true>(inputs, output, chunks) }
}

/// # Safety
/// As for a [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<B: Body>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
    // SAFETY: passed on.
    unsafe { B::run::<true>(inputs, output, chunks) }
}

/// # Safety
/// As for a [`Kernel`].
unsafe fn baseline<B: Body>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
    // SAFETY: passed on. Every AArch64 has fused multiply-add.
    unsafe { B::run::<{ cfg!(target_arch = "aarch64") }>(inputs, output, chunks) }
}

/// Reads a chunk into registers.
///
/// # Safety
/// The lane is readable for `chunk + 1` chunks of `T`.
#[inline(always)]
pub(super) unsafe fn load<T: Copy>(lane: Lane, chunk: usize) -> [T; LANES] {
    // SAFETY: the caller's promise.
    unsafe { lane.data.add(chunk * lane.advance).cast::<[T; LANES]>().read_unaligned() }
}

/// # Safety
/// The output is writable for `chunk + 1` chunks of `T`.
#[inline(always)]
pub(super) unsafe fn store<T: Copy>(output: *mut u8, chunk: usize, values: [T; LANES]) {
    // SAFETY: the caller's promise.
    unsafe { output.cast::<[T; LANES]>().add(chunk).write_unaligned(values) }
}
