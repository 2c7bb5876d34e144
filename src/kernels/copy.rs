//! Copies of strided views: transposes, slices and broadcasts are all one copy with their own strides.

use super::parallel::for_each_chunk;
use crate::tensor::Element;

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
        let mut view = Self { rank: 0, shape: [1; MAX_RANK], strides: [0; MAX_RANK], offset };
        for (size, stride) in axes.filter(|&(size, _)| size != 1) {
            let continues =
                view.rank > 0 && view.strides[view.rank - 1] == stride.wrapping_mul(size as isize);
            if continues {
                view.shape[view.rank - 1] *= size;
                view.strides[view.rank - 1] = stride;
            } else {
                assert!(view.rank < MAX_RANK, "shape rules keep ranks within MAX_RANK");
                view.shape[view.rank] = size;
                view.strides[view.rank] = stride;
                view.rank += 1;
            }
        }
        view
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
pub fn copy_strided<T: Element>(output: &mut [T], input: &[T], view: &Strided) {
    if output.is_empty() {
        return;
    }
    let innermost = view.rank.saturating_sub(1);
    let (columns, stride) = (view.shape[innermost], view.strides[innermost]);
    let rows_per_part = super::parallel::items_per_part(output.len() / columns, columns, 1 << 15);
    let work = output.len() as u64 / 2;
    for_each_chunk(output, rows_per_part * columns, work, &|part, chunk| {
        for (row, chunk) in chunk.chunks_mut(columns).enumerate() {
            let start = view.row_offset(part * rows_per_part + row);
            copy_row(chunk, input, start, stride);
        }
    });
}

fn copy_row<T: Element>(output: &mut [T], input: &[T], start: isize, stride: isize) {
    match stride {
        0 => output.fill(input[start as usize]),
        1 => output.copy_from_slice(&input[start as usize..][..output.len()]),
        _ => {
            let mut index = start;
            for element in output {
                *element = input[index as usize];
                index += stride;
            }
        }
    }
}
