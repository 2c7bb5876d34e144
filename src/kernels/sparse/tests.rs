use proptest::prelude::*;

use super::*;
use crate::kernels::gemm::{Matrix, MatrixMut, gemm_serial, gemm_workspace};

/// Rows of which about one element in `sparsity` is not zero; zeros of both signs.
fn sparse(rows: usize, columns: usize, sparsity: usize) -> Vec<f32> {
    (0..rows * columns)
        .map(|index| match index * 7919 % 1009 % sparsity {
            0 => (index % 37) as f32 / 9.0 - 2.01,
            1 => -0.0,
            _ => 0.0,
        })
        .collect()
}

fn dense(a: Matrix<'_, f32>, b: &[f32], n: usize) -> Vec<f32> {
    let (m, k) = (a.rows, a.columns);
    let mut c = vec![0.0; m * n];
    let mut workspace = vec![0.0f32; gemm_workspace::<f32>(m, k, n) / 4];
    // SAFETY: the same memory as bytes.
    let workspace = unsafe { workspace.align_to_mut::<u8>().1 };
    gemm_serial(a, Matrix::row_major(b, k, n), MatrixMut::row_major(&mut c, m, n), false, workspace);
    c
}

/// The nonzero elements of `data`, collected in `memory`.
fn collected<'a>(
    data: &[f32],
    rows: usize,
    columns: usize,
    memory: &'a mut Vec<f32>,
) -> Option<SparseRows<'a>> {
    memory.resize(SparseRows::bytes(rows, columns) / size_of::<f32>(), 0.0);
    // SAFETY: the same memory as bytes.
    let memory = unsafe { memory.align_to_mut::<u8>().1 };
    SparseRows::collect(rows, columns, memory, &|row| &data[row * columns..(row + 1) * columns])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// Both products have the bits of the dense ones.
    #[test]
    fn products(rows in 2usize..70, columns in 2usize..1300, n in 2usize..40, sparsity in 12usize..90) {
        let data = sparse(rows, columns, sparsity);
        let mut memory = Vec::new();
        let Some(found) = collected(&data, rows, columns, &mut memory) else {
            // A short row may have too many by chance.
            prop_assume!(false);
            unreachable!()
        };
        let numbers = |count: usize| (0..count).map(|i| (i * 31 % 97) as f32 / 48.0 - 1.0).collect::<Vec<f32>>();
        let a = Matrix::row_major(&data, rows, columns);
        let b = numbers(columns * n);
        let mut c = vec![f32::NAN; rows * n];
        product(found, &b, &mut c, n, None);
        prop_assert_eq!(c, dense(a, &b, n));
        let b = numbers(rows * n);
        let mut c = vec![f32::NAN; columns * n];
        transposed_product(found, &b, &mut c, n, None);
        prop_assert_eq!(c, dense(a.transposed(), &b, n));
    }
}

#[test]
fn what_is_not_sparse_is_refused() {
    let (rows, columns) = (20, 400);
    let is_collected = |data: &[f32]| collected(data, rows, columns, &mut Vec::new()).is_some();
    assert!(is_collected(&sparse(rows, columns, 40)));
    assert!(!is_collected(&sparse(rows, columns, 3)), "the first row says so");
    let mut data = sparse(rows, columns, 40);
    data[13 * columns..14 * columns].fill(1.0);
    assert!(!is_collected(&data), "one row says so");
}

#[test]
fn nan_is_not_zero() {
    let mut data = vec![0.0; 320];
    data[17] = f32::NAN;
    let mut memory = Vec::new();
    let (indices, values) = collected(&data, 1, 320, &mut memory).unwrap().row(0, 0..16);
    assert_eq!(indices, [17]);
    assert!(values[0].is_nan());
}

#[test]
fn finite_numbers() {
    let mut data = vec![1e38f32; 3000];
    assert!(all_finite(&data));
    for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        data[2999] = value;
        assert!(!all_finite(&data));
    }
}
