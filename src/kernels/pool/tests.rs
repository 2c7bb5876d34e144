//! The fast kernels against the plain ones, bit by bit: both add in the same order.

use proptest::prelude::*;

use super::*;
use crate::kernels::conv::Window;
use crate::kernels::simd::{Isa, Vectorized};
use crate::threads::{num_threads, set_num_threads};

/// Few different numbers, so that there are ties, with a NaN and an infinity here and there.
fn numbers<T: Vectorized>(len: usize, seed: usize) -> Vec<T> {
    let number = |i: usize| match (i * 31 + seed * 17 + i / 7) % 97 {
        0 => f64::NAN,
        1 => f64::NEG_INFINITY,
        rest => (rest % 5) as f64 - 2.0,
    };
    (0..len).map(|i| T::from_f64(number(i))).collect()
}

fn finite<T: Vectorized>(len: usize) -> Vec<T> {
    (0..len).map(|i| T::from_f64((i % 23) as f64 * 0.37 - 4.0)).collect()
}

fn bits<T: Vectorized>(x: &[T]) -> Vec<u64> {
    x.iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_f64().to_bits() }).collect()
}

/// What `fast` writes over garbage on each instruction set is what `plain` writes.
fn same<T: Vectorized>(len: usize, plain: impl Fn(&mut [T]), fast: impl Fn(Isa, &mut [T])) {
    let garbage = || vec![T::from_f64(1e9); len];
    let mut expected = garbage();
    plain(&mut expected);
    for isa in Isa::available() {
        let mut result = garbage();
        fast(isa, &mut result);
        assert_eq!(bits(&result), bits(&expected), "on {}", isa.name());
    }
}

fn check<T: Vectorized>(p: &Pooling) {
    let x_len = p.batch * p.input[0] * p.line_len();
    let y_len = p.batch * p.output[0] * p.output_line_len();
    let x = numbers::<T>(x_len, 1);
    let mut argmax = vec![0; y_len];
    reference::max_forward(p, &x, &mut finite::<T>(y_len), &mut argmax);
    same::<T>(
        y_len,
        |y| reference::max_forward(p, &x, y, &mut vec![0; y_len]),
        |isa, y| {
            let mut found = vec![-7; y_len];
            max_forward(isa, p, &x, y, &mut found);
            assert_eq!(found, argmax, "on {}", isa.name());
        },
    );
    let (x, dy) = (finite::<T>(x_len), finite::<T>(y_len));
    same::<T>(
        x_len,
        |dx| reference::max_backward(p, &argmax, &dy, dx),
        |isa, dx| max_backward(isa, p, &argmax, &dy, dx),
    );
    same::<T>(
        y_len,
        |y| reference::max_select(p, &argmax, &x, y),
        |isa, y| max_select(isa, p, &argmax, &x, y),
    );
    same::<T>(y_len, |y| reference::average_forward(p, &x, y), |isa, y| average_forward(isa, p, &x, y));
    same::<T>(
        x_len,
        |dx| reference::average_backward(p, &dy, dx),
        |isa, dx| average_backward(isa, p, &dy, dx),
    );
}

fn pooling(
    batch: usize,
    input: [usize; 2],
    channels: usize,
    size: [usize; 2],
    strides: [usize; 2],
    [before, after]: [[usize; 2]; 2],
) -> Pooling {
    let window = Window { size, strides, before, after, dilation: [1, 1] };
    let output = [window.positions(0, input[0]), window.positions(1, input[1])];
    Pooling { batch, input, channels, output, window }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fast_kernels_equal_their_plain_versions(
        batch in 0..3usize,
        input in [1..9usize, 1..9usize],
        channels in prop_oneof![0..6usize, 15..18usize, Just(32usize)],
        size in [1..5usize, 1..5usize],
        strides in [1..5usize, 1..5usize],
        before in [0..4usize, 0..4usize],
        after in [0..4usize, 0..4usize],
    ) {
        // As the op's shape rule has it: every window covers a pixel.
        let smaller = |padding: [usize; 2]| [padding[0].min(size[0] - 1), padding[1].min(size[1] - 1)];
        let p = pooling(batch, input, channels, size, strides, [smaller(before), smaller(after)]);
        prop_assume!(!p.output.contains(&0));
        check::<f32>(&p);
        check::<f64>(&p);
    }
}

#[test]
fn one_image_is_split_over_threads() {
    let threads = num_threads();
    for count in [1, 4] {
        set_num_threads(count);
        check::<f32>(&pooling(1, [61, 65], 24, [2, 2], [2, 2], [[0, 0]; 2]));
        check::<f32>(&pooling(2, [60, 64], 32, [3, 3], [2, 2], [[1, 0], [0, 1]]));
    }
    set_num_threads(threads);
}

#[test]
fn ties_go_to_the_first_maximum_of_the_window() {
    let p = pooling(1, [2, 2], 1, [2, 2], [2, 2], [[0, 0]; 2]);
    let isa = crate::kernels::simd::isa();
    let (mut y, mut argmax, mut dx) = ([0.0f32], [9], [f32::NAN; 4]);
    max_forward(isa, &p, &[1.0, 3.0, 3.0, 3.0], &mut y, &mut argmax);
    assert_eq!((y, argmax), ([3.0], [1]));
    max_backward(isa, &p, &argmax, &[5.0], &mut dx);
    assert_eq!(dx, [0.0, 5.0, 0.0, 0.0]);
    max_select(isa, &p, &argmax, &[10.0, 20.0, 30.0, 40.0], &mut y);
    assert_eq!(y, [20.0]);
}

#[test]
fn the_first_nan_in_the_window_is_the_maximum() {
    let p = pooling(1, [1, 6], 1, [1, 3], [1, 3], [[0, 0]; 2]);
    let (mut y, mut argmax) = ([0.0f32; 2], [9; 2]);
    let x = [1.0, f32::NAN, f32::NAN, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
    max_forward(crate::kernels::simd::isa(), &p, &x, &mut y, &mut argmax);
    assert!(y[0].is_nan());
    assert_eq!((y[1], argmax), (f32::NEG_INFINITY, [1, 0]));
}

#[test]
fn padding_does_not_count_in_the_mean() {
    let p = pooling(1, [1, 3], 1, [1, 3], [1, 2], [[0, 1]; 2]);
    let isa = crate::kernels::simd::isa();
    let (mut y, mut dx) = ([0.0f64; 2], [f64::NAN; 3]);
    average_forward(isa, &p, &[1.0, 3.0, 8.0], &mut y);
    assert_eq!(y, [2.0, 5.5]);
    average_backward(isa, &p, &[2.0, 4.0], &mut dx);
    assert_eq!(dx, [1.0, 3.0, 2.0]);
}
