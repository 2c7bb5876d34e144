//! Pieces of a workspace.

use crate::kernels::Real;

/// Pieces begin on multiples of this many bytes.
const LINE: usize = 64;

fn rounded<T>(len: usize) -> usize {
    len.next_multiple_of(LINE / size_of::<T>())
}

/// Elements that [`carve`] needs for pieces of these lengths.
pub fn total<T: Real>(lens: &[usize]) -> usize {
    lens.iter().map(|&len| rounded::<T>(len)).sum()
}

/// Cuts aligned pieces of these lengths off the front of `memory`; returns them and the rest.
pub fn carve<T: Real, const N: usize>(memory: &mut [T], lens: [usize; N]) -> ([&mut [T]; N], &mut [T]) {
    let mut rest = memory;
    let pieces = lens.map(|len| {
        let (piece, others) = std::mem::take(&mut rest).split_at_mut(rounded::<T>(len));
        rest = others;
        &mut piece[..len]
    });
    (pieces, rest)
}

/// Elements as the bytes that another kernel wants as its workspace.
pub fn bytes<T: Real>(elements: &mut [T]) -> &mut [u8] {
    // SAFETY: floats have no padding, and every bit pattern is a value of f32 and f64.
    unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), size_of_val(elements)) }
}
