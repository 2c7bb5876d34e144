//! Gradient rules against finite differences, and at the points where a slope jumps.

use super::{cast_to, op};
use crate::graph::{Differentiated, Graph, Value};
use crate::ops::elementwise::{BINARY, Binary, UNARY, power, scalar_like};
use crate::ops::testing::{bools, check_gradient, elements, evaluate, tensor, uniform};
use crate::tensor::Tensor;

#[test]
fn gradients_of_ops_of_one_input() {
    for row in UNARY.iter().copied().flatten().filter(|row| row.name != "logical_not") {
        let x = uniform(&[2, 5], 3, row.domain[0], row.domain[1]);
        if op(row.name).output_types(&[&x.tensor_type()]).unwrap()[0].dtype.is_float() {
            check_gradient(&op(row.name), &[x]);
        }
    }
}

#[test]
fn gradients_of_ops_of_two_inputs_and_their_broadcasts() {
    let numbers = |row: &&&Binary| row.forms.iter().any(|form| form.output.is_float());
    for row in BINARY.iter().copied().flatten().filter(numbers) {
        for (a_shape, b_shape) in [
            (&[2, 3][..], &[2, 3][..]),
            (&[2, 3], &[3]),
            (&[2, 1], &[1, 3]),
            (&[], &[2, 3]),
            (&[4, 1, 3], &[2, 1]),
        ] {
            let a = uniform(a_shape, 5, row.domains[0][0], row.domains[0][1]);
            let b = uniform(b_shape, 6, row.domains[1][0], row.domains[1][1]);
            check_gradient(&op(row.name), &[a, b]);
        }
    }
}

#[test]
fn the_gradient_of_a_power_with_a_constant_exponent() {
    for exponent in [0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -1.7] {
        let x = uniform(&[5], 9, 0.4, 2.0);
        let mut graph = Graph::new();
        let value = graph.input(0, x.tensor_type());
        let exponent_value = scalar_like(&mut graph, value, exponent);
        let y = power(&mut graph, value, exponent_value).unwrap();
        let dy = scalar_like(&mut graph, value, 1.0);
        let dy = crate::ops::shape::broadcast_to(&mut graph, dy, &[5]).unwrap();
        let node = crate::graph::Differentiated {
            inputs: &[value, exponent_value],
            outputs: &[y],
            doutputs: &[Some(dy)],
            wanted: &[true, false],
        };
        let dx = op("power").gradient(&node, &mut graph).unwrap()[0];
        let dx = match dx {
            Some(dx) => {
                elements(&crate::ops::testing::evaluate(&graph, std::slice::from_ref(&x), &[dx]).unwrap()[0])
            }
            None => vec![0.0; 5],
        };
        for (x, dx) in elements(&x).into_iter().zip(dx) {
            let expected = exponent * x.powf(exponent - 1.0);
            assert!((dx - expected).abs() < 1e-12, "d x^{exponent} = {dx}, not {expected}");
        }
    }
}

#[test]
fn gradients_of_select_and_cast() {
    let condition = bools(&[2, 3], &[true, false, true, true, false, false]);
    let a = uniform(&[2, 3], 7, -1.0, 1.0);
    check_gradient(&op("select"), &[condition.clone(), a.clone(), uniform(&[2, 3], 8, -1.0, 1.0)]);
    check_gradient(&op("select"), &[condition, a.clone(), uniform(&[], 8, -1.0, 1.0)]);
    let row = bools(&[3], &[true, false, true]);
    check_gradient(&op("select"), &[row, uniform(&[2, 1], 9, -1.0, 1.0), a.clone()]);
    check_gradient(&cast_to("float64"), &[a]);
}

/// Gradients at the points where a choice is made: d y / d input for dy = 1.
fn gradient_at(name: &str, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    let mut graph = Graph::new();
    let values: Vec<Value> =
        inputs.iter().enumerate().map(|(index, input)| graph.input(index, input.tensor_type())).collect();
    let outputs = graph.apply(op(name), &values).unwrap();
    let shape = graph.shape(outputs[0]).to_vec();
    let dy = graph.constant(tensor(&shape, |_| 1.0));
    let node = Differentiated {
        inputs: &values,
        outputs: &outputs,
        doutputs: &[Some(dy)],
        wanted: &vec![true; inputs.len()],
    };
    let gradients = op(name).gradient(&node, &mut graph).unwrap();
    gradients
        .into_iter()
        .map(|gradient| elements(&evaluate(&graph, inputs, &[gradient.unwrap()]).unwrap()[0]))
        .collect()
}

/// Whether a slope is the one expected; NaN is none.
fn assert_slope(what: &str, got: f64, expected: f64) {
    assert!(got == expected, "the slope of {what} is {got}, expected {expected}");
}

#[test]
fn gradients_at_kinks_follow_keras() {
    let number = |x: f64| tensor(&[1], |_| x);
    for row in UNARY.iter().copied().flatten() {
        for &(x, slope) in row.kinks {
            let gradients = gradient_at(row.name, &[number(x)]);
            assert_slope(&format!("{} at {x}", row.name), gradients[0][0], slope);
        }
    }
    for row in BINARY.iter().copied().flatten() {
        for &([a, b], slopes) in row.kinks {
            let gradients = gradient_at(row.name, &[number(a), number(b)]);
            for (gradient, slope) in gradients.iter().zip(slopes) {
                assert_slope(&format!("{} at {a}, {b}", row.name), gradient[0], slope);
            }
        }
    }
}
