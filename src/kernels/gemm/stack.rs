//! Many products of the same sizes.

use super::{Addend, Matrix, MatrixMut, gemm, gemm_serial, gemm_workspace};
use crate::kernels::Epilogue;
use crate::kernels::Real;
use crate::threads::{self, DisjointMut};

/// Stacks of this many products or more are divided between threads by product, smaller ones within each product.
const MANY: usize = 4;
/// The most parts of a stack: each has a workspace of its own.
const MOST_PARTS: usize = 16;

fn part_bytes<T: Real>(m: usize, k: usize, n: usize) -> usize {
    gemm_workspace::<T>(m, k, n).next_multiple_of(64)
}

/// Bytes of workspace that [`gemm_stack`] needs.
pub fn gemm_stack_workspace<T: Real>(count: usize, m: usize, k: usize, n: usize) -> usize {
    let parts = if count < MANY { 1 } else { count.min(MOST_PARTS) };
    parts * part_bytes::<T>(m, k, n)
}

/// c (count · M, N): the rows `index * M..` are a (M, K) · b (K, N), where (a, b) is `operands(index)`.
///
/// `epilogue` is called once for each finished block of c. `workspace` has at least [`gemm_stack_workspace`] bytes.
pub fn gemm_stack<'a, T: Real>(
    count: usize,
    operands: &(dyn Fn(usize) -> (Matrix<'a, T>, Matrix<'a, T>) + Sync),
    c: MatrixMut<'_, T>,
    epilogue: Option<&dyn Epilogue>,
    workspace: &mut [u8],
) {
    if count == 0 {
        return;
    }
    let (m, n) = (c.rows / count, c.columns);
    if count < MANY {
        for index in 0..count {
            let (a, b) = operands(index);
            let shifted = epilogue.map(|epilogue| {
                move |rows: std::ops::Range<usize>, columns| {
                    epilogue.finish(index * m + rows.start..index * m + rows.end, columns);
                }
            });
            let shifted = shifted.as_ref().map(|shifted| shifted as &dyn Epilogue);
            // SAFETY: one block at a time.
            let block = unsafe { c.block(index * m, m) };
            gemm(a, b, block, Addend::Nothing, shifted, workspace);
        }
        return;
    }
    let k = operands(0).0.columns;
    let (parts, bytes) = (count.min(MOST_PARTS), part_bytes::<T>(m, k, n));
    let workspace = DisjointMut::new(workspace);
    threads::for_each_part(parts, (count * m * k * n) as u64 / 30, &|part| {
        // SAFETY: each part has a workspace of its own.
        let workspace = unsafe { workspace.slice(part * bytes..(part + 1) * bytes) };
        for index in part * count / parts..(part + 1) * count / parts {
            let (a, b) = operands(index);
            // SAFETY: each product has a block of its own.
            let block = unsafe { c.block(index * m, m) };
            gemm_serial(a, b, block, Addend::Nothing, workspace);
            if let Some(epilogue) = epilogue {
                epilogue.finish(index * m..(index + 1) * m, 0..n);
            }
        }
    });
}
