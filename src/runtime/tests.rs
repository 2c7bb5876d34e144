//! Programs against a plain evaluation of the same graph, node by node: fusion, views, in-place updates and the
//! memory plan must change no result.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Arenas, Batches, Column, ElementKind, Order, Program, Variable};
use crate::compile::rules::RULES;
use crate::compile::{Request, gradients};
use crate::error::{Error, Result};
use crate::graph::{Graph, Source, Value};
use crate::ops::elementwise::{
    add, divide, greater, maximum, multiply, negative, relu, select, sigmoid, square, subtract, tanh,
};
use crate::ops::matmul::matmul;
use crate::ops::reduce::reduce_sum;
use crate::ops::shape::{broadcast_to, reshape, transpose};
use crate::ops::testing::{elements, evaluate, uniform};
use crate::tensor::{DType, Tensor, TensorType};
use crate::threads;

/// The leaves of a random graph; the last three are variables of the program.
const LEAVES: [&[usize]; 6] = [&[4, 5], &[4, 3], &[4, 1], &[3, 5], &[5, 5], &[5]];
const INPUTS: usize = 3;

/// Appends what `choices` say to the graph and returns every float value, leaves first.
fn grow(graph: &mut Graph, leaves: &[Value], choices: &[(u8, usize, usize)]) -> Vec<Value> {
    let mut values = leaves.to_vec();
    for &(kind, first, second) in choices {
        let (a, b) = (values[first % values.len()], values[second % values.len()]);
        let rank = graph.shape(a).len();
        let new = match kind % 14 {
            0 => tanh(graph, a),
            1 => square(graph, a).and_then(|y| sigmoid(graph, y)),
            2 => negative(graph, a),
            3 | 4 => add(graph, a, b),
            5 => multiply(graph, a, b),
            6 => subtract(graph, a, b),
            7 => maximum(graph, a, b),
            8 => greater(graph, a, b).and_then(|above| select(graph, above, a, b)),
            9 => matmul(graph, a, b, (kind & 16 != 0, kind & 32 != 0)),
            10 if rank > 0 => reduce_sum(graph, a, &[first % rank], kind & 16 != 0),
            11 => {
                let size = graph.ty(a).size();
                let shape = if kind & 16 != 0 { vec![size] } else { vec![size, 1] };
                reshape(graph, a, &shape)
            }
            12 => broadcast_to(graph, a, graph.shape(b).to_vec().as_slice()),
            13 if rank == 2 => transpose(graph, a, &[1, 0]),
            _ => continue,
        };
        // A pair of shapes that do not fit is no failure of the graph: the next choice follows.
        if let Ok(value) = new
            && graph.ty(value).size() <= 400
        {
            values.push(value);
        }
    }
    values
}

/// The graph with its leaves as the inputs of the reference, or as inputs and variables of a program.
fn build(choices: &[(u8, usize, usize)], with_variables: bool) -> (Graph, Vec<Value>) {
    let mut graph = Graph::new();
    let leaves: Vec<Value> = LEAVES
        .iter()
        .enumerate()
        .map(|(index, &shape)| {
            let ty = TensorType::new(DType::F64, shape);
            if with_variables && index >= INPUTS {
                graph.variable(index - INPUTS, ty)
            } else {
                graph.input(index, ty)
            }
        })
        .collect();
    let mut values = grow(&mut graph, &leaves, choices);
    let last = *values.last().unwrap();
    let axes: Vec<usize> = (0..graph.shape(last).len()).collect();
    let loss = reduce_sum(&mut graph, last, &axes, false).unwrap();
    let of_leaves = gradients(&mut graph, loss, &leaves).unwrap();
    values.push(loss);
    values.extend(of_leaves.into_iter().flatten());
    (graph, values)
}

pub(super) fn variable(content: &Tensor) -> Arc<Variable> {
    let variable = Variable::zeros(content.tensor_type()).unwrap();
    let Tensor::F64(array) = content else { panic!("float64 leaves") };
    let bytes: Vec<u8> = array.iter().flat_map(|value| value.to_ne_bytes()).collect();
    variable.copy_from(&bytes).unwrap();
    Arc::new(variable)
}

fn listed(rows: &[i64]) -> Order {
    Order::of(rows.iter().copied()).unwrap()
}

pub(super) fn content(variable: &Variable) -> Vec<f64> {
    let mut bytes = vec![0; variable.ty().bytes()];
    variable.copy_to(&mut bytes).unwrap();
    bytes.chunks(8).map(|chunk| f64::from_ne_bytes(chunk.try_into().unwrap())).collect()
}

fn content_f32(variable: &Variable) -> Vec<f32> {
    let mut bytes = vec![0; variable.ty().bytes()];
    variable.copy_to(&mut bytes).unwrap();
    bytes.chunks(4).map(|chunk| f32::from_ne_bytes(chunk.try_into().unwrap())).collect()
}

fn run(program: &Program, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    run_with(program, inputs).unwrap()
}

/// The outputs of a program of float64 arguments and outputs.
pub(super) fn run_with(program: &Program, inputs: &[Tensor]) -> Result<Vec<Vec<f64>>> {
    let arguments: Vec<*const u8> = inputs
        .iter()
        .map(|tensor| {
            let Tensor::F64(array) = tensor else { panic!("float64 inputs") };
            array.as_ptr().cast()
        })
        .collect();
    let mut outputs: Vec<Vec<f64>> = program.output_types().map(|ty| vec![f64::NAN; ty.size()]).collect();
    let targets: Vec<*mut u8> = outputs.iter_mut().map(|output| output.as_mut_ptr().cast()).collect();
    // SAFETY: arguments and outputs are float64 tensors of the program's types.
    unsafe { program.run(&arguments, &targets) }?;
    Ok(outputs)
}

pub(super) fn close(got: &[f64], expected: &[f64]) -> bool {
    got.len() == expected.len()
        && got.iter().zip(expected).all(|(&got, &expected)| {
            (got.is_nan() && expected.is_nan())
                || got == expected
                || (got - expected).abs() <= 1e-9 * (1.0 + expected.abs())
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Outputs and updated variables are those of the plain evaluation, also when a program runs again.
    #[test]
    fn programs_compute_what_their_graph_says(
        choices in prop::collection::vec((any::<u8>(), 0usize..64, 0usize..64), 1..40),
        wanted in prop::collection::vec(0usize..64, 1..5),
    ) {
        let mut contents: Vec<Tensor> = LEAVES
            .iter()
            .enumerate()
            .map(|(index, shape)| uniform(shape, index as u64, -1.0, 1.0))
            .collect();
        let (reference, reference_values) = build(&choices, false);
        let (graph, values) = build(&choices, true);
        let outputs: Vec<usize> = wanted.iter().map(|index| index % values.len()).collect();
        // Each variable gets the last value of its type, if there is a computed one.
        let updates: Vec<(usize, usize)> = (INPUTS..LEAVES.len())
            .filter_map(|leaf| {
                let fits = |&index: &usize| {
                    graph.shape(values[index]) == LEAVES[leaf]
                        && matches!(graph.source(values[index]), Source::Output { .. })
                };
                (0..values.len()).rev().find(fits).map(|index| (leaf, index))
            })
            .collect();
        let variables: Vec<Arc<Variable>> = contents[INPUTS..].iter().map(variable).collect();
        let mut graph = graph;
        for &(leaf, index) in &updates {
            graph.assign(leaf - INPUTS, values[index]).unwrap();
        }
        let request = Request {
            graph: &graph,
            inputs: LEAVES[..INPUTS].iter().map(|&shape| TensorType::new(DType::F64, shape)).collect(),
            outputs: outputs.iter().map(|&index| values[index]).collect(), rules: RULES };
        let program = Program::new(&request, variables.clone(), Arc::default()).unwrap();
        for _ in 0..2 {
            let got = run(&program, &contents[..INPUTS]);
            let expected = evaluate(&reference, &contents, &reference_values).unwrap();
            for (got, &index) in got.iter().zip(&outputs) {
                prop_assert!(close(got, &elements(&expected[index])), "output {index}: {got:?} {:?}", expected[index]);
            }
            for &(leaf, index) in &updates {
                let got = content(&variables[leaf - INPUTS]);
                prop_assert!(close(&got, &elements(&expected[index])), "variable {leaf}");
                contents[leaf] = expected[index].clone();
            }
        }
    }
}

/// x (n, 3) and w (3): w += Σ x / n, y = x · w.
fn running_program(batch: usize, w: &Arc<Variable>) -> Program {
    let mut graph = Graph::new();
    let x = graph.input(0, TensorType::new(DType::F64, [batch, 3]));
    let weights = graph.variable(0, w.ty().clone());
    let y = multiply(&mut graph, x, weights).unwrap();
    let sum = reduce_sum(&mut graph, x, &[0], false).unwrap();
    let count = graph.constant(Tensor::scalar(DType::F64, batch as f64));
    let mean = divide(&mut graph, sum, count).unwrap();
    let new = add(&mut graph, weights, mean).unwrap();
    graph.assign(0, new).unwrap();
    let request = Request {
        graph: &graph,
        inputs: vec![TensorType::new(DType::F64, [batch, 3])],
        outputs: vec![y],
        rules: RULES,
    };
    Program::new(&request, vec![w.clone()], Arc::default()).unwrap()
}

#[test]
fn batches_run_in_order_and_update_variables_between_them() {
    let data: Vec<i64> = (0..18).collect();
    // SAFETY: six rows of three int64 each, alive to the end of the test.
    let columns = [unsafe { Column::new(data.as_ptr().cast(), ElementKind::I64, vec![6, 3], vec![24, 8]) }];
    let w = variable(&uniform(&[3], 0, 0.0, 0.0));
    let program = running_program(2, &w);
    let mut y = vec![0.0f64; 18];
    let order = listed(&[5, 4, 3, 2, 1, 0]);
    let batches = Batches {
        columns: &columns,
        order: Some(&order),
        start: 0,
        stop: 5,
        time_limit: Duration::from_secs(60),
        keeps_all: true,
    };
    // SAFETY: `y` has room for six rows.
    let next = unsafe { program.run_batches(&batches, &[y.as_mut_ptr().cast()]) }.unwrap();
    assert_eq!(next, 4, "only whole batches run");
    // Rows 5 and 4 have the mean (13.5, 14.5, 15.5), rows 3 and 2 (7.5, 8.5, 9.5).
    assert_eq!(content(&w), [21.0, 23.0, 25.0]);
    assert_eq!(&y[..6], &[0.0; 6], "the first batch saw w = 0");
    assert_eq!(&y[6..12], &[9.0 * 13.5, 10.0 * 14.5, 11.0 * 15.5, 6.0 * 13.5, 7.0 * 14.5, 8.0 * 15.5]);

    let out_of_time = Batches { order: None, start: 0, stop: 6, time_limit: Duration::ZERO, ..batches };
    // SAFETY: as above.
    let next = unsafe { program.run_batches(&out_of_time, &[]) }.unwrap();
    assert_eq!(next, 2, "one batch, then control goes back");
}

/// x (batch, K) and w (K, N): y = x · w, then w += xᵀ · y.
fn program_of_products(batch: usize, w: &Arc<Variable>) -> Program {
    let mut graph = Graph::new();
    let ty = TensorType::new(w.ty().dtype, [batch, w.ty().shape[0]]);
    let x = graph.input(0, ty.clone());
    let old = graph.variable(0, w.ty().clone());
    let y = matmul(&mut graph, x, old, (false, false)).unwrap();
    let gradient = matmul(&mut graph, x, y, (true, false)).unwrap();
    let new = add(&mut graph, old, gradient).unwrap();
    graph.assign(0, new).unwrap();
    let request = Request { graph: &graph, inputs: vec![ty], outputs: vec![y], rules: RULES };
    Program::new(&request, vec![w.clone()], Arc::default()).unwrap()
}

/// Wide rows in shuffled order are read where they lie; the result is that of the same rows lying in order.
#[test]
fn rows_that_lie_apart_are_as_good_as_gathered_ones() {
    let (rows, width, batch) = (7, 2500, 3);
    let data: Vec<f64> =
        (0..rows * width).map(|index| ((index * 7919) % 2003) as f64 / 1001.0 - 1.0).collect();
    let order = listed(&[6, 0, 3, 5, 2, 4, 1]);
    let in_order: Vec<f64> =
        order.rows().iter().flat_map(|row| &data[row * width..][..width]).copied().collect();
    let weights = uniform(&[width, 5], 1, -1.0, 1.0);
    let train = |data: &[f64], order: Option<&Order>| {
        let w = variable(&weights);
        let program = program_of_products(batch, &w);
        assert_eq!(program.plan.listed, [true]);
        let shape = (vec![rows, width], vec![8 * width as isize, 8]);
        // SAFETY: `data` is as large as that, and outlives the call.
        let columns = [unsafe { Column::new(data.as_ptr().cast(), ElementKind::F64, shape.0, shape.1) }];
        let time_limit = Duration::from_secs(60);
        let batches = Batches { columns: &columns, order, start: 0, stop: rows, time_limit, keeps_all: true };
        let mut y = vec![0.0f64; rows * 5];
        // SAFETY: `y` has room for all rows.
        unsafe { program.run_batches(&batches, &[y.as_mut_ptr().cast()]) }.unwrap();
        (content(&w), y)
    };
    assert_eq!(train(&data, Some(&order)), train(&in_order, None));
}

/// Of rows that are mostly zeros only the rest is multiplied; the result is that of all, also where weights are not finite.
#[test]
fn sparse_rows_are_as_good_as_dense_ones() {
    let (rows, width, batch) = (7, 5000, 3);
    let sparse = |index: usize| if index * 7919 % 1009 < 25 { index as f32 / 9e3 - 2.0 } else { 0.0 };
    let data: Vec<f32> = (0..rows * width).map(sparse).collect();
    let wide: Vec<f64> = data.iter().map(|&value| f64::from(value)).collect();
    let order = listed(&[6, 0, 3, 5, 2, 4, 1]);
    let train = |data: *const u8, kind: ElementKind, order: Option<&Order>, first_weight: f32| {
        let mut weights: Vec<f32> = (0..width * 5).map(|index| (index % 83) as f32 / 41.0 - 1.0).collect();
        weights[0] = first_weight;
        let w = Arc::new(Variable::zeros(TensorType::new(DType::F32, [width, 5])).unwrap());
        let bytes: Vec<u8> = weights.iter().flat_map(|value| value.to_ne_bytes()).collect();
        w.copy_from(&bytes).unwrap();
        let program = program_of_products(batch, &w);
        let strides = vec![(kind.size() * width) as isize, kind.size() as isize];
        // SAFETY: `data` is as large as that, and outlives the call.
        let columns = [unsafe { Column::new(data, kind, vec![rows, width], strides) }];
        let time_limit = Duration::from_secs(60);
        let batches = Batches { columns: &columns, order, start: 0, stop: rows, time_limit, keeps_all: true };
        let mut y = vec![0.0f32; rows * 5];
        // SAFETY: `y` has room for all rows.
        unsafe { program.run_batches(&batches, &[y.as_mut_ptr().cast()]) }.unwrap();
        // All NaNs are alike.
        let same = |value: f32| if value.is_nan() { None } else { Some(value) };
        (
            content_f32(&w).into_iter().map(same).collect::<Vec<_>>(),
            y.into_iter().map(same).collect::<Vec<_>>(),
        )
    };
    for first_weight in [0.5, f32::INFINITY, f32::NAN] {
        for order in [Some(&order), None] {
            let sparse = train(data.as_ptr().cast(), ElementKind::F32, order, first_weight);
            // Rows that must be cast are gathered, and multiplied whole.
            let dense = train(wide.as_ptr().cast(), ElementKind::F64, order, first_weight);
            assert!(sparse == dense, "{order:?} {first_weight}");
        }
    }
}

/// A gradient that only its update reads is never written out, one that is an output is; both give the variable the same bits.
#[test]
fn a_gradient_that_only_its_update_reads_is_as_good_as_any() {
    let (k, m, n) = (64, 320, 160);
    let numbers = |count: usize, shift: f32| -> Vec<f32> {
        (0..count).map(|index| (index * 7919 % 2003) as f32 / 1001.0 - shift).collect()
    };
    let (x, z) = (numbers(k * m, 1.0), numbers(k * n, 1.2));
    let train = |gradient_is_read: bool| {
        let mut graph = Graph::new();
        let types = [[k, m], [k, n], [m, n]].map(|shape| TensorType::new(DType::F32, shape));
        let inputs = [0, 1].map(|index| graph.input(index, types[index].clone()));
        let old = graph.variable(0, types[2].clone());
        let dy = relu(&mut graph, inputs[1]).unwrap();
        let gradient = matmul(&mut graph, inputs[0], dy, (true, false)).unwrap();
        let new = add(&mut graph, old, gradient).unwrap();
        graph.assign(0, new).unwrap();
        let outputs = if gradient_is_read { vec![gradient] } else { vec![] };
        let inputs = types[..2].to_vec();
        let request = Request { graph: &graph, inputs, outputs, rules: RULES };
        let w = Arc::new(Variable::zeros(types[2].clone()).unwrap());
        let program = Program::new(&request, vec![w.clone()], Arc::default()).unwrap();
        let mut gradient = vec![f32::NAN; m * n];
        let targets = [gradient.as_mut_ptr().cast()];
        let targets = &targets[..usize::from(gradient_is_read)];
        // SAFETY: arguments and outputs are float32 tensors of the program's types.
        unsafe { program.run(&[x.as_ptr().cast(), z.as_ptr().cast()], targets) }.unwrap();
        (gradient, content_f32(&w))
    };
    let (gradient, weights) = train(true);
    assert_eq!(weights, gradient, "from zeros");
    assert!(weights.iter().any(|&weight| weight != 0.0));
    assert_eq!(train(false).1, weights);
}

/// x (batch, 2), a scalar and a whole matrix (3, 2): each batch gives the scalar times the sum of both.
#[test]
fn what_has_no_batch_axis_is_the_same_for_every_batch() {
    let mut graph = Graph::new();
    let types: Vec<TensorType> =
        [&[2, 2][..], &[], &[3, 2]].map(|shape: &[usize]| TensorType::new(DType::F64, shape)).into();
    let inputs: Vec<Value> =
        types.iter().enumerate().map(|(index, ty)| graph.input(index, ty.clone())).collect();
    let rows = reduce_sum(&mut graph, inputs[0], &[0, 1], false).unwrap();
    let matrix = reduce_sum(&mut graph, inputs[2], &[0, 1], false).unwrap();
    let both = add(&mut graph, rows, matrix).unwrap();
    let result = multiply(&mut graph, both, inputs[1]).unwrap();
    let request = Request { graph: &graph, inputs: types, outputs: vec![result], rules: RULES };
    let program = Program::new(&request, vec![], Arc::default()).unwrap();

    let x: Vec<f64> = (0..12).map(f64::from).collect();
    let (scale, matrix) = ([2i32], [1.0f32; 6]);
    // SAFETY: the shapes are those of the arrays, which live to the end of the test.
    let columns = unsafe {
        [
            Column::new(x.as_ptr().cast(), ElementKind::F64, vec![6, 2], vec![16, 8]),
            Column::whole(scale.as_ptr().cast(), ElementKind::I32, vec![], vec![]),
            Column::whole(matrix.as_ptr().cast(), ElementKind::F32, vec![3, 2], vec![8, 4]),
        ]
    };
    let order = listed(&[0, 5, 1, 4, 2, 3]);
    let run = |keeps_all| {
        let time_limit = Duration::from_secs(60);
        let batches =
            Batches { columns: &columns, order: Some(&order), start: 0, stop: 6, time_limit, keeps_all };
        let mut results = [f64::NAN; 3];
        // SAFETY: there is room for a scalar of each batch.
        unsafe { program.run_batches(&batches, &[results.as_mut_ptr().cast()]) }.unwrap();
        results
    };
    assert_eq!(run(true), [56.0, 56.0, 56.0]);
    assert_eq!(run(false)[0], 56.0);
    assert!(run(false)[1..].iter().all(|value| value.is_nan()), "the last batch's alone");

    let wrong = [columns[0].clone(), columns[2].clone(), columns[2].clone()];
    let batches = Batches {
        columns: &wrong,
        order: None,
        start: 0,
        stop: 6,
        time_limit: Duration::ZERO,
        keeps_all: false,
    };
    // SAFETY: no outputs.
    assert!(matches!(unsafe { program.run_batches(&batches, &[]) }, Err(Error::Shape(_))));
}

#[test]
fn rows_outside_the_columns_are_an_error() {
    let data = [0.0f64; 6];
    // SAFETY: two rows of three float64.
    let columns = [unsafe { Column::new(data.as_ptr().cast(), ElementKind::F64, vec![2, 3], vec![24, 8]) }];
    let w = variable(&uniform(&[3], 0, 0.0, 0.0));
    let program = running_program(2, &w);
    let run = |rows: Option<&[i64]>, stop: usize| {
        let order = rows.map(listed);
        let order = order.as_ref();
        let batches = Batches {
            columns: &columns,
            order,
            start: 0,
            stop,
            time_limit: Duration::ZERO,
            keeps_all: false,
        };
        // SAFETY: no outputs.
        unsafe { program.run_batches(&batches, &[]) }
    };
    assert!(matches!(run(None, 4), Err(Error::Shape(_))));
    assert!(matches!(run(Some(&[0, 2]), 2), Err(Error::Shape(_))));
    assert!(matches!(run(Some(&[0]), 2), Err(Error::Shape(_))));
    assert_eq!(run(Some(&[1, 0]), 2), Ok(2));
    assert!(matches!(Order::of([0, -1].into_iter()), Err(Error::Configuration(_))));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let shape = [97, 301];
    let results: Vec<Vec<Vec<f64>>> = [1, 2, 4]
        .into_iter()
        .map(|count| {
            threads::set_num_threads(count);
            let mut graph = Graph::new();
            let ty = TensorType::new(DType::F64, shape);
            let x = graph.input(0, ty.clone());
            let gram = matmul(&mut graph, x, x, (true, false)).unwrap();
            let y = tanh(&mut graph, gram).unwrap();
            let sums = reduce_sum(&mut graph, y, &[0], false).unwrap();
            let z = matmul(&mut graph, x, y, (false, false)).unwrap();
            let z = add(&mut graph, z, sums).unwrap();
            let request =
                Request { graph: &graph, inputs: vec![ty], outputs: vec![y, sums, z], rules: RULES };
            run(&Program::new(&request, vec![], Arc::default()).unwrap(), &[uniform(&shape, 3, -1.0, 1.0)])
        })
        .collect();
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

#[test]
fn loops_over_one_element_wait_for_the_last_of_them() {
    let mut graph = Graph::new();
    let x = graph.input(0, TensorType::new(DType::F64, [4, 4]));
    let near = reduce_sum(&mut graph, x, &[0, 1], false).unwrap();
    let near = square(&mut graph, near).unwrap();
    let product = matmul(&mut graph, x, x, (false, false)).unwrap();
    let far = reduce_sum(&mut graph, product, &[0, 1], false).unwrap();
    let far = negative(&mut graph, far).unwrap();
    let request = Request {
        graph: &graph,
        inputs: vec![TensorType::new(DType::F64, [4, 4])],
        outputs: vec![near, far],
        rules: RULES,
    };
    let program = Program::new(&request, vec![], Arc::default()).unwrap();
    // Two sums, a product, and one loop.
    assert_eq!(program.plan.steps.len(), 4);
    let inputs = [uniform(&[4, 4], 1, -1.0, 1.0)];
    let expected = evaluate(&graph, &inputs, &[near, far]).unwrap();
    for (got, expected) in run(&program, &inputs).iter().zip(&expected) {
        assert!(close(got, &elements(expected)));
    }
}

#[test]
fn programs_that_share_arenas_bind_a_buffer_once() {
    let arenas = Arc::<Arenas>::default();
    let programs: Vec<(Program, usize)> = [7usize, 300, 40]
        .into_iter()
        .map(|rows| {
            let mut graph = Graph::new();
            let ty = TensorType::new(DType::F64, [rows, rows]);
            let x = graph.input(0, ty.clone());
            let gram = matmul(&mut graph, x, x, (true, false)).unwrap();
            let y = matmul(&mut graph, gram, x, (false, false)).unwrap();
            let request = Request { graph: &graph, inputs: vec![ty], outputs: vec![y], rules: RULES };
            (Program::new(&request, vec![], arenas.clone()).unwrap(), rows)
        })
        .collect();
    let mut bound = Vec::new();
    for _ in 0..3 {
        for (program, rows) in &programs {
            run(program, &[uniform(&[*rows, *rows], 1, -1.0, 1.0)]);
            bound.push(program.bound_to());
        }
    }
    // The buffer of the largest program, once it was there, is that of all.
    assert!(bound[1..3].iter().chain(&bound[4..]).all(|addresses| *addresses == bound[1]), "{bound:?}");
    assert_eq!(bound[1].len(), 1);
}
