//! A variable: a tensor that outlives programs and that programs update in place.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Buffer;
use crate::error::{Error, Result};
use crate::tensor::TensorType;
use crate::threads::{Holders, PerProcess, is_called_out, whole};

/// The type never changes, and neither does the address of the content.
#[derive(Debug)]
pub struct Variable {
    ty: TensorType,
    /// Read under the lock or by a holder, written under the lock.
    content: Buffer,
    lock: PerProcess<RwLock<()>>,
    /// Taken instead of the lock by a run that calls out: others may read, also what it calls, and nobody else may write.
    holders: Holders,
}

/// That others may read a variable, and nobody else may write it.
#[derive(Debug)]
pub struct Held<'a> {
    variable: &'a Variable,
    writes: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.variable.holders.leave(self.writes);
    }
}

impl Variable {
    pub fn zeros(ty: TensorType) -> Result<Self> {
        let content = Buffer::new(ty.bytes())?;
        Ok(Self { ty, content, lock: PerProcess::new(), holders: Holders::default() })
    }

    /// A variable whose content `fill` writes over zeros.
    pub fn filled(ty: TensorType, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Self> {
        let variable = Self::zeros(ty)?;
        // SAFETY: the buffer holds `ty.bytes()` initialised bytes, and nobody else has it yet.
        fill(unsafe { std::slice::from_raw_parts_mut(variable.content.as_ptr(), variable.ty.bytes()) })?;
        Ok(variable)
    }

    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Where the content lies; to be used only under the lock, or by a holder to read.
    pub fn address(&self) -> *const u8 {
        self.content.as_ptr()
    }

    /// Lends the content to read. A panic elsewhere leaves the content as of the last whole batch, so a
    /// poisoned lock is not an error.
    pub fn read(&self) -> RwLockReadGuard<'_, ()> {
        self.lock.get().read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the content to write. `None` where a run holds the variable, see [`Variable::wait`].
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        let guard = self.write_held();
        self.holders.is_free().then_some(guard)
    }

    /// Lends the content to the run that holds the variable, to write.
    pub fn write_held(&self) -> RwLockWriteGuard<'_, ()> {
        self.lock.get().write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no run holds the variable; the caller has locked none. Code that a step calls does not wait, since it may
    /// be waited for: there it is an error.
    pub fn wait(&self) -> Result<()> {
        if is_called_out() {
            return Err(self.busy());
        }
        self.holders.wait_until_free();
        Ok(())
    }

    /// Keeps others from writing, and where it `writes` from holding. The caller has locked no variable, and held none of a
    /// higher address. Code that a step calls waits for no other holder, and may hold to read what that step holds.
    pub fn hold(&self, writes: bool) -> Result<Held<'_>> {
        if !self.holders.enter(writes, !is_called_out()) {
            return Err(self.busy());
        }
        let held = Held { variable: self, writes };
        // Whoever was writing before has ended then, and whoever comes to write sees that the variable is held.
        drop(self.read());
        Ok(held)
    }

    fn busy(&self) -> Error {
        Error::Busy(format!(
            "expected a variable that no running step uses, to be written by a function that a step calls. Received: \
             one of {}",
            self.ty
        ))
    }

    /// Copies the content out.
    pub fn copy_to(&self, bytes: &mut [u8]) -> Result<()> {
        self.check(bytes.len())?;
        let _reads = self.read();
        // SAFETY: the buffer holds `ty.bytes()` initialised bytes, checked to be as many as `bytes`.
        unsafe { std::ptr::copy_nonoverlapping(self.address(), bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Replaces the content.
    pub fn copy_from(&self, bytes: &[u8]) -> Result<()> {
        self.check(bytes.len())?;
        // SAFETY: the buffer holds `ty.bytes()` bytes, checked to be as many as `bytes`.
        self.write(|content| unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), content, bytes.len()) })
    }

    /// Sets every element to zero.
    pub fn clear(&self) -> Result<()> {
        // SAFETY: the buffer holds `ty.bytes()` bytes; zero bytes are zeros of every dtype.
        self.write(|content| unsafe { content.write_bytes(0, self.ty.bytes()) })
    }

    /// Has `body` write the content, under the lock.
    fn write(&self, body: impl FnOnce(*mut u8)) -> Result<()> {
        let _writes = loop {
            match self.try_write() {
                Some(guard) => break guard,
                None => self.wait()?,
            }
        };
        whole(|| body(self.content.as_ptr()));
        Ok(())
    }

    fn check(&self, bytes: usize) -> Result<()> {
        if bytes == self.ty.bytes() {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "expected {} bytes for {}. Received: {bytes} bytes",
            self.ty.bytes(),
            self.ty
        )))
    }
}
