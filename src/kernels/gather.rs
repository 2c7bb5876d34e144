//! Reading and adding by index. Indices are checked by the caller.

use super::copy::fill;
use super::number::Number;
use super::parallel::{for_each_chunk, items_per_part};
use crate::tensor::Element;
use crate::threads::{DisjointMut, for_each_part};

/// Elements of one part of a parallel loop.
const PART: usize = 1 << 14;

/// y (outer, k, inner) = the slices `indices` (k) of x (outer, length, inner).
pub fn gather<T: Element>(y: &mut [T], x: &[T], indices: &[i32], length: usize, inner: usize) {
    if y.is_empty() {
        return;
    }
    let per_part = items_per_part(y.len() / inner, inner, PART);
    let work = y.len() as u64 / 2;
    for_each_chunk(y, per_part * inner, work, &|part, y| {
        for (row, y) in y.chunks_exact_mut(inner).enumerate() {
            let row = part * per_part + row;
            let (outer, index) = (row / indices.len(), indices[row % indices.len()] as usize);
            y.copy_from_slice(&x[(outer * length + index) * inner..][..inner]);
        }
    });
}

/// Columns that one part of [`scatter_add`] adds to: a cache line of f32.
const COLUMNS: usize = 16;

/// y (outer, length, inner) = zeros, to whose slice `indices[k]` slice k of x (outer, k, inner) is added.
///
/// Parts take columns, so that every element is added to in the order of the indices, whatever the threads.
pub fn scatter_add<T: Number>(y: &mut [T], x: &[T], indices: &[i32], length: usize, inner: usize) {
    fill(y, T::ZERO);
    if y.is_empty() || x.is_empty() {
        return;
    }
    let count = indices.len();
    let outer = x.len() / (count * inner);
    let tiles = inner.div_ceil(COLUMNS);
    let per_part = items_per_part(outer * tiles, count * inner.min(COLUMNS), PART);
    let work = x.len() as u64 * 2;
    let y = DisjointMut::new(y);
    for_each_part((outer * tiles).div_ceil(per_part), work, &|part| {
        for item in part * per_part..(outer * tiles).min((part + 1) * per_part) {
            let (outer, column) = (item / tiles, item % tiles * COLUMNS);
            let width = COLUMNS.min(inner - column);
            for (k, &index) in indices.iter().enumerate() {
                let from = (outer * count + k) * inner + column;
                let to = (outer * length + index as usize) * inner + column;
                // SAFETY: every item has columns of its own.
                let target = unsafe { y.slice(to..to + width) };
                for (y, &x) in target.iter_mut().zip(&x[from..from + width]) {
                    *y = y.add(x);
                }
            }
        }
    });
}

/// y (outer, k, inner): y[o, j, i] = x[o, indices[o, j, i], i] with x (outer, length, inner).
pub fn take_along<T: Element>(y: &mut [T], x: &[T], indices: &[i32], length: usize, inner: usize, k: usize) {
    let block = k * inner;
    if y.is_empty() {
        return;
    }
    let per_part = items_per_part(y.len() / block, block, PART);
    let work = y.len() as u64;
    for_each_chunk(y, per_part * block, work, &|part, y| {
        for (outer, y) in y.chunks_exact_mut(block).enumerate() {
            let outer = part * per_part + outer;
            let x = &x[outer * length * inner..][..length * inner];
            for (at, (y, &index)) in y.iter_mut().zip(&indices[outer * block..]).enumerate() {
                *y = x[index as usize * inner + at % inner];
            }
        }
    });
}

/// y (outer, length, inner) = zeros, to whose element [o, indices[o, j, i], i] x[o, j, i] is added; x (outer, k, inner).
pub fn scatter_along<T: Number>(
    y: &mut [T],
    x: &[T],
    indices: &[i32],
    length: usize,
    inner: usize,
    k: usize,
) {
    if y.is_empty() {
        return;
    }
    let (from, to) = (k * inner, length * inner);
    let per_part = items_per_part(y.len() / to, from.max(to), PART);
    let work = (x.len() + y.len()) as u64;
    for_each_chunk(y, per_part * to, work, &|part, y| {
        y.fill(T::ZERO);
        for (outer, y) in y.chunks_exact_mut(to).enumerate() {
            let start = (part * per_part + outer) * from;
            let updates = x[start..start + from].iter().zip(&indices[start..]);
            for (at, (&x, &index)) in updates.enumerate() {
                let y = &mut y[index as usize * inner + at % inner];
                *y = y.add(x);
            }
        }
    });
}

/// y (n, depth) = 1 at column `indices[n]`, 0 elsewhere; a row of zeros where the index is no column.
pub fn one_hot<T: Number>(y: &mut [T], indices: &[i32], depth: usize) {
    fill(y, T::ZERO);
    for (row, &index) in indices.iter().enumerate() {
        if let Some(column) = usize::try_from(index).ok().filter(|&column| column < depth) {
            y[row * depth + column] = T::ONE;
        }
    }
}
