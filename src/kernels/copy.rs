//! Copies of strided views: transposes, slices and broadcasts are all one copy with their own strides.

use super::Transpose;
use super::parallel::{for_each_chunk, items_per_part};
use crate::tensor::Element;
use crate::threads::{DisjointMut, for_each_part};

/// The most axes that a strided copy walks over.
pub const MAX_RANK: usize = 32;

/// A view of a buffer: element `(i, j, …)` is at `offset + i * strides[0] + j * strides[1] + …`.
#[derive(Debug, Clone)]
pub struct Strided {
    rank: usize,
    shape: [usize; MAX_RANK],
    strides: [isize; MAX_RANK],
    offset: isize,
}

impl Strided {
    /// A view with the given axes: `(size, stride)` each, outermost first. Axes of size 1 and axes that continue each
    /// other in memory are merged.
    pub fn new(offset: isize, axes: impl Iterator<Item = (usize, isize)>) -> Self {
        let mut view = Self::empty(offset);
        for (size, stride) in axes.filter(|&(size, _)| size != 1) {
            let last = view.rank.wrapping_sub(1);
            if view.rank > 0 && view.strides[last] == stride.wrapping_mul(size as isize) {
                view.shape[last] *= size;
                view.strides[last] = stride;
            } else {
                view.push(size, stride);
            }
        }
        view
    }

    /// [`Strided::new`] with every axis kept apart, so that two views of the same shape keep the same axes.
    fn new_apart(offset: isize, axes: impl Iterator<Item = (usize, isize)>) -> Self {
        let mut view = Self::empty(offset);
        axes.for_each(|(size, stride)| view.push(size, stride));
        view
    }

    fn empty(offset: isize) -> Self {
        Self { rank: 0, shape: [1; MAX_RANK], strides: [0; MAX_RANK], offset }
    }

    fn push(&mut self, size: usize, stride: isize) {
        assert!(self.rank < MAX_RANK, "shape rules keep ranks within MAX_RANK");
        self.shape[self.rank] = size;
        self.strides[self.rank] = stride;
        self.rank += 1;
    }

    /// Number of elements.
    pub fn size(&self) -> usize {
        self.shape[..self.rank].iter().product()
    }

    /// The offset of the `index`-th element in row-major order.
    pub fn offset(&self, index: usize) -> isize {
        self.walk(self.rank, index)
    }

    /// The offset of the `index`-th of the view's innermost rows.
    fn row_offset(&self, index: usize) -> isize {
        self.walk(self.rank.saturating_sub(1), index)
    }

    fn walk(&self, axes: usize, mut index: usize) -> isize {
        let mut offset = self.offset;
        for axis in (0..axes).rev() {
            offset += (index % self.shape[axis]) as isize * self.strides[axis];
            index /= self.shape[axis];
        }
        offset
    }
}

/// The strides of a contiguous, row-major tensor.
pub fn row_major_strides(shape: &[usize]) -> impl Iterator<Item = isize> + '_ {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>() as isize)
}

/// `output` = the elements of `view` over `input`, in row-major order.
pub fn copy_strided<T: Element + Transpose>(output: &mut [T], input: &[T], view: &Strided) {
    if output.is_empty() {
        return;
    }
    let innermost = view.rank.saturating_sub(1);
    let (columns, stride) = (view.shape[innermost], view.strides[innermost]);
    let lines_up = (0..innermost).rev().find(|&axis| view.strides[axis] == 1);
    if let (Some(axis), true) = (lines_up, stride.abs() > 1) {
        return copy_transposed(output, input, view, axis);
    }
    let rows_per_part = items_per_part(output.len() / columns, columns, PART);
    let work = output.len() as u64 / 2;
    for_each_chunk(output, rows_per_part * columns, work, &|part, chunk| {
        for (row, chunk) in chunk.chunks_mut(columns).enumerate() {
            let mut index = view.row_offset(part * rows_per_part + row);
            match stride {
                0 => chunk.fill(input[index as usize]),
                1 => chunk.copy_from_slice(&input[index as usize..][..columns]),
                _ => {
                    for element in chunk {
                        *element = input[index as usize];
                        index += stride;
                    }
                }
            }
        }
    });
}

/// Elements that one part of a copy moves.
const PART: usize = 1 << 15;
/// The side of the square tiles of a transposition: their rows are whole cache lines on both sides.
const TILE: usize = 16;
/// Columns of a transposition that are worked on by one thread.
const BLOCK: usize = 1024;

/// [`copy_strided`] where the elements of `axis`, not those of the innermost axis, are neighbours in the input: tile
/// by tile over these two axes.
fn copy_transposed<T: Element + Transpose>(output: &mut [T], input: &[T], view: &Strided, axis: usize) {
    let innermost = view.rank - 1;
    let (rows, columns) = (view.shape[axis], view.shape[innermost]);
    let column_stride = view.strides[innermost];
    // The other axes, with the strides of the input and of the output.
    let others = || (0..innermost).filter(|&other| other != axis);
    let from =
        Strided::new_apart(view.offset, others().map(|other| (view.shape[other], view.strides[other])));
    let output_strides = |other: usize| view.shape[other + 1..view.rank].iter().product::<usize>();
    let to = Strided::new_apart(0, others().map(|other| (view.shape[other], output_strides(other) as isize)));
    let row_stride = output_strides(axis);

    let (bands, blocks) = (rows.div_ceil(TILE), columns.div_ceil(BLOCK));
    let items = from.size() * bands * blocks;
    let per_part = items_per_part(items, TILE * columns.min(BLOCK), PART);
    let work = output.len() as u64 / 2;
    let output = DisjointMut::new(output);
    for_each_part(items.div_ceil(per_part), work, &|part| {
        for item in part * per_part..items.min((part + 1) * per_part) {
            let (other, band, block) =
                (item / blocks / bands, item / blocks % bands * TILE, item % blocks * BLOCK);
            let (source, target) = (from.offset(other) + band as isize, to.offset(other) as usize);
            let height = TILE.min(rows - band);
            for tile in (block..columns.min(block + BLOCK)).step_by(TILE) {
                let width = TILE.min(columns - tile);
                let first = source + tile as isize * column_stride;
                let start = target + band * row_stride + tile;
                match usize::try_from(column_stride) {
                    Ok(stride) => {
                        let from = &input[first as usize..];
                        assert!((width - 1) * stride + height <= from.len());
                        // SAFETY: every item has elements of its own, and `from` has all that are read.
                        unsafe {
                            let to = output.as_mut_ptr().add(start);
                            T::transpose_at(from.as_ptr(), stride, to, row_stride, (height, width));
                        }
                    }
                    Err(_) => {
                        for row in 0..height {
                            let start = start + row * row_stride;
                            // SAFETY: as above.
                            let elements = unsafe { output.slice(start..start + width) };
                            let mut index = first + row as isize;
                            for element in elements {
                                *element = input[index as usize];
                                index += column_stride;
                            }
                        }
                    }
                }
            }
        }
    });
}

/// The elements of `view` over `output` = `input`, in row-major order; the other elements stay as they are. The view's
/// axes are in the order of memory, so that its rows do not interleave.
pub fn copy_into_strided<T: Element>(output: &mut [T], input: &[T], view: &Strided) {
    if input.is_empty() {
        return;
    }
    let innermost = view.rank.saturating_sub(1);
    let (columns, stride) = (view.shape[innermost], view.strides[innermost]);
    let rows = input.len() / columns;
    let per_part = items_per_part(rows, columns, PART);
    let output = DisjointMut::new(output);
    for_each_part(rows.div_ceil(per_part), input.len() as u64 / 2, &|part| {
        for row in part * per_part..rows.min((part + 1) * per_part) {
            let source = &input[row * columns..][..columns];
            let first = view.row_offset(row);
            let last = first + (columns as isize - 1) * stride;
            let start = first.min(last) as usize;
            // SAFETY: rows of the view do not interleave.
            let target = unsafe { output.slice(start..first.max(last) as usize + 1) };
            match stride {
                1 => target.copy_from_slice(source),
                _ => {
                    let mut index = first - start as isize;
                    for &element in source {
                        target[index as usize] = element;
                        index += stride;
                    }
                }
            }
        }
    });
}

/// Fills `data` with one element.
pub fn fill<T: Element>(data: &mut [T], element: T) {
    let work = data.len() as u64 / 4;
    for_each_chunk(data, PART, work, &|_, chunk| chunk.fill(element));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Matrices stacked, each of them transposed, its columns also in reverse order.
    fn transposed<T: Element + Transpose>(element: impl Fn(usize) -> T) {
        let (matrices, rows, columns) = (2, BLOCK + TILE + 3, TILE + 9);
        let size = rows * columns;
        let input: Vec<T> = (0..matrices * size).map(element).collect();
        for step in [columns as isize, -(columns as isize)] {
            let first = if step > 0 { 0 } else { size - columns };
            let axes = [(matrices, size as isize), (columns, 1), (rows, step)];
            let mut output = vec![T::default(); input.len()];
            copy_strided(&mut output, &input, &Strided::new(first as isize, axes.into_iter()));
            for (index, &element) in output.iter().enumerate() {
                let (matrix, column, row) = (index / size, index % size / rows, index % rows);
                let row = if step > 0 { row } else { rows - 1 - row };
                assert_eq!(element, input[matrix * size + row * columns + column]);
            }
        }
    }

    #[test]
    fn transpositions_larger_than_a_block_of_every_dtype() {
        transposed(|index| index as f32);
        transposed(|index| index as f64);
        transposed(|index| (index as i32).wrapping_mul(65_537));
        transposed(|index| index as u8);
    }
}
