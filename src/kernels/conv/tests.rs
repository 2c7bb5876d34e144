//! The fast kernels against the plain ones, on small whole numbers, whose sums are exact in any order.

use proptest::prelude::*;

use super::Direction;
use super::correlate::Correlation;
use super::filter::Plan;
use super::*;
use crate::kernels::simd::Isa;

fn whole_numbers<T: Vectorized>(len: usize, seed: usize) -> Vec<T> {
    (0..len).map(|i| T::from_f64(((i * 7 + seed * 5 + i / 3) % 9) as f64 - 4.0)).collect()
}

/// Checks a pass in a direction: the geometry, its source, the kernel, and what is expected.
pub type CheckCorrelation<T> = fn(&Geometry, Direction, Isa, &[T], &[T], &[T]);

/// Checks the gradient by filter: the geometry, x, dy, and what is expected.
pub type CheckFilter<T> = fn(&Geometry, Isa, &[T], &[T], &[T]);

/// Checks all passes, on every instruction set, against their plain versions.
pub fn check_passes<T: Vectorized>(g: &Geometry, correlate: CheckCorrelation<T>, filter: CheckFilter<T>) {
    let x_len = g.input_pixels() * g.channels;
    let y_len = g.output_pixels() * g.filters;
    let (x, kernel) = (whole_numbers::<T>(x_len, 1), whole_numbers::<T>(g.kernel_len(), 2));
    let dy = whole_numbers::<T>(y_len, 3);
    let (mut y, mut dx) = (vec![T::ZERO; y_len], vec![T::ZERO; x_len]);
    let mut dkernel = vec![T::ZERO; g.kernel_len()];
    reference::forward(g, &x, &kernel, &mut y);
    reference::backward_input(g, &dy, &kernel, &mut dx);
    reference::backward_filter(g, &x, &dy, &mut dkernel);
    for isa in Isa::available() {
        correlate(g, Direction::Forward, isa, &x, &kernel, &y);
        correlate(g, Direction::Backward, isa, &dy, &kernel, &dx);
        filter(g, isa, &x, &dy, &dkernel);
    }
}

/// Every fast kernel gives exactly what its plain version gives, and calls the epilogue once for each element.
fn check<T: Vectorized>(g: &Geometry) {
    check_passes::<T>(g, correlate, filter);
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
    let plan = Plan::new(g);
    check_run(isa, expected, g.filters, plan.workspace_len(), &|result, epilogue, workspace| {
        plan.run(isa, x, dy, result, Some(epilogue), workspace);
    });
}

pub type Run<'a, T> = &'a dyn Fn(&mut [T], &dyn Epilogue, &mut [T]);

/// Runs on memory that is full of NaN, and notes what the epilogue is called for.
pub fn check_run<T: Vectorized>(isa: Isa, expected: &[T], columns: usize, workspace: usize, run: Run<'_, T>) {
    let nan = T::from_f64(f64::NAN);
    let (mut result, mut workspace) = (vec![nan; expected.len()], vec![nan; workspace]);
    let finished = std::sync::Mutex::new(Vec::new());
    let epilogue = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let columns = &columns;
        let elements = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
        finished.lock().unwrap().extend(elements);
    };
    run(&mut result, &epilogue, &mut workspace);
    assert_eq!(result, expected, "on {}", isa.name());
    let mut finished = finished.into_inner().unwrap();
    finished.sort_unstable();
    assert!(finished.into_iter().eq((0..expected.len()).map(|i| (i / columns, i % columns))));
}

prop_compose! {
    /// Any convolution with an output: strides, dilation, groups, uneven padding.
    fn geometries()(
        batch in 0..4usize,
        input in [1..9usize, 1..9usize],
        size in [1..5usize, 1..5usize],
        strides in [1..4usize, 1..4usize],
        dilation in [1..4usize, 1..4usize],
        before in [0..4usize, 0..4usize],
        after in [0..4usize, 0..4usize],
        groups in 1..4usize,
        channels in prop_oneof![1..6usize, 15..18usize],
        filters in prop_oneof![1..6usize, 15..18usize, 30..36usize],
    ) -> Option<Geometry> {
        let window = Window { size, strides, before, after, dilation };
        let output = [window.positions(0, input[0]), window.positions(1, input[1])];
        let (channels, filters) = (channels * groups, filters * groups);
        (!output.contains(&0))
            .then_some(Geometry { batch, input, channels, output, filters, groups, window })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fast_kernels_equal_their_plain_versions(geometry in geometries()) {
        prop_assume!(geometry.is_some());
        check::<f32>(&geometry.unwrap());
        check::<f64>(&geometry.unwrap());
    }
}

#[test]
fn work_split_within_an_image_is_exact() {
    let window = Window { size: [3, 3], strides: [1, 1], before: [1, 1], after: [1, 1], dilation: [1, 1] };
    check::<f32>(&Geometry {
        batch: 1,
        input: [33, 20],
        channels: 20,
        output: [33, 20],
        filters: 40,
        groups: 1,
        window,
    });
}

#[test]
fn a_filter_for_each_channel() {
    let window = Window { size: [3, 2], strides: [2, 1], before: [1, 0], after: [1, 1], dilation: [1, 2] };
    for channels in [1, 3, 8, 21, 40] {
        let output = [window.positions(0, 9), window.positions(1, 7)];
        let groups = channels;
        check::<f32>(&Geometry {
            batch: 3,
            input: [9, 7],
            channels,
            output,
            filters: channels,
            groups,
            window,
        });
    }
}

#[test]
fn lines_of_one_image_are_split_into_shards() {
    let window = Window { size: [3, 3], strides: [1, 1], before: [1, 1], after: [1, 1], dilation: [1, 1] };
    let geometry =
        Geometry { batch: 1, input: [70, 90], channels: 3, output: [70, 90], filters: 40, groups: 1, window };
    check::<f32>(&geometry);
    check::<f32>(&Geometry { channels: 1, filters: 8, batch: 2, ..geometry });
}

#[test]
fn wide_lines_of_channels_with_filters_of_their_own() {
    for (width, size) in [(130, 3), (300, 5), (4, 5)] {
        let window =
            Window { size: [3, size], strides: [1, 1], before: [1, 2], after: [1, 2], dilation: [1, 1] };
        let output = [9, window.positions(1, width)];
        check::<f32>(&Geometry {
            batch: 2,
            input: [9, width],
            channels: 20,
            output,
            filters: 20,
            groups: 20,
            window,
        });
    }
}

#[test]
fn work_split_into_shards_is_exact() {
    let window = Window { size: [3, 3], strides: [1, 1], before: [1, 0], after: [0, 1], dilation: [1, 1] };
    let geometry =
        Geometry { batch: 7, input: [12, 40], channels: 3, output: [11, 39], filters: 70, groups: 1, window };
    check::<f32>(&geometry);
    check::<f32>(&Geometry { channels: 20, ..geometry });
}
