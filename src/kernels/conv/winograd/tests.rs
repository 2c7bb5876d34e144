//! Against the plain versions, on small whole numbers: every sum and every product is exact, since the halves and quarters of
//! the transformed kernel are.

use super::*;
use crate::kernels::conv::Direction;
use crate::kernels::conv::tests::{check_passes, check_run};
use crate::kernels::conv::{Window, reference};
use crate::kernels::simd::Isa;

fn geometry(
    batch: usize,
    input: [usize; 2],
    channels: usize,
    filters: usize,
    padding: [usize; 4],
) -> Geometry {
    let [top, bottom, left, right] = padding;
    let window = Window {
        size: [3, 3],
        strides: [1, 1],
        before: [top, left],
        after: [bottom, right],
        dilation: [1, 1],
    };
    let output = [window.positions(0, input[0]), window.positions(1, input[1])];
    Geometry { batch, input, channels, output, filters, groups: 1, window }
}

fn geometries() -> Vec<Geometry> {
    // The last lines and columns of y left out, as before a pooling.
    let leaving_out = |g: Geometry, [lines, columns]: [usize; 2]| {
        let output = [g.output[0] - lines, g.output[1] - columns];
        Geometry { output, ..g }
    };
    vec![
        leaving_out(geometry(3, [13, 13], 32, 64, [0, 0, 0, 0]), [1, 1]),
        leaving_out(geometry(1, [13, 12], 33, 70, [0, 0, 0, 0]), [3, 2]),
        leaving_out(geometry(40, [9, 9], 32, 33, [1, 1, 1, 1]), [2, 4]),
        geometry(2, [6, 8], 16, 32, [1, 1, 1, 1]),
        geometry(3, [5, 7], 5, 3, [1, 1, 1, 1]),
        geometry(1, [1, 1], 20, 17, [1, 1, 1, 1]),
        geometry(2, [3, 3], 33, 40, [0, 0, 0, 0]),
        geometry(2, [9, 4], 8, 70, [0, 1, 2, 0]),
        geometry(1, [4, 5], 3, 2, [3, 4, 0, 5]),
        geometry(0, [4, 5], 3, 2, [1, 1, 1, 1]),
        geometry(1, [3, 61], 18, 7, [1, 0, 1, 0]),
        geometry(17, [13, 13], 32, 64, [0, 0, 0, 0]),
        geometry(4, [40, 30], 24, 20, [1, 1, 1, 1]),
    ]
}

#[test]
fn all_passes_equal_their_plain_versions() {
    for g in geometries() {
        check_passes::<f32>(&g, correlate, filter);
        check_passes::<f64>(&g, correlate, filter);
    }
}

fn correlate<T: Vectorized>(
    g: &Geometry,
    direction: Direction,
    isa: Isa,
    source: &[T],
    kernel: &[T],
    expected: &[T],
) {
    let correlation = Correlation::new(g, direction);
    let columns = if direction == Direction::Forward { g.filters } else { g.channels };
    let workspace = correlation.workspace::<T>() / size_of::<T>();
    check_run(isa, expected, columns, workspace, &|result, epilogue, workspace| {
        correlation.run(isa, source, kernel, result, Some(epilogue), workspace);
    });
}

fn filter<T: Vectorized>(g: &Geometry, isa: Isa, x: &[T], dy: &[T], expected: &[T]) {
    let gradient = FilterGradient::new(g);
    check_run(isa, expected, g.filters, gradient.workspace_len(), &|result, epilogue, workspace| {
        gradient.run(isa, x, dy, result, Some(epilogue), workspace);
    });
}

/// Numbers that are normally distributed, near enough: sums of twelve uniform ones.
fn normal(len: usize, mut state: u64) -> Vec<f32> {
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    (0..len).map(|_| ((0..12).map(|_| uniform()).sum::<f64>() - 6.0) as f32).collect()
}

type Pass<'a> = &'a dyn Fn(&mut [f32]);

/// Takes a name, the exact result, the direct pass and that of this module.
type Compare<'a> = &'a mut dyn FnMut(&str, &[f64], Pass<'_>, Pass<'_>);

/// All three passes of one convolution of random numbers.
fn passes(g: &Geometry, compare: Compare<'_>) {
    use crate::kernels::conv::{correlate, filter};
    let isa = crate::kernels::simd::isa();
    let (x_len, y_len) = (g.input_pixels() * g.channels, g.output_pixels() * g.filters);
    let (x, kernel, dy) = (normal(x_len, 1), normal(g.kernel_len(), 2), normal(y_len, 3));
    let wide = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect::<Vec<_>>();

    for direction in [Direction::Forward, Direction::Backward] {
        let (source, len) = if direction == Direction::Forward { (&x, y_len) } else { (&dy, x_len) };
        let mut exact = vec![0.0; len];
        match direction {
            Direction::Forward => reference::forward(g, &wide(&x), &wide(&kernel), &mut exact),
            Direction::Backward => reference::backward_input(g, &wide(&dy), &wide(&kernel), &mut exact),
        }
        let direct = correlate::Correlation::new(g, direction);
        let transformed = Correlation::new(g, direction);
        compare(
            if direction == Direction::Forward { "forward" } else { "by input" },
            &exact,
            &|to| direct.run(isa, source, &kernel, to, None, &mut vec![0.0; direct.workspace::<f32>() / 4]),
            &|to| {
                let mut workspace = vec![0.0; transformed.workspace::<f32>() / 4];
                transformed.run(isa, source, &kernel, to, None, &mut workspace);
            },
        );
    }
    let mut exact = vec![0.0; g.kernel_len()];
    reference::backward_filter(g, &wide(&x), &wide(&dy), &mut exact);
    let (direct, transformed) = (filter::Plan::new(g), FilterGradient::new(g));
    compare(
        "by filter",
        &exact,
        &|to| direct.run(isa, &x, &dy, to, None, &mut vec![0.0; direct.workspace_len()]),
        &|to| transformed.run(isa, &x, &dy, to, None, &mut vec![0.0; transformed.workspace_len()]),
    );
}

/// With fused multiply-adds it is smaller in all passes; without them, by filter, up to a quarter larger.
#[test]
fn the_error_is_that_of_the_direct_kernels() {
    passes(&geometry(4, [16, 16], 64, 64, [1, 1, 1, 1]), &mut |name, exact, direct, transformed| {
        let worst = |pass: Pass<'_>| {
            let mut result = vec![0.0; exact.len()];
            pass(&mut result);
            let errors = result.iter().zip(exact).map(|(&result, exact)| (f64::from(result) - exact).abs());
            errors.fold(0.0, f64::max)
        };
        let (direct, transformed) = (worst(direct), worst(transformed));
        assert!(transformed < 1.5 * direct, "{name}: direct {direct:e}, transformed {transformed:e}");
    });
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    use crate::threads::{num_threads, set_num_threads};
    passes(&geometry(9, [14, 15], 40, 24, [1, 1, 1, 1]), &mut |name, exact, _, transformed| {
        let before = num_threads();
        let results = [1, 2, 5].map(|threads| {
            set_num_threads(threads);
            let mut result = vec![f32::NAN; exact.len()];
            transformed(&mut result);
            result
        });
        set_num_threads(before);
        assert!(results.iter().all(|result| *result == results[0]), "{name}");
    });
}
