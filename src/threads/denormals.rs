//! Denormal numbers, which cost an order of magnitude more time than others, flushed to zero.

use std::marker::PhantomData;

/// While it lives, arithmetic on this thread reads and writes denormal numbers as zero. Dropping it restores what was.
pub struct FlushDenormals {
    previous: Control,
    // The setting belongs to the thread that made it.
    not_send: PhantomData<*const ()>,
}

impl FlushDenormals {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let previous = read();
        write(previous | FLUSH);
        Self { previous, not_send: PhantomData }
    }
}

impl FlushDenormals {
    /// The opposite: while it lives, denormal numbers are kept on this thread.
    pub(super) fn suspended() -> Self {
        let previous = read();
        write(previous & !FLUSH);
        Self { previous, not_send: PhantomData }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        write(self.previous);
    }
}

/// Flushes for the rest of this thread's life.
pub(super) fn flush_on_this_thread() {
    write(read() | FLUSH);
}

#[cfg(target_arch = "x86_64")]
mod control {
    pub type Control = u32;
    /// Flush to zero (results) and denormals are zero (operands), of the register MXCSR.
    pub const FLUSH: Control = 1 << 15 | 1 << 6;

    pub fn read() -> Control {
        let mut control = 0;
        // SAFETY: stores the register in `control`.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control, options(nostack, preserves_flags))
        };
        control
    }

    pub fn write(control: Control) {
        // SAFETY: the value is the register's own with the two flush bits changed; no exception is unmasked.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control, options(nostack, preserves_flags))
        };
    }
}

#[cfg(target_arch = "aarch64")]
mod control {
    pub type Control = u64;
    /// Flush to zero, of the register FPCR.
    pub const FLUSH: Control = 1 << 24;

    pub fn read() -> Control {
        let control;
        // SAFETY: reads a register.
        unsafe {
            std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack, preserves_flags))
        };
        control
    }

    pub fn write(control: Control) {
        // SAFETY: the value is the register's own with the flush bit changed; no trap is enabled.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) control, options(nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod control {
    pub type Control = u32;
    pub const FLUSH: Control = 0;

    pub fn read() -> Control {
        0
    }

    pub fn write(_: Control) {}
}

use control::{Control, FLUSH, read, write};
