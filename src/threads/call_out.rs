//! Code outside the engine that a step of a program calls: a function of Python, or what speaks to other machines.

use std::cell::Cell;

use super::denormals::FlushDenormals;

thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });

/// Runs code that is not the engine's, as it runs elsewhere: denormal numbers are kept. On the thread that runs the step.
pub fn call_out<R>(body: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CALLS.set(CALLS.get() - 1);
        }
    }
    CALLS.set(CALLS.get() + 1);
    let _leave = Leave;
    let _kept = FlushDenormals::suspended();
    body()
}

/// Whether this thread is within [`call_out`]. There nothing may wait for a step to end: it may be the one that called.
pub fn is_called_out() -> bool {
    CALLS.get() > 0
}
