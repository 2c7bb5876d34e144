use std::ops::Range;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::kernels::Epilogue;
use crate::kernels::gemm::{Addend, Matrix, MatrixMut, gemm_serial, pack_b, packed_len};
use crate::kernels::simd::{Isa, isa};

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

fn dense(a: Matrix<'_, f32>, b: &[f32], n: usize, addend: Addend<'_, f32>) -> Vec<f32> {
    let (m, k) = (a.rows, a.columns);
    let mut c = vec![0.0; m * n];
    let mut memory = vec![0.0f32; packed_len::<f32>(k, n)];
    // A packed matrix is multiplied tile by tile, whatever its shape.
    let b = pack_b(Matrix::row_major(b, k, n), &mut memory);
    gemm_serial(a, b, MatrixMut::row_major(&mut c, m, n), addend, &mut []);
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

    /// Both products have the bits of the dense ones, tile by tile.
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
        let (b, row) = (numbers(columns * n), numbers(n));
        let mut c = vec![f32::NAN; rows * n];
        product(found, &b, None, &mut c, n, None);
        prop_assert_eq!(&c, &dense(a, &b, n, Addend::Nothing));
        product(found, &b, Some(&row), &mut c, n, None);
        prop_assert_eq!(c, dense(a, &b, n, Addend::Row(&row)));
        let b = numbers(rows * n);
        let mut c = vec![f32::NAN; columns * n];
        transposed_product(found, &b, &mut c, n, None);
        prop_assert_eq!(c, dense(a.transposed(), &b, n, Addend::Nothing));
    }
}

/// Elements of which about `eighths` in eight are not zero, with zeros of both signs.
fn with_zeros(count: usize, eighths: usize) -> Vec<f32> {
    let numbers = (0..count).map(|index| index * 7919 % 10_007 % 1024);
    numbers
        .map(|number| match number < 128 * eighths {
            true => number as f32 / 512.0 - 0.99,
            false if number % 2 == 0 => 0.0,
            false => -0.0,
        })
        .collect()
}

/// c = aᵀ · b by b's columns; `None` where it was refused.
fn by_columns(a: &[f32], b: &[f32], (k, m, n): (usize, usize, usize)) -> Option<Vec<f32>> {
    let product = ColumnProduct::new(k, m, n).expect("the product is large");
    let mut workspace = vec![f32::NAN; product.workspace_bytes().div_ceil(4)];
    // SAFETY: the same memory as bytes.
    let workspace = unsafe { workspace.align_to_mut::<u8>().1 };
    let mut c = vec![f32::NAN; m * n];
    let seen = Mutex::new(vec![0; m * n]);
    let epilogue = |rows: Range<usize>, columns: Range<usize>| {
        let mut seen = seen.lock().unwrap();
        rows.for_each(|row| columns.clone().for_each(|column| seen[row * n + column] += 1));
    };
    let is_computed = product.run(a, b, &mut c, Some(&epilogue), workspace);
    let times = usize::from(is_computed);
    assert!(seen.into_inner().unwrap().iter().all(|&seen| seen == times), "blocks cover the output once");
    let reader = LastReader { n, blocks: Mutex::new(vec![f32::NAN; m * n]) };
    let mut unwritten = vec![f32::NAN; m * n];
    assert_eq!(product.run(a, b, &mut unwritten, Some(&reader), workspace), is_computed);
    assert!(unwritten.iter().all(|c| c.is_nan()), "what is read last is read elsewhere");
    let same_bits = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
    assert!(c.iter().zip(&reader.blocks.into_inner().unwrap()).all(same_bits), "and is the same there");
    is_computed.then_some(c)
}

/// Whether c is aᵀ · b: the dense product, or one whose sums run in another order. With u = ε/2, a sum of k products is
/// within k·u·Σ|aᵢbᵢ| of the exact one.
fn is_product(c: Option<Vec<f32>>, a: &[f32], b: &[f32], (k, m, n): (usize, usize, usize)) -> bool {
    let product =
        |a: &[f32], b: &[f32]| dense(Matrix::row_major(a, k, m).transposed(), b, n, Addend::Nothing);
    let sizes = |elements: &[f32]| elements.iter().map(|element| element.abs()).collect::<Vec<f32>>();
    let (expected, size) = (product(a, b), product(&sizes(a), &sizes(b)));
    let is_close =
        |((c, expected), size): ((f32, f32), f32)| (c - expected).abs() <= k as f32 * f32::EPSILON * size;
    c.is_some_and(|c| c.into_iter().zip(expected).zip(size).all(is_close))
}

/// An epilogue that copies what it is handed.
struct LastReader {
    /// Columns of the output.
    n: usize,
    blocks: Mutex<Vec<f32>>,
}

impl Epilogue for LastReader {
    fn finish(&self, _: Range<usize>, _: Range<usize>) {
        panic!("the output is not where it belongs");
    }

    fn reads_last(&self) -> bool {
        true
    }

    unsafe fn finish_elsewhere(&self, output: *const u8, rows: Range<usize>, columns: Range<usize>) {
        let mut blocks = self.blocks.lock().unwrap();
        for index in rows.flat_map(|row| columns.clone().map(move |column| row * self.n + column)) {
            // SAFETY: the caller's promise.
            blocks[index] = unsafe { output.cast::<f32>().wrapping_add(index).read() };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    /// The product by columns is the dense one, but for the order of its sums.
    #[test]
    fn product_by_columns(k in 20usize..400, m in 300usize..900, n in 340usize..500, eighths in 0usize..5) {
        let (a, b) = (with_zeros(k * m, 8), with_zeros(k * n, eighths));
        prop_assert!(isa() == Isa::Portable || is_product(by_columns(&a, &b, (k, m, n)), &a, &b, (k, m, n)));
    }
}

#[test]
fn stretches_fit_the_memory_of_a_part() {
    // 90 rows of 80 columns would be a little too much.
    for sizes @ (k, m, n) in [(179, 160, 80), (512, 64, 700), (128, 784, 512)] {
        let (a, b) = (with_zeros(k * m, 8), with_zeros(k * n, 4));
        assert!(isa() == Isa::Portable || is_product(by_columns(&a, &b, sizes), &a, &b, sizes), "{sizes:?}");
    }
}

#[test]
fn products_by_columns_are_refused() {
    let sizes @ (k, m, n) = (64, 320, 160);
    if isa() == Isa::Portable {
        assert!(ColumnProduct::new(k, m, n).is_none(), "without vectors the dense product is as good");
        return;
    }
    assert!(ColumnProduct::new(8, m, n).is_none() && ColumnProduct::new(k, 16, 16).is_none(), "small");
    assert!(ColumnProduct::new(513, m, n).is_none(), "more rows than fit");
    let (mut a, mut b) = (vec![0.5; k * m], with_zeros(k * n, 4));
    assert!(by_columns(&a, &b, sizes).is_some());
    assert!(by_columns(&a, &with_zeros(k * n, 7), sizes).is_none(), "few zeros");
    let dense_but_sampled = |index: usize| index / n == 0 || index / n == k / 3 || index / n == 2 * k / 3;
    let hidden: Vec<f32> = (0..k * n).map(|index| if dense_but_sampled(index) { 0.0 } else { 1.0 }).collect();
    assert!(by_columns(&a, &hidden, sizes).is_none(), "few zeros, but in the sample");
    b[77] = f32::NAN;
    assert!(by_columns(&a, &b, sizes).unwrap().iter().any(|c| c.is_nan()), "NaN is not zero");
    a[k * m - 1] = f32::INFINITY;
    assert!(by_columns(&a, &b, sizes).is_none(), "0 · ∞ is not 0");
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
