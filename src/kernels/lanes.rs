//! Rows read in chunks of [`LANES`] elements that are worked on side by side. The last chunk of a row is filled up with
//! an element that changes nothing.

use super::Real;

pub const LANES: usize = 16;

/// The chunks of a row as (where they start, how long they are).
#[inline(always)]
pub fn chunks(length: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..length).step_by(LANES).map(move |start| (start, LANES.min(length - start)))
}

#[inline(always)]
pub fn load<T: Real>(row: &[T], (start, length): (usize, usize), filler: T) -> [T; LANES] {
    if length == LANES {
        return row[start..start + LANES].try_into().expect("LANES elements");
    }
    let mut lanes = [filler; LANES];
    for (lane, &element) in lanes.iter_mut().zip(&row[start..start + length]) {
        *lane = element;
    }
    lanes
}

#[inline(always)]
pub fn store<T: Real>(row: &mut [T], (start, length): (usize, usize), lanes: [T; LANES]) {
    if length == LANES {
        row[start..start + LANES].copy_from_slice(&lanes);
        return;
    }
    for (element, &lane) in row[start..start + length].iter_mut().zip(&lanes) {
        *element = lane;
    }
}

/// All lanes folded into one number, by halves.
#[inline(always)]
pub fn fold_lanes<T: Real>(mut lanes: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Σ a·b
#[inline(always)]
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    for chunk in chunks(a.len()) {
        let (a, b) = (load(a, chunk, T::ZERO), load(b, chunk, T::ZERO));
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    fold_lanes(lanes, |a, b| a + b)
}

#[inline(always)]
pub fn sum<T: Real>(row: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    for chunk in chunks(row.len()) {
        let elements = load(row, chunk, T::ZERO);
        for lane in 0..LANES {
            lanes[lane] += elements[lane];
        }
    }
    fold_lanes(lanes, |a, b| a + b)
}
