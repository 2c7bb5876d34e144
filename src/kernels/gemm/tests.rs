//! The fast product against the plain one, on every instruction set that the machine has.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::pack::pack_with;
use super::reference::reference;
use super::*;
use crate::kernels::simd::Isa;
use crate::threads::{num_threads, set_num_threads};

/// How a matrix lies in memory.
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// Contiguous rows, with a gap of this many elements between them.
    Rows(usize),
    /// The same for columns.
    Columns(usize),
    /// Neither rows nor columns are contiguous.
    Scattered,
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![
        (0usize..4).prop_map(Layout::Rows),
        (0usize..4).prop_map(Layout::Columns),
        Just(Layout::Scattered)
    ]
}

/// Small numbers that differ from each other, so that an element in the wrong place shows.
fn numbers<T: Real>(count: usize, seed: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0)).collect()
}

fn matrix<T: Real>(data: &[T], rows: usize, columns: usize, layout: Layout) -> Matrix<'_, T> {
    match layout {
        Layout::Rows(gap) => Matrix::strided(data, rows, columns, columns + gap),
        Layout::Columns(gap) => Matrix::strided(data, columns, rows, rows + gap).transposed(),
        Layout::Scattered => Matrix { data, rows, columns, row_stride: 3 * columns + 1, column_stride: 3 },
    }
}

/// Which [`Addend`].
#[derive(Debug, Clone, Copy)]
enum Added {
    Nothing,
    Result,
    Row,
}

#[derive(Debug, Clone)]
struct Case {
    m: usize,
    k: usize,
    n: usize,
    a: Layout,
    b: Layout,
    c_gap: usize,
    addend: Added,
    packed: bool,
    parallel: bool,
}

fn cases(most: usize) -> impl Strategy<Value = Case> {
    let sizes = (0..=most, 0..=most, 0..=most);
    let added = prop_oneof![Just(Added::Nothing), Just(Added::Result), Just(Added::Row)];
    (sizes, layouts(), layouts(), 0usize..3, added, any::<bool>(), any::<bool>()).prop_map(
        |((m, k, n), a, b, c_gap, addend, packed, parallel)| Case {
            m,
            k,
            n,
            a,
            b,
            c_gap,
            addend,
            packed,
            parallel,
        },
    )
}

/// Checks a case on one instruction set: values, what lies between the rows of C, and the blocks of the epilogue.
fn check<T: Real>(case: &Case, isa: Isa, epsilon: f64) -> Vec<T> {
    let Case { m, k, n, c_gap, .. } = *case;
    let size = |rows: usize, columns: usize| (rows + 4) * (3 * columns + 4);
    let (a_data, b_data) = (numbers::<T>(size(m, k), 1), numbers::<T>(size(k, n), 2));
    let (a, b) = (matrix(&a_data, m, k, case.a), matrix(&b_data, k, n, case.b));
    let stride = n + c_gap;
    let (before, row) = (numbers::<T>(m * stride, 3), numbers::<T>(n, 4));
    let mut c = before.clone();
    let counts: Vec<AtomicU32> = (0..m * n).map(|_| AtomicU32::new(0)).collect();
    let epilogue = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        for i in rows {
            for j in columns.clone() {
                counts[i * n + j].fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let kernels = T::kernels(isa);
    let padded = k * n.next_multiple_of(kernels.panel());
    let mut memory = vec![T::from_f64(f64::NAN); padded];
    let mut workspace = vec![u64::MAX; padded * size_of::<T>() / 8 + 1];
    // SAFETY: the same memory as bytes.
    let workspace = unsafe {
        std::slice::from_raw_parts_mut(workspace.as_mut_ptr().cast::<u8>(), padded * size_of::<T>())
    };
    let right = match case.packed {
        true => Right::Packed(pack_with(kernels.panel(), b, &mut memory)),
        false => Right::Plain(b),
    };
    let result = MatrixMut::strided(&mut c, m, n, stride);
    let addend = match case.addend {
        Added::Nothing => Addend::Nothing,
        Added::Result => Addend::Result,
        Added::Row => Addend::Row(&row),
    };
    // What is asked for meanwhile changes nothing.
    let prefetch = Prefetch::whole(&a_data, 640);
    let (epilogue, parallel): (&dyn Epilogue, bool) = (&epilogue, case.parallel);
    let options = Options { kernels, parallel, addend, epilogue: Some(epilogue), prefetch: Some(&prefetch) };
    product::run(&options, a.into(), right, &result, workspace);

    // A sum of k products in floating point is off by at most (k + 1) · epsilon · Σ|a||b|.
    let absolute = |data: &[T]| data.iter().map(|value| value.abs()).collect::<Vec<T>>();
    let (a_absolute, b_absolute) = (absolute(&a_data), absolute(&b_data));
    let expected = reference(a, b);
    let magnitude = reference(Matrix { data: &a_absolute, ..a }, Matrix { data: &b_absolute, ..b });
    for (index, (&value, &before)) in c.iter().zip(&before).enumerate() {
        let (i, j) = (index / stride.max(1), index % stride.max(1));
        if j >= n {
            assert_eq!(value, before, "{case:?} {isa:?}: element ({i}, {j}) lies between the rows");
            continue;
        }
        let added = match case.addend {
            Added::Nothing => 0.0,
            Added::Result => before.to_f64(),
            Added::Row => row[j].to_f64(),
        };
        let expected = expected[i * n + j] + added;
        let bound = epsilon * (k + 1) as f64 * (magnitude[i * n + j] + 1.0);
        let error = (value.to_f64() - expected).abs();
        assert!(error <= bound, "{case:?} {isa:?}: element ({i}, {j}) is {value:?}, not {expected}");
    }
    assert!(
        counts.iter().all(|count| count.load(Ordering::Relaxed) == 1),
        "{case:?} {isa:?}: the epilogue must see every element once"
    );
    c
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn small_products(case in cases(44)) {
        for isa in Isa::available() {
            check::<f32>(&case, isa, f64::from(f32::EPSILON));
            check::<f64>(&case, isa, f64::EPSILON);
        }
    }
}

#[test]
fn products_of_several_blocks() {
    let table = [
        (300, 600, 70),
        (350, 300, 130),
        (170, 520, 33),
        (20, 700, 260),
        (1, 900, 300),
        (2, 900, 300),
        (5, 300, 300),
        (300, 900, 1),
        (513, 257, 10),
    ];
    for (m, k, n) in table {
        for (a, b) in [
            (Layout::Rows(0), Layout::Rows(0)),
            (Layout::Rows(0), Layout::Columns(0)),
            (Layout::Columns(0), Layout::Rows(0)),
        ] {
            for (isa, addend) in Isa::available().flat_map(|isa| [(isa, Added::Result), (isa, Added::Row)]) {
                let case = Case { m, k, n, a, b, c_gap: 1, addend, packed: false, parallel: true };
                let parallel = check::<f32>(&case, isa, f64::from(f32::EPSILON));
                let serial =
                    check::<f32>(&Case { parallel: false, ..case.clone() }, isa, f64::from(f32::EPSILON));
                assert_eq!(parallel, serial, "{case:?} {isa:?}");
                check::<f64>(&case, isa, f64::EPSILON);
            }
        }
    }
}

/// Listed rows give the bits of the same rows copied into a matrix, whichever way they are multiplied.
#[test]
fn listed_rows() {
    for (count, columns, n) in
        [(40, 70, 16), (33, 600, 9), (700, 41, 2), (90, 530, 48), (3, 2, 100), (64, 300, 130)]
    {
        let stride = columns + 3;
        let data = numbers::<f32>(900 * stride, 1);
        let order: Vec<usize> = (0..count).map(|i| (i * 577 + 13) % 900).collect();
        let copy: Vec<f32> = order.iter().flat_map(|row| &data[row * stride..][..columns]).copied().collect();
        let listed = ListedRows::new(&data, stride, &order, columns);
        let plain = Matrix::row_major(&copy, count, columns);
        for (listed, plain) in
            [(Left::Listed(listed), plain), (Left::ListedTransposed(listed), plain.transposed())]
        {
            let (m, k) = listed.shape();
            let (b, row) = (numbers::<f32>(k * n, 2), numbers::<f32>(n, 3));
            for isa in Isa::available() {
                let kernels = f32::kernels(isa);
                let product = |a: Left<'_, f32>, packs: bool, parallel: bool| {
                    let mut c = vec![f32::NAN; m * n];
                    let mut workspace = vec![0.0f32; k * n.next_multiple_of(kernels.panel())];
                    let mut memory = workspace.clone();
                    // SAFETY: the same memory as bytes.
                    let workspace = unsafe { workspace.align_to_mut::<u8>().1 };
                    let right = Matrix::row_major(&b, k, n);
                    let right = match packs {
                        true => Right::Packed(pack_with(kernels.panel(), right, &mut memory)),
                        false => Right::Plain(right),
                    };
                    let addend = Addend::Row(&row);
                    let options = Options { kernels, parallel, addend, epilogue: None, prefetch: None };
                    product::run(&options, a, right, &MatrixMut::row_major(&mut c, m, n), workspace);
                    c
                };
                // A packed matrix is multiplied tile by tile, whatever its shape.
                let expected = product(plain.into(), true, false);
                assert_eq!(product(listed, false, false), expected, "{m} × {k} × {n} {isa:?}");
                assert_eq!(product(listed, false, true), expected, "{m} × {k} × {n} {isa:?}, in parallel");
            }
        }
    }
}

#[test]
#[should_panic(expected = "beyond its data")]
fn a_listed_row_that_is_not_there() {
    ListedRows::new(&[0.0f32; 12], 4, &[0, 3], 4);
}

#[test]
fn the_public_form() {
    let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // (2, 3)
    let b = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]; // (3, 2)
    let mut c = [10.0f32; 4];
    let (a, b) = (Matrix::row_major(&a, 2, 3), Matrix::row_major(&b, 3, 2));
    let mut workspace = [0.0f32; 1024];
    // SAFETY: the same memory as bytes.
    let workspace = unsafe { workspace.align_to_mut::<u8>().1 };
    let workspace = &mut workspace[..gemm_workspace::<f32>(2, 3, 2)];
    gemm(a, b, MatrixMut::row_major(&mut c, 2, 2), Addend::Result, None, workspace);
    assert_eq!(c, [15.0, 21.0, 24.0, 33.0]);
    let mut memory = vec![0.0; packed_len::<f32>(3, 2)];
    let packed = pack_b(b, &mut memory);
    gemm_serial(a, packed, MatrixMut::row_major(&mut c, 2, 2), Addend::Nothing, workspace);
    assert_eq!(c, [5.0, 11.0, 14.0, 23.0]);
}

/// The special forms of a product without an addend.
fn forms(
    isa: Isa,
    (m, k, n): (usize, usize, usize),
    a: Layout,
    b: Layout,
) -> (Option<dots::Form>, Option<transposed::Form>) {
    let (data, mut c) = (numbers::<f32>(4 * (m + k) * (k + n), 1), vec![0.0; m * n]);
    let (a, b, c) = (matrix(&data, m, k, a), matrix(&data, k, n, b), MatrixMut::row_major(&mut c, m, n));
    let kernels = f32::kernels(isa);
    (dots::Form::of(kernels, &a, &b), transposed::Form::of(kernels, &a, &b, &c, Addend::Nothing))
}

#[test]
fn few_columns() {
    // Too few columns for the vectors of every instruction set, sums of one block or two, rows in whole tiles or not.
    for (m, k, n) in [(64, 256, 9), (70, 600, 3), (213, 1100, 5), (65, 300, 35)] {
        let (rows, columns) = (Layout::Rows(1), Layout::Columns(2));
        for (a, b) in
            [(rows, rows), (rows, columns), (columns, rows), (columns, columns), (columns, Layout::Scattered)]
        {
            for isa in Isa::available() {
                let expected = match a {
                    _ if !dots::is_narrow(f32::kernels(isa), n) => (None, None),
                    Layout::Rows(_) => (Some(dots::Form::Narrow), None),
                    _ => (None, Some(transposed::Form::Narrow)),
                };
                assert_eq!(forms(isa, (m, k, n), a, b), expected, "{m} {k} {n} {isa:?}");
                for addend in [Added::Nothing, Added::Result, Added::Row] {
                    let case = Case { m, k, n, a, b, c_gap: 2, addend, packed: false, parallel: true };
                    let epsilon = f64::from(f32::EPSILON);
                    let parallel = check::<f32>(&case, isa, epsilon);
                    let serial = check::<f32>(&Case { parallel: false, ..case.clone() }, isa, epsilon);
                    assert_eq!(parallel, serial, "{case:?} {isa:?}");
                    check::<f64>(&case, isa, f64::EPSILON);
                }
            }
        }
    }
}

#[test]
fn few_rows_by_a_transposed_matrix() {
    let packed_too = |case: &Case, isa: Isa| {
        let fast = check::<f32>(case, isa, f64::from(f32::EPSILON));
        let packed = check::<f32>(&Case { packed: true, ..case.clone() }, isa, f64::from(f32::EPSILON));
        assert_eq!(fast, packed, "{case:?} {isa:?}: every product sums in the same order");
        check::<f64>(case, isa, f64::EPSILON);
    };
    for (m, k, n) in [(16, 64, 64), (16, 80, 130), (32, 300, 170), (48, 700, 520)] {
        for (a, parallel) in [(Layout::Rows(2), true), (Layout::Columns(0), true), (Layout::Scattered, false)]
        {
            for isa in Isa::available() {
                let b = Layout::Columns(3);
                let (_, transposed) = forms(isa, (m, k, n), a, b);
                assert_eq!(transposed, Some(transposed::Form::Small), "{m} {k} {n} {isa:?}");
                for c_gap in [0, 3] {
                    let case = Case { m, k, n, a, b, c_gap, addend: Added::Nothing, packed: false, parallel };
                    packed_too(&case, isa);
                }
            }
        }
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let before = num_threads();
    let (m, k, n) = (150, 700, 330);
    let (a, b, row) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2), numbers::<f32>(n, 3));
    let (a, b) = (Matrix::row_major(&a, m, k), Matrix::row_major(&b, k, n));
    let mut workspace = vec![0.0f32; packed_len::<f32>(k, n)];
    let mut product = |threads: usize, epilogue: Option<&dyn Epilogue>| {
        set_num_threads(threads);
        let mut c = vec![0.0f32; m * n];
        // SAFETY: the same memory as bytes.
        let workspace = unsafe { workspace.align_to_mut::<u8>().1 };
        gemm(a, b, MatrixMut::row_major(&mut c, m, n), Addend::Row(&row), epilogue, workspace);
        c.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
    };
    let nothing = |_: Range<usize>, _: Range<usize>| ();
    let expected = product(1, None);
    for threads in [1, 2, 3, 16] {
        assert_eq!(product(threads, None), expected, "{threads} threads");
        assert_eq!(product(threads, Some(&nothing)), expected, "{threads} threads and an epilogue");
    }
    set_num_threads(before);
}

#[test]
#[should_panic(expected = "do not fit")]
fn sizes_that_do_not_fit() {
    let (a, b, mut c) = ([0.0f32; 6], [0.0f32; 8], [0.0f32; 4]);
    let (a, b) = (Matrix::row_major(&a, 2, 3), Matrix::row_major(&b, 4, 2));
    gemm_serial(a, b, MatrixMut::row_major(&mut c, 2, 2), Addend::Nothing, &mut []);
}
