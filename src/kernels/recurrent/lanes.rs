//! Rows in chunks of a fixed number of elements, which the compiler puts into vector registers.

use crate::kernels::Real;

/// One AVX-512 register of f32.
pub const LANES: usize = 16;

pub type Lanes<T> = [T; LANES];

/// Runs a body for each chunk `start..start + count` of a row. It is compiled twice: for whole chunks, whose loads and
/// stores are then single instructions, and for what is left of a row.
macro_rules! for_each_chunk {
    ($width:expr, |$start:ident, $count:ident| $body:block) => {{
        let whole = $width - $width % LANES;
        for $start in (0..whole).step_by(LANES) {
            let $count = LANES;
            $body
        }
        if whole < $width {
            let ($start, $count) = (whole, $width - whole);
            $body
        }
    }};
}

pub(super) use for_each_chunk;

/// A chunk of a row, filled up with zeros to [`LANES`] elements.
#[inline(always)]
pub fn load<T: Real>(row: &[T], start: usize, count: usize) -> Lanes<T> {
    let chunk = &row[start..start + count];
    if count == LANES {
        return *chunk.first_chunk().expect("a whole chunk");
    }
    let mut lanes = [T::ZERO; LANES];
    lanes[..count].copy_from_slice(chunk);
    lanes
}

/// Writes the first `count` lanes to a chunk of a row.
#[inline(always)]
pub fn store<T: Real>(row: &mut [T], start: usize, count: usize, lanes: Lanes<T>) {
    let chunk = &mut row[start..start + count];
    if count == LANES {
        *chunk.first_chunk_mut().expect("a whole chunk") = lanes;
    } else {
        chunk.copy_from_slice(&lanes[..count]);
    }
}

#[inline(always)]
pub fn sum<T: Real>(mut a: Lanes<T>, b: Lanes<T>) -> Lanes<T> {
    for lane in 0..LANES {
        a[lane] += b[lane];
    }
    a
}
