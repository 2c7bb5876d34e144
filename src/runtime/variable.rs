//! A variable: a tensor that outlives programs and that programs update in place.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Buffer;
use crate::error::{Error, Result};
use crate::tensor::TensorType;
use crate::threads::{PerProcess, whole};

/// The type never changes, and neither does the address of the content.
#[derive(Debug)]
pub struct Variable {
    ty: TensorType,
    /// Read and written only under the lock.
    content: Buffer,
    lock: PerProcess<RwLock<()>>,
}

impl Variable {
    pub fn zeros(ty: TensorType) -> Result<Self> {
        let content = Buffer::new(ty.bytes())?;
        Ok(Self { ty, content, lock: PerProcess::new() })
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

    /// Where the content lies; to be used only while the lock is held.
    pub fn address(&self) -> *const u8 {
        self.content.as_ptr()
    }

    /// Lends the content to read. A panic elsewhere leaves the content as of the last whole batch, so a
    /// poisoned lock is not an error.
    pub fn read(&self) -> RwLockReadGuard<'_, ()> {
        self.lock.get().read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, ()> {
        self.lock.get().write().unwrap_or_else(PoisonError::into_inner)
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
        let _writes = self.write();
        // SAFETY: the buffer holds `ty.bytes()` bytes, checked to be as many as `bytes`, and is locked.
        whole(|| unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.content.as_ptr(), bytes.len())
        });
        Ok(())
    }

    /// Sets every element to zero.
    pub fn clear(&self) {
        let _writes = self.write();
        // SAFETY: the buffer holds `ty.bytes()` bytes and is locked; zero bytes are zeros of every dtype.
        whole(|| unsafe { self.content.as_ptr().write_bytes(0, self.ty.bytes()) });
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
