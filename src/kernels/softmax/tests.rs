use super::*;
use crate::kernels::random;

/// One of the eight kernels, on logits or outputs (rows, classes), a second such tensor, a number and a label a row.
type Apply<T> = fn(&Rows<T>) -> Vec<T>;

struct Rows<T> {
    classes: usize,
    x: Vec<T>,
    other: Vec<T>,
    numbers: Vec<T>,
    labels: Vec<i32>,
}

impl<T: Real> Rows<T> {
    fn new(rows: usize, classes: usize) -> Self {
        let numbers = |count: usize, seed: u32, scale: f64| -> Vec<T> {
            let mut numbers = vec![0.0f32; count];
            random::draw(random::Distribution::Uniform, &mut numbers, [seed, 1]);
            numbers.into_iter().map(|x| T::from_f64(scale * (f64::from(x) - 0.5))).collect()
        };
        Self {
            classes,
            x: numbers(rows * classes, 1, 8.0),
            other: numbers(rows * classes, 2, 2.0),
            numbers: numbers(rows, 3, 2.0),
            labels: (0..rows).map(|row| (row * 7 % classes) as i32).collect(),
        }
    }

    fn row(&self, row: usize) -> Self {
        let elements = row * self.classes..(row + 1) * self.classes;
        Self {
            classes: self.classes,
            x: self.x[elements.clone()].to_vec(),
            other: self.other[elements].to_vec(),
            numbers: vec![self.numbers[row]],
            labels: vec![self.labels[row]],
        }
    }
}

macro_rules! kernels {
    ($T:ty, $($module:ident)::+) => {{
        use $($module)::+::*;
        /// A result with an element for each of `like`.
        fn filled(like: &[$T], run: impl FnOnce(&mut [$T])) -> Vec<$T> {
            let mut y = vec![<$T>::NAN; like.len()];
            run(&mut y);
            y
        }
        let table: [(&str, Apply<$T>); 8] = [
            ("softmax", |r| filled(&r.x, |y| softmax(y, &r.x, r.classes))),
            ("softmax backward", |r| filled(&r.x, |y| softmax_backward(y, &r.x, &r.other, r.classes))),
            ("log-softmax", |r| filled(&r.x, |y| log_softmax(y, &r.x, r.classes))),
            ("log-softmax backward", |r| filled(&r.x, |y| log_softmax_backward(y, &r.x, &r.other, r.classes))),
            ("cross-entropy", |r| filled(&r.numbers, |y| cross_entropy(y, &r.x, &r.other, r.classes))),
            ("cross-entropy backward", |r| {
                filled(&r.x, |y| cross_entropy_backward(y, &r.x, &r.other, &r.numbers, r.classes))
            }),
            ("sparse cross-entropy", |r| {
                filled(&r.numbers, |y| sparse_cross_entropy(y, &r.x, &r.labels, r.classes))
            }),
            ("sparse cross-entropy backward", |r| {
                filled(&r.x, |y| sparse_cross_entropy_backward(y, &r.x, &r.labels, &r.numbers, r.classes))
            }),
        ];
        table
    }};
}

const CLASSES: [usize; 9] = [1, 2, 9, 10, 16, 17, 32, 33, 100];

#[test]
fn kernels_agree_with_their_definitions() {
    let (double, single) = (kernels!(f64, super), kernels!(f32, super));
    for (index, (name, reference)) in kernels!(f64, super::reference).into_iter().enumerate() {
        for classes in CLASSES {
            for rows in [1, 15, 16, 40] {
                let expected = reference(&Rows::new(rows, classes));
                let f64s = double[index].1(&Rows::new(rows, classes));
                let f32s = single[index].1(&Rows::new(rows, classes));
                for (at, &expected) in expected.iter().enumerate() {
                    // Rounding errors of a sum grow with the root of its terms.
                    let scale = (1.0 + expected.abs()) * (2.0 + (classes as f64).sqrt());
                    let f64_error = (f64s[at] - expected).abs();
                    let f32_error = (f64::from(f32s[at]) - expected).abs();
                    assert!(f64_error < 1e-14 * scale, "{name} {rows}x{classes}: {f64_error} of {expected}");
                    assert!(f32_error < 1e-6 * scale, "{name} {rows}x{classes}: {f32_error} of {expected}");
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    for (name, kernel) in kernels!(f32, super) {
        for classes in CLASSES {
            let rows = Rows::new(37, classes);
            let alone: Vec<f32> = (0..37).flat_map(|row| kernel(&rows.row(row))).collect();
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&kernel(&rows)), bits(&alone), "{name} of {classes} classes");
        }
    }
}

#[test]
fn nan_and_infinities() {
    for classes in [3, 40] {
        let mut x = vec![0.0f32; 2 * classes];
        x[1] = f32::NAN;
        x[classes] = f32::NEG_INFINITY;
        let mut y = x.clone();
        softmax(&mut y, &x, classes);
        assert!(y[..classes].iter().all(|y| y.is_nan()));
        assert_eq!(y[classes], 0.0);
        assert!((y[classes + 1] - 1.0 / (classes - 1) as f32).abs() < 1e-6);
        log_softmax(&mut y, &x, classes);
        assert!(y[..classes].iter().all(|y| y.is_nan()));
        assert_eq!(y[classes], f32::NEG_INFINITY);
    }
}
