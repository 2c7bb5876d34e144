//! Rows in chunks of a fixed number of elements, which the compiler puts into vector registers.

use crate::kernels::Real;

/// One AVX-512 register of f32.
pub const LANES: usize = 16;

pub type Lanes<T> = [T; LANES];

/// The elements `start..` of a row, filled up with zeros where it ends within the chunk.
#[inline(always)]
pub fn load<T: Real>(row: &[T], start: usize) -> Lanes<T> {
    let rest = &row[start..];
    match rest.first_chunk() {
        Some(lanes) => *lanes,
        None => {
            let mut lanes = [T::ZERO; LANES];
            lanes[..rest.len()].copy_from_slice(rest);
            lanes
        }
    }
}

/// Writes a chunk to the elements `start..` of a row, as far as it goes.
#[inline(always)]
pub fn store<T: Real>(row: &mut [T], start: usize, lanes: Lanes<T>) {
    let rest = &mut row[start..];
    match rest.first_chunk_mut() {
        Some(target) => *target = lanes,
        None => rest.copy_from_slice(&lanes[..rest.len()]),
    }
}
