//! Nodes with effects, and writes: a compiled program does what a plain interpreter does in the program's order.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::tests::{close, content, run_with, variable};
use super::{Program, Variable};
use crate::compile::Request;
use crate::compile::rules::RULES;
use crate::error::{Error, Result};
use crate::graph::{Attribute, Attributes, Call, Differentiated, Effect, Graph, Op, Value};
use crate::ops::elementwise::{add, maximum, multiply, negative, subtract, tanh};
use crate::ops::matmul::matmul;
use crate::ops::reduce::reduce_sum;
use crate::ops::registry::build;
use crate::ops::shape::transpose;
use crate::ops::testing::{elements, ints, uniform};
use crate::tensor::{DType, Tensor, TensorType};
use crate::threads;

const N: usize = 4;
const INPUTS: usize = 2;
const VARIABLES: usize = 3;

/// What happened outside, and after how many calls the next one fails.
#[derive(Debug, Default)]
struct World {
    log: Vec<(usize, Vec<f64>)>,
    calls_left: Option<usize>,
}

impl World {
    /// A call by the node `label`: gives out how many came before.
    fn call(&mut self, label: usize, x: &[f64]) -> Result<f64> {
        if let Some(left) = &mut self.calls_left {
            if *left == 0 {
                return Err(Error::Data("expected calls. Received: one too many".into()));
            }
            *left -= 1;
        }
        self.log.push((label, x.to_vec()));
        Ok(self.log.len() as f64 / 100.0)
    }
}

/// Logs its input. With an output, that is x + (calls so far) / 100: what an exchange with other machines gives also depends
/// on the order of the calls.
#[derive(Debug)]
struct CallOut {
    label: usize,
    has_output: bool,
    world: Arc<Mutex<World>>,
}

impl Op for CallOut {
    fn name(&self) -> &'static str {
        "call_out"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(if self.has_output { vec![inputs[0].clone()] } else { vec![] })
    }

    fn effect(&self) -> Effect {
        Effect::CallsOut
    }

    fn gradient(&self, node: &Differentiated<'_>, _: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(node.doutput())])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let x = call.input::<f64>(0);
        let added = self.world.lock().unwrap().call(self.label, x)?;
        if self.has_output {
            call.output::<f64>(0).iter_mut().zip(x).for_each(|(y, x)| *y = x + added);
        }
        Ok(())
    }
}

/// x, if no element is above the limit.
#[derive(Debug)]
struct Check {
    limit: f64,
}

impl Op for Check {
    fn name(&self) -> &'static str {
        "check"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        Ok(vec![inputs[0].clone()])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let x = call.input::<f64>(0);
        check(x, self.limit)?;
        call.output::<f64>(0).copy_from_slice(x);
        Ok(())
    }
}

fn check(x: &[f64], limit: f64) -> Result<()> {
    match x.iter().find(|x| **x > limit) {
        Some(x) => Err(Error::Data(format!("expected elements up to {limit}. Received: {x}"))),
        None => Ok(()),
    }
}

/// One line of a program. All values are N × N matrices, numbered as they come, the inputs first.
#[derive(Debug, Clone, Copy)]
enum Line {
    Tanh(usize),
    Negative(usize),
    Add(usize, usize),
    Multiply(usize, usize),
    Maximum(usize, usize),
    Product(usize, usize),
    Transpose(usize),
    /// Every row times its sum.
    BySum(usize),
    Read(usize),
    Assign(usize, usize),
    Call(usize),
    Exchange(usize),
    Check(usize),
}

const LIMIT: f64 = 30.0;

impl Line {
    fn of((kind, first, second): (u8, usize, usize), values: usize) -> Self {
        let (a, b, variable) = (first % values, second % values, second % VARIABLES);
        match kind % 18 {
            0 => Self::Tanh(a),
            1 => Self::Negative(a),
            2 | 3 => Self::Add(a, b),
            4 => Self::Multiply(a, b),
            5 => Self::Maximum(a, b),
            6 => Self::Product(a, b),
            7 => Self::Transpose(a),
            8 => Self::BySum(a),
            9 | 10 => Self::Read(variable),
            11..=13 => Self::Assign(variable, a),
            14 | 15 => Self::Call(a),
            16 => Self::Exchange(a),
            _ => Self::Check(a),
        }
    }

    fn has_value(self) -> bool {
        !matches!(self, Self::Assign(..) | Self::Call(_))
    }
}

fn lines(choices: &[(u8, usize, usize)]) -> Vec<Line> {
    let mut values = INPUTS;
    choices
        .iter()
        .map(|&choice| {
            let line = Line::of(choice, values);
            values += usize::from(line.has_value());
            line
        })
        .collect()
}

fn matrix() -> TensorType {
    TensorType::new(DType::F64, [N, N])
}

/// The lines as a graph, and its outputs: what was checked, and the last value.
fn record(lines: &[Line], world: &Arc<Mutex<World>>) -> Result<(Graph, Vec<Value>)> {
    let mut graph = Graph::new();
    let mut values: Vec<Value> = (0..INPUTS).map(|index| graph.input(index, matrix())).collect();
    for index in 0..VARIABLES {
        graph.variable(index, matrix());
    }
    let mut outputs = Vec::new();
    for (label, &line) in lines.iter().enumerate() {
        let call = |has_output| Arc::new(CallOut { label, has_output, world: world.clone() });
        let value = match line {
            Line::Tanh(a) => tanh(&mut graph, values[a])?,
            Line::Negative(a) => negative(&mut graph, values[a])?,
            Line::Add(a, b) => add(&mut graph, values[a], values[b])?,
            Line::Multiply(a, b) => multiply(&mut graph, values[a], values[b])?,
            Line::Maximum(a, b) => maximum(&mut graph, values[a], values[b])?,
            Line::Product(a, b) => matmul(&mut graph, values[a], values[b], (false, false))?,
            Line::Transpose(a) => transpose(&mut graph, values[a], &[1, 0])?,
            Line::BySum(a) => {
                let sum = reduce_sum(&mut graph, values[a], &[1], true)?;
                multiply(&mut graph, values[a], sum)?
            }
            Line::Read(variable) => graph.read(variable),
            Line::Assign(variable, a) => {
                graph.assign(variable, values[a])?;
                continue;
            }
            Line::Call(a) => {
                graph.apply(call(false), &[values[a]])?;
                continue;
            }
            Line::Exchange(a) => graph.apply1(call(true), &[values[a]])?,
            Line::Check(a) => {
                let checked = graph.apply1(Arc::new(Check { limit: LIMIT }), &[values[a]])?;
                outputs.push(checked);
                checked
            }
        };
        values.push(value);
    }
    outputs.push(*values.last().expect("there are inputs"));
    Ok((graph, outputs))
}

/// Runs the lines one after the other; variables take on their new content when all went well.
fn interpret(
    lines: &[Line],
    inputs: &[Vec<f64>],
    variables: &mut Vec<Vec<f64>>,
    world: &mut World,
) -> Result<Vec<Vec<f64>>> {
    let at = |i: usize, j: usize| i * N + j;
    let each = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..N * N).map(|index| f(index / N, index % N)).collect()
    };
    let mut values = inputs.to_vec();
    let mut contents = variables.clone();
    let mut outputs = Vec::new();
    for (label, &line) in lines.iter().enumerate() {
        let x = |index: usize, i: usize, j: usize| values[index][at(i, j)];
        let value = match line {
            Line::Tanh(a) => each(&|i, j| x(a, i, j).tanh()),
            Line::Negative(a) => each(&|i, j| -x(a, i, j)),
            Line::Add(a, b) => each(&|i, j| x(a, i, j) + x(b, i, j)),
            Line::Multiply(a, b) => each(&|i, j| x(a, i, j) * x(b, i, j)),
            Line::Maximum(a, b) => each(&|i, j| x(a, i, j).max(x(b, i, j))),
            Line::Product(a, b) => each(&|i, j| (0..N).map(|k| x(a, i, k) * x(b, k, j)).sum()),
            Line::Transpose(a) => each(&|i, j| x(a, j, i)),
            Line::BySum(a) => each(&|i, j| x(a, i, j) * (0..N).map(|k| x(a, i, k)).sum::<f64>()),
            Line::Read(variable) => contents[variable].clone(),
            Line::Assign(variable, a) => {
                contents[variable] = values[a].clone();
                continue;
            }
            Line::Call(a) => {
                world.call(label, &values[a])?;
                continue;
            }
            Line::Exchange(a) => {
                let added = world.call(label, &values[a])?;
                each(&|i, j| x(a, i, j) + added)
            }
            Line::Check(a) => {
                check(&values[a], LIMIT)?;
                outputs.push(values[a].clone());
                values[a].clone()
            }
        };
        values.push(value);
    }
    outputs.push(values.last().expect("there are inputs").clone());
    *variables = contents;
    Ok(outputs)
}

fn same_log(got: &[(usize, Vec<f64>)], expected: &[(usize, Vec<f64>)]) -> bool {
    got.len() == expected.len()
        && got.iter().zip(expected).all(|((label, x), (other, y))| label == other && close(x, y))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The same log, the same outputs and the same variables, step by step, also around steps that fail.
    #[test]
    fn programs_keep_the_order_of_reads_writes_and_calls(
        choices in prop::collection::vec((any::<u8>(), 0usize..64, 0usize..64), 1..60),
        calls_left in prop::option::of(0usize..20),
    ) {
        let lines = lines(&choices);
        let world = Arc::new(Mutex::new(World::default()));
        let (graph, outputs) = record(&lines, &world).unwrap();
        let request = Request { graph: &graph, inputs: vec![matrix(); INPUTS], outputs, rules: RULES };
        let contents: Vec<Tensor> = (0..VARIABLES).map(|index| uniform(&[N, N], index as u64, -1.0, 1.0)).collect();
        let variables: Vec<Arc<Variable>> = contents.iter().map(variable).collect();
        let program = Program::new(&request, variables.clone(), Arc::default()).unwrap();

        let mut expected_variables: Vec<Vec<f64>> = contents.iter().map(elements).collect();
        let mut expected_world = World { calls_left, ..World::default() };
        world.lock().unwrap().calls_left = calls_left;
        for step in 0..3 {
            let inputs: Vec<Tensor> =
                (0..INPUTS).map(|index| uniform(&[N, N], 10 + step * 10 + index as u64, -1.0, 1.0)).collect();
            let feed: Vec<Vec<f64>> = inputs.iter().map(elements).collect();
            let expected = interpret(&lines, &feed, &mut expected_variables, &mut expected_world);
            // What is too large for the comparison is no test of the order.
            prop_assume!(expected_variables.iter().flatten().all(|x| x.abs() < 1e9));
            let got = run_with(&program, &inputs);
            prop_assert_eq!(got.is_ok(), expected.is_ok(), "step {}: {:?}", step, got);
            for (got, expected) in got.iter().flatten().zip(expected.iter().flatten()) {
                prop_assert!(close(got, expected), "step {step}: {got:?} {expected:?}");
            }
            let log = world.lock().unwrap().log.clone();
            prop_assert!(same_log(&log, &expected_world.log), "step {step}: {log:?} {:?}", expected_world.log);
            for (variable, expected) in variables.iter().zip(&expected_variables) {
                prop_assert!(close(&content(variable), expected), "step {step}: {expected:?}");
            }
            // The call that failed is made again in the next step, and goes well.
            world.lock().unwrap().calls_left = None;
            expected_world.calls_left = None;
        }
    }
}

/// w (64, 64) += a product of x, exchanged with others, as training on several machines has it; s = Σ x, exchanged too.
fn exchanging(world: &Arc<Mutex<World>>, variables: &[Arc<Variable>]) -> Program {
    let mut graph = Graph::new();
    let ty = TensorType::new(DType::F64, [64, 64]);
    let x = graph.input(0, ty.clone());
    let w = graph.variable(0, ty.clone());
    let s = graph.variable(1, TensorType::new(DType::F64, [1, 64]));
    let exchange =
        |label| -> Arc<dyn Op> { Arc::new(CallOut { label, has_output: true, world: world.clone() }) };
    let y = matmul(&mut graph, x, w, (false, false)).unwrap();
    let gradient = matmul(&mut graph, x, y, (true, false)).unwrap();
    let gradient = graph.apply1(exchange(0), &[gradient]).unwrap();
    let new = add(&mut graph, w, gradient).unwrap();
    graph.assign(0, new).unwrap();
    let sum = reduce_sum(&mut graph, x, &[0], true).unwrap();
    let sum = graph.apply1(exchange(1), &[sum]).unwrap();
    let new = add(&mut graph, s, sum).unwrap();
    graph.assign(1, new).unwrap();
    let request = Request { graph: &graph, inputs: vec![ty], outputs: vec![y], rules: RULES };
    Program::new(&request, variables.to_vec(), Arc::default()).unwrap()
}

#[test]
fn exchanges_keep_their_order_at_any_number_of_threads() {
    let x = [uniform(&[64, 64], 1, -0.1, 0.1)];
    let results: Vec<_> = [1, 2, 4]
        .into_iter()
        .map(|count| {
            threads::set_num_threads(count);
            let world = Arc::new(Mutex::new(World::default()));
            let variables = [uniform(&[64, 64], 2, -0.1, 0.1), uniform(&[1, 64], 3, -1.0, 1.0)];
            let variables = variables.each_ref().map(variable);
            let program = exchanging(&world, &variables);
            // Though one of the two could be exchanged long before the other, and its variable written.
            assert_eq!(program.plan.written, [0, 1], "both are written in place, after the last exchange");
            let outputs: Vec<_> = (0..3).map(|_| run_with(&program, &x).unwrap()).collect();
            let log = std::mem::take(&mut world.lock().unwrap().log);
            assert_eq!(log.iter().map(|(label, _)| *label).collect::<Vec<_>>(), [0, 1, 0, 1, 0, 1]);
            (outputs, log, variables.each_ref().map(|variable| content(variable)))
        })
        .collect();
    assert!(results[0] == results[1] && results[0] == results[2], "to the bit");
}

#[test]
fn a_failed_exchange_leaves_all_variables() {
    let world = Arc::new(Mutex::new(World { calls_left: Some(3), ..World::default() }));
    let variables = [uniform(&[64, 64], 2, -0.1, 0.1), uniform(&[1, 64], 3, -1.0, 1.0)];
    let variables = variables.each_ref().map(variable);
    let program = exchanging(&world, &variables);
    let x = [uniform(&[64, 64], 1, -0.1, 0.1)];
    run_with(&program, &x).unwrap();
    let after_one = variables.each_ref().map(|variable| content(variable));
    assert!(matches!(run_with(&program, &x), Err(Error::Data(_))));
    assert_eq!(variables.each_ref().map(|variable| content(variable)), after_one);
    world.lock().unwrap().calls_left = None;
    run_with(&program, &x).unwrap();
    assert_ne!(variables.each_ref().map(|variable| content(variable)), after_one);
}

/// A call that depends on a new content cannot come before it: then that is kept elsewhere until the step ends.
#[test]
fn a_call_that_sees_a_new_content_may_still_fail() {
    let world = Arc::new(Mutex::new(World { calls_left: Some(0), ..World::default() }));
    let mut graph = Graph::new();
    let x = graph.input(0, matrix());
    let w = graph.variable(0, matrix());
    let new = add(&mut graph, w, x).unwrap();
    graph.assign(0, new).unwrap();
    let seen = graph.read(0);
    graph.apply(Arc::new(CallOut { label: 7, has_output: false, world: world.clone() }), &[seen]).unwrap();
    let variable = variable(&uniform(&[N, N], 1, -1.0, 1.0));
    let request = Request { graph: &graph, inputs: vec![matrix()], outputs: vec![], rules: RULES };
    let program = Program::new(&request, vec![variable.clone()], Arc::default()).unwrap();
    let (before, x) = (content(&variable), [uniform(&[N, N], 2, -1.0, 1.0)]);
    assert!(run_with(&program, &x).is_err());
    assert_eq!(content(&variable), before);
    world.lock().unwrap().calls_left = None;
    run_with(&program, &x).unwrap();
    assert_eq!(world.lock().unwrap().log, [(7, content(&variable))]);
    assert_ne!(content(&variable), before);
}

#[test]
fn calls_that_nobody_reads_are_made_and_equal_ones_are_two() {
    let world = Arc::new(Mutex::new(World::default()));
    let mut graph = Graph::new();
    let x = graph.input(0, matrix());
    let op: Arc<dyn Op> = Arc::new(CallOut { label: 0, has_output: true, world: world.clone() });
    for _ in 0..2 {
        graph.apply1(op.clone(), &[x]).unwrap();
    }
    let y = graph.apply1(op.clone(), &[x]).unwrap();
    let z = graph.apply1(op, &[x]).unwrap();
    let difference = subtract(&mut graph, z, y).unwrap();
    let request = Request { graph: &graph, inputs: vec![matrix()], outputs: vec![difference], rules: RULES };
    let program = Program::new(&request, vec![], Arc::default()).unwrap();
    let difference = run_with(&program, &[uniform(&[N, N], 2, -1.0, 1.0)]).unwrap().remove(0);
    assert!(difference.iter().all(|difference| (difference - 0.01).abs() < 1e-12), "{difference:?}");
    assert_eq!(world.lock().unwrap().log.len(), 4);
}

/// Draws are functions of their seeds: those of two seeds are two, and need no order; one seed is one draw.
#[test]
fn draws_of_one_program_are_as_many_as_their_seeds() {
    let seeds = TensorType::new(DType::I32, [2]);
    let mut graph = Graph::new();
    graph.variable(0, seeds.clone());
    let one = graph.constant(ints(&[2], &[0, 1]));
    let attributes = [("shape", Attribute::Ints(vec![5])), ("dtype", Attribute::String("float64".into()))];
    let attributes = Attributes::new(attributes.map(|(name, value)| (name.to_owned(), value)));
    let mut outputs = Vec::new();
    for moves in [true, false, true] {
        let seed = graph.read(0);
        outputs.push(graph.apply1(build("random_normal", &attributes).unwrap(), &[seed]).unwrap());
        if moves {
            let next = add(&mut graph, seed, one).unwrap();
            graph.assign(0, next).unwrap();
        }
    }
    let request = Request { graph: &graph, inputs: vec![], outputs, rules: RULES };
    let draw = |steps: usize| -> Vec<Vec<f64>> {
        let state = Arc::new(Variable::zeros(seeds.clone()).unwrap());
        let program = Program::new(&request, vec![state], Arc::default()).unwrap();
        (0..steps).flat_map(|_| run_with(&program, &[]).unwrap()).collect()
    };
    let drawn = draw(2);
    let [a, b, again, c, d, _] = &drawn[..] else { panic!("three draws a step") };
    assert_eq!(b, again);
    assert!(a != b && a != c && a != d && b != c && b != d && c != d);
    assert_eq!(draw(2), drawn);
}

#[test]
fn a_read_is_the_content_as_of_its_place() {
    let mut graph = Graph::new();
    let ty = TensorType::new(DType::F32, [3]);
    let [a, b] = [0, 1].map(|index| graph.variable(index, ty.clone()));
    assert!(!graph.has_effects());
    let new = tanh(&mut graph, a).unwrap();
    graph.set_scope("layer");
    graph.assign(0, new).unwrap();
    assert_eq!((graph.read(0), graph.read(1), graph.variable(0, ty.clone())), (new, b, a));
    let newer = add(&mut graph, new, b).unwrap();
    graph.assign(1, a).unwrap();
    graph.assign(0, newer).unwrap();
    assert_eq!((graph.read(0), graph.read(1)), (newer, a));
    assert_eq!(graph.updates(), [(0, newer), (1, a)], "what the step leaves");
    let writes: Vec<_> =
        graph.writes().iter().map(|write| (write.variable, write.value, write.position)).collect();
    assert_eq!(writes, [(0, new, 1), (1, a, 2), (0, newer, 2)], "all, in order");
    assert!(graph.has_effects());
    let other = graph.input(0, TensorType::new(DType::F64, [3]));
    let error = graph.assign(0, other).unwrap_err().to_string();
    assert_eq!(error, "layer: expected float32[3] to assign to a variable. Received: float64[3]");
}
