//! Against the plain versions, on small whole numbers: every sum and every product is exact, since the halves and quarters of
//! the transformed kernel are.

use super::*;
use crate::kernels::conv::correlate::Direction;
use crate::kernels::conv::tests::check_run;
use crate::kernels::conv::{Window, reference};
use crate::kernels::simd::Isa;

fn whole_numbers<T: Vectorized>(len: usize, seed: usize) -> Vec<T> {
    (0..len).map(|i| T::from_f64(((i * 7 + seed * 5 + i / 3) % 9) as f64 - 4.0)).collect()
}

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
    vec![
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
    fn check<T: Vectorized>() {
        for g in geometries() {
            let (x_len, y_len) = (g.input_pixels() * g.channels, g.output_pixels() * g.filters);
            let (x, kernel) = (whole_numbers::<T>(x_len, 1), whole_numbers::<T>(g.kernel_len(), 2));
            let dy = whole_numbers::<T>(y_len, 3);
            let (mut y, mut dx) = (vec![T::ZERO; y_len], vec![T::ZERO; x_len]);
            let mut dkernel = vec![T::ZERO; g.kernel_len()];
            reference::forward(&g, &x, &kernel, &mut y);
            reference::backward_input(&g, &dy, &kernel, &mut dx);
            reference::backward_filter(&g, &x, &dy, &mut dkernel);
            for isa in Isa::available() {
                correlate(&g, Direction::Forward, isa, &x, &kernel, &y);
                correlate(&g, Direction::Backward, isa, &dy, &kernel, &dx);
                filter(&g, isa, &x, &dy, &dkernel);
            }
        }
    }
    check::<f32>();
    check::<f64>();
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
