//! Sums, products, maxima and minima over any set of axes.
//!
//! Adjacent axes merge until the input looks like `outer × reduced × rows × columns`: for each *outer* index,
//! contiguous blocks of `rows × columns`, one a *reduced* index, are folded over their rows. Columns live in up to
//! [`LANES`] accumulators; where there are fewer columns, several rows are folded side by side. Leaves of a fixed
//! number of rows are combined pairwise, so that the rounding error of a sum grows with the logarithm of its length,
//! and large reductions are cut into shards: all of it depends on shapes only.

use std::ops::Range;

use super::number::Number;
use super::parallel::items_per_part;
use super::simd::per_isa;
use crate::threads::{DisjointMut, for_each_part};

/// A way to fold many numbers into one.
pub trait Fold<T> {
    /// What changes nothing it is combined with.
    const IDENTITY: T;

    /// What is folded of an element: by default the element itself.
    #[inline(always)]
    fn element(x: T) -> T {
        x
    }

    /// Two folds made one.
    fn combine(a: T, b: T) -> T;
}

/// Also what a cumulative sum adds up by.
pub struct Sum;
/// Also what a cumulative product multiplies by.
pub struct Product;

impl<T: Number> Fold<T> for Sum {
    const IDENTITY: T = T::ZERO;
    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.add(b)
    }
}

impl<T: Number> Fold<T> for Product {
    const IDENTITY: T = T::ONE;
    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.multiply(b)
    }
}

/// Accumulators of one fold: eight AVX2 registers of f32, enough to hide the latency of an addition.
const LANES: usize = 64;
/// Additions into one accumulator before a leaf is closed.
const LEAF: usize = 64;
const MAX_SHARDS: usize = 16;
/// Elements below which a shard is not worth its own thread.
const SHARD: usize = 1 << 15;

/// How one shape is reduced over one set of axes. It is made anew for each run: only numbers are found.
#[derive(Debug)]
pub struct Plan<'a> {
    axes: &'a [usize],
    /// The sizes of the axes before the rows, and how many combinations there are of those that are kept, and of those
    /// that are reduced.
    leading: &'a [usize],
    outer: usize,
    reduced: usize,
    rows: usize,
    columns: usize,
    /// Folds of up to [`LANES`] columns: `outer × tiles of columns`.
    items: usize,
    tiles: usize,
    shards: usize,
}

impl<'a> Plan<'a> {
    /// `axes` are distinct and within the rank of `shape`.
    pub fn new(shape: &'a [usize], axes: &'a [usize]) -> Self {
        let is_reduced = |axis: &usize| axes.contains(axis);
        let kept_tail = (0..shape.len()).rev().take_while(|axis| !is_reduced(axis)).count();
        let columns_from = shape.len() - kept_tail;
        let rows_from = columns_from - (0..columns_from).rev().take_while(|axis| is_reduced(axis)).count();
        let columns: usize = shape[columns_from..].iter().product();
        let rows = shape[rows_from..columns_from].iter().product();
        let leading = &shape[..rows_from];
        let (mut outer, mut reduced) = (1, 1);
        for (axis, dim) in leading.iter().enumerate() {
            *(if is_reduced(&axis) { &mut reduced } else { &mut outer }) *= dim;
        }
        let tiles = columns.div_ceil(LANES);
        let items = outer * tiles;
        let mut plan = Self { axes, leading, outer, reduced, rows, columns, items, tiles, shards: 1 };
        let most = (shape.iter().product::<usize>() / SHARD).min(MAX_SHARDS);
        if items < MAX_SHARDS && most > 1 {
            // Rounding the rows of a shard up to whole leaves may leave fewer shards than asked for.
            let leaves = plan.total_rows().div_ceil(plan.leaf_rows()).max(1);
            plan.shards = leaves.div_ceil(leaves.div_ceil(most));
        }
        plan
    }

    /// Elements of scratch that [`fold`] needs.
    pub fn workspace(&self) -> usize {
        if self.shards == 1 { 0 } else { self.shards * self.output_size() }
    }

    fn output_size(&self) -> usize {
        self.outer * self.columns
    }

    fn total_rows(&self) -> usize {
        self.reduced * self.rows
    }

    /// Where the `index`-th combination of the leading axes begins that are reduced, or of those that are kept.
    fn offset(&self, reduced: bool, mut index: usize) -> usize {
        let (mut offset, mut stride) = (0, self.rows * self.columns);
        for (axis, &dim) in self.leading.iter().enumerate().rev() {
            if self.axes.contains(&axis) == reduced {
                offset += index % dim * stride;
                index /= dim;
            }
            stride *= dim;
        }
        offset
    }

    /// Rows that are folded side by side.
    fn side_by_side(&self) -> usize {
        (LANES / self.columns.max(1)).min(self.rows).max(1)
    }

    fn leaf_rows(&self) -> usize {
        LEAF * self.side_by_side()
    }
}

/// `output` (the kept axes) = `input` folded over the plan's axes, row-major.
pub fn fold<T: Number, F: Fold<T>>(output: &mut [T], input: &[T], plan: &Plan<'_>, workspace: &mut [T]) {
    if output.is_empty() {
        return;
    }
    let work = input.len() as u64 / 4;
    if plan.columns == 1 && plan.reduced == 1 && (1..=2 * LEAF).contains(&plan.rows) {
        fold_short_rows::<T, F>(output, input, plan.rows, work);
        return;
    }
    let is_short = (1..=LEAF).contains(&plan.total_rows()) && input.len() <= SHARD;
    if is_short && plan.outer == 1 && plan.side_by_side() == 1 {
        fold_few_rows::<T, F>(output, input);
        return;
    }
    let size = output.len();
    let shard_rows = plan.total_rows().div_ceil(plan.leaf_rows()).div_ceil(plan.shards) * plan.leaf_rows();
    let partial =
        DisjointMut::new(if plan.shards == 1 { &mut *output } else { &mut workspace[..plan.workspace()] });
    let items_per_part = items_per_part(plan.items, plan.total_rows() * plan.columns.min(LANES), SHARD);
    let parts_per_shard = plan.items.div_ceil(items_per_part);
    for_each_part(plan.shards * parts_per_shard, work, &|part| {
        let (shard, part) = (part / parts_per_shard, part % parts_per_shard);
        let rows = shard * shard_rows..plan.total_rows().min((shard + 1) * shard_rows);
        for item in part * items_per_part..plan.items.min((part + 1) * items_per_part) {
            let (outer, column) = (item / plan.tiles, item % plan.tiles * LANES);
            let width = LANES.min(plan.columns - column);
            let start = shard * size + outer * plan.columns + column;
            // SAFETY: every shard and item has columns of its own.
            let target = unsafe { partial.slice(start..start + width) };
            fold_item::<T, F>(target, input, plan, plan.offset(false, outer) + column, rows.clone());
        }
    });
    if plan.shards > 1 {
        let (first, rest) = workspace[..plan.workspace()].split_at(size);
        output.copy_from_slice(first);
        for shard in rest.chunks_exact(size) {
            for (total, &part) in output.iter_mut().zip(shard) {
                *total = F::combine(*total, part);
            }
        }
    }
}

fn fold_short_rows<T: Number, F: Fold<T>>(output: &mut [T], input: &[T], columns: usize, work: u64) {
    let rows_per_part = items_per_part(output.len(), columns, SHARD);
    super::parallel::for_each_chunk(output, rows_per_part, work, &|part, chunk| {
        let rows = input[part * rows_per_part * columns..].chunks_exact(columns);
        for (total, row) in chunk.iter_mut().zip(rows) {
            let first = F::element(row[0]);
            *total = row[1..].iter().fold(first, |total, &element| F::combine(total, F::element(element)));
        }
    });
}

per_isa! {
    /// `output` = the rows of `input`, folded: one leaf, and nothing side by side.
    fn fold_few_rows[T: Number, F: Fold<T>][T, F](output: &mut [T], input: &[T]) {
        let columns = output.len();
        let rows = input.len() / columns;
        for (tile, output) in output.chunks_mut(LANES).enumerate() {
            let mut lanes = [F::IDENTITY; LANES];
            fold_rows::<T, F>(&mut lanes, &input[tile * LANES..], rows, columns, output.len());
            match output.first_chunk_mut() {
                Some(output) => *output = lanes,
                None => output.copy_from_slice(&lanes[..output.len()]),
            }
        }
    }
}

per_isa! {
    /// `output` (up to [`LANES`] columns) = the rows `rows` of the columns that start at `base`, folded.
    fn fold_item[T: Number, F: Fold<T>][T, F](
        output: &mut [T],
        input: &[T],
        plan: &Plan<'_>,
        base: usize,
        rows: Range<usize>,
    ) {
        let width = output.len();
        let side_by_side = if width == plan.columns { plan.side_by_side() } else { 1 };
        let mut lanes = if rows.len() <= plan.leaf_rows() {
            fold_leaf::<T, F>(input, plan, base, rows, side_by_side, width)
        } else {
            fold_leaves::<T, F>(input, plan, base, rows, side_by_side, width)
        };
        // The rows that were folded side by side, by halves.
        let mut groups = side_by_side;
        while groups > 1 {
            let half = groups / 2;
            let upper = (groups - half) * width;
            for lane in 0..half * width {
                lanes[lane] = F::combine(lanes[lane], lanes[upper + lane]);
            }
            groups -= half;
        }
        output.copy_from_slice(&lanes[..width]);
    }
}

/// The leaves of `rows`, combined pairwise.
#[inline(always)]
fn fold_leaves<T: Number, F: Fold<T>>(
    input: &[T],
    plan: &Plan<'_>,
    base: usize,
    rows: Range<usize>,
    side_by_side: usize,
    width: usize,
) -> [T; LANES] {
    // Folds of 2^level leaves, as the digits of a binary counter.
    let mut stack = [[F::IDENTITY; LANES]; usize::BITS as usize];
    let mut depth = 0;
    for (leaf, start) in rows.clone().step_by(plan.leaf_rows()).enumerate() {
        let rows = start..rows.end.min(start + plan.leaf_rows());
        let mut lanes = fold_leaf::<T, F>(input, plan, base, rows, side_by_side, width);
        for _ in 0..leaf.trailing_ones() {
            depth -= 1;
            lanes = combine_lanes::<T, F>(&stack[depth], &lanes);
        }
        stack[depth] = lanes;
        depth += 1;
    }
    let mut lanes = stack[depth - 1];
    for partial in stack[..depth - 1].iter().rev() {
        lanes = combine_lanes::<T, F>(partial, &lanes);
    }
    lanes
}

#[inline(always)]
fn combine_lanes<T: Number, F: Fold<T>>(a: &[T; LANES], b: &[T; LANES]) -> [T; LANES] {
    std::array::from_fn(|lane| F::combine(a[lane], b[lane]))
}

/// `rows`, folded block by block.
#[inline(always)]
fn fold_leaf<T: Number, F: Fold<T>>(
    input: &[T],
    plan: &Plan<'_>,
    base: usize,
    rows: Range<usize>,
    side_by_side: usize,
    width: usize,
) -> [T; LANES] {
    let mut lanes = [F::IDENTITY; LANES];
    let mut row = rows.start;
    while row < rows.end {
        let (block, within) = (row / plan.rows, row % plan.rows);
        let count = (plan.rows - within).min(rows.end - row);
        let start = base + plan.offset(true, block) + within * plan.columns;
        let wide = count / side_by_side;
        let wide_stride = side_by_side * plan.columns;
        fold_rows::<T, F>(&mut lanes, &input[start..], wide, wide_stride, side_by_side * width);
        if wide * side_by_side < count {
            let rest = &input[start + wide * wide_stride..];
            fold_rows::<T, F>(&mut lanes, rest, count - wide * side_by_side, plan.columns, width);
        }
        row += count;
    }
    lanes
}

/// `lanes[..width]` folded with the first `width` elements of each of `rows` rows that are `stride` apart.
#[inline(always)]
fn fold_rows<T: Number, F: Fold<T>>(
    lanes: &mut [T; LANES],
    input: &[T],
    rows: usize,
    stride: usize,
    width: usize,
) {
    match width {
        64 => fold_fixed::<T, F, 64>(lanes, input, rows, stride),
        32 => fold_fixed::<T, F, 32>(lanes, input, rows, stride),
        16 => fold_fixed::<T, F, 16>(lanes, input, rows, stride),
        8 => fold_fixed::<T, F, 8>(lanes, input, rows, stride),
        _ => {
            for row in 0..rows {
                for (lane, &element) in lanes[..width].iter_mut().zip(&input[row * stride..][..width]) {
                    *lane = F::combine(*lane, F::element(element));
                }
            }
        }
    }
}

#[inline(always)]
fn fold_fixed<T: Number, F: Fold<T>, const W: usize>(
    lanes: &mut [T; LANES],
    input: &[T],
    rows: usize,
    stride: usize,
) {
    let mut registers: [T; W] = std::array::from_fn(|lane| lanes[lane]);
    for row in 0..rows {
        let elements: &[T; W] = input[row * stride..][..W].try_into().expect("W elements");
        for lane in 0..W {
            registers[lane] = F::combine(registers[lane], F::element(elements[lane]));
        }
    }
    lanes[..W].copy_from_slice(&registers);
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, Axis, IxDyn};
    use proptest::prelude::*;

    use super::*;

    /// NaN where any number is NaN.
    struct Maximum;

    impl<T: Number> Fold<T> for Maximum {
        const IDENTITY: T = T::LOWEST;
        #[allow(clippy::eq_op)] // x != x is the test for NaN
        fn combine(a: T, b: T) -> T {
            if b > a || b != b { b } else { a }
        }
    }

    /// The least distance from 0: the fold of something else than the elements.
    struct Nearest;

    impl Fold<f64> for Nearest {
        const IDENTITY: f64 = f64::INFINITY;
        fn element(x: f64) -> f64 {
            x.abs()
        }
        fn combine(a: f64, b: f64) -> f64 {
            a.min(b)
        }
    }

    fn run<T: Number, F: Fold<T>>(input: &[T], shape: &[usize], axes: &[usize]) -> Vec<T> {
        let plan = Plan::new(shape, axes);
        let mut output = vec![T::ONE; plan.output_size()];
        let mut workspace = vec![T::ONE; plan.workspace()];
        fold::<T, F>(&mut output, input, &plan, &mut workspace);
        output
    }

    fn reference(
        input: &[f64],
        shape: &[usize],
        axes: &[usize],
        combine: fn(f64, f64) -> f64,
        start: f64,
    ) -> Vec<f64> {
        let mut array = ArrayD::from_shape_vec(IxDyn(shape), input.to_vec()).unwrap();
        let mut axes = axes.to_vec();
        axes.sort();
        for &axis in axes.iter().rev() {
            array = array.fold_axis(Axis(axis), start, |&a, &b| combine(a, b));
        }
        array.into_iter().collect()
    }

    fn case() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, u64)> {
        prop::collection::vec(prop_oneof![0..6usize, Just(1), Just(64), 60..140usize], 0..5)
            .prop_filter("small enough", |shape| shape.iter().product::<usize>() < 200_000)
            .prop_flat_map(|shape| {
                let rank = shape.len();
                let axes = prop::collection::vec(any::<bool>(), rank)
                    .prop_map(move |chosen| (0..rank).filter(|&axis| chosen[axis]).collect::<Vec<_>>());
                (Just(shape), axes, any::<u64>())
            })
    }

    fn numbers(shape: &[usize], seed: u64) -> Vec<f64> {
        let mut state = seed | 1;
        (0..shape.iter().product::<usize>())
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 40) as f64 / (1 << 23) as f64 - 1.0
            })
            .collect()
    }

    proptest! {
        #[test]
        fn folds_agree_with_a_plain_loop((shape, axes, seed) in case()) {
            let x = numbers(&shape, seed);
            let close = |a: &[f64], b: &[f64]| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + b.abs()))
            };
            prop_assert!(close(&run::<f64, Sum>(&x, &shape, &axes), &reference(&x, &shape, &axes, |a, b| a + b, 0.0)));
            let sizes: Vec<f64> = x.iter().map(|x| x.abs()).collect();
            let near_one: Vec<f64> = x.iter().map(|x| 1.0 + x / 1e3).collect();
            prop_assert!(close(
                &run::<f64, Product>(&near_one, &shape, &axes),
                &reference(&near_one, &shape, &axes, |a, b| a * b, 1.0)
            ));
            prop_assert_eq!(
                run::<f64, Maximum>(&x, &shape, &axes),
                reference(&x, &shape, &axes, f64::max, f64::NEG_INFINITY)
            );
            prop_assert_eq!(
                run::<f64, Nearest>(&x, &shape, &axes),
                reference(&sizes, &shape, &axes, f64::min, f64::INFINITY)
            );
        }
    }

    #[test]
    fn long_f32_sums_keep_their_precision() {
        for (shape, axes) in
            [(vec![3_000_000], vec![0]), (vec![1_000_000, 3], vec![0]), (vec![7, 400_000], vec![1])]
        {
            let x: Vec<f32> = numbers(&shape, 7).iter().map(|&x| x as f32 + 1.5).collect();
            let exact = reference(
                &x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(),
                &shape,
                &axes,
                |a, b| a + b,
                0.0,
            );
            for (sum, exact) in run::<f32, Sum>(&x, &shape, &axes).into_iter().zip(exact) {
                let error = (f64::from(sum) - exact).abs() / exact;
                assert!(error < 3e-7, "{shape:?} over {axes:?}: relative error {error}");
            }
        }
    }

    #[test]
    fn maxima_propagate_nan() {
        let mut x = vec![0.0f32; 300];
        x[123] = f32::NAN;
        assert!(run::<f32, Maximum>(&x, &[300], &[0])[0].is_nan());
        assert!(run::<f32, Maximum>(&x, &[30, 10], &[1])[12].is_nan());
    }

    #[test]
    fn bools_fold_to_any_and_all() {
        assert_eq!(run::<u8, Maximum>(&[0, 1, 0, 0], &[2, 2], &[1]), [1, 0]);
        assert_eq!(run::<u8, Product>(&[1, 1, 0, 1], &[2, 2], &[1]), [1, 0]);
    }

    #[test]
    fn integer_sums_wrap_around() {
        assert_eq!(run::<i32, Sum>(&[i32::MAX, 1], &[2], &[0]), [i32::MIN]);
    }
}
