use std::sync::Arc;

use ndarray::ArrayD;

use super::{Kind, Recurrent, build};
use crate::graph::{Attribute, Attributes, Graph, OpRef};
use crate::kernels::recurrent::Activation;
use crate::ops::testing::{bools, check_gradient_of_outputs, elements, evaluate, run, uniform};
use crate::tensor::{DType, Tensor, TensorType};
use crate::threads::set_num_threads;

const KINDS: [Kind; 4] =
    [Kind::SimpleRnn, Kind::Gru { reset_after: true }, Kind::Gru { reset_after: false }, Kind::Lstm];

fn layer(kind: Kind) -> Recurrent {
    Recurrent {
        kind,
        activation: Activation::Tanh,
        recurrent_activation: Activation::Sigmoid,
        go_backwards: false,
        training: true,
        has_mask: false,
        recurrent_dropout: 0.0,
        from_rows: false,
    }
}

/// Every cell, plain and with each option that changes the arithmetic.
fn layers() -> Vec<Recurrent> {
    let mut layers = Vec::new();
    for plain in KINDS.map(layer) {
        layers.push(plain.clone());
        layers.push(Recurrent { go_backwards: true, has_mask: true, ..plain.clone() });
        layers.push(Recurrent { recurrent_dropout: 0.4, ..plain.clone() });
        layers.push(Recurrent { has_mask: true, go_backwards: true, recurrent_dropout: 0.25, ..plain });
    }
    layers
}

/// Random inputs for a layer; the mask skips every third timestep and one whole row.
fn inputs(layer: &Recurrent, batch: usize, steps: usize, features: usize, units: usize) -> Vec<Tensor> {
    let columns = layer.kind.gates() * units;
    // Small enough that the recurrence is not chaotic and does not amplify rounding.
    let reach = 1.0 / (units as f64).sqrt();
    let mut inputs = vec![
        uniform(&[batch, steps, features], 1, -1.0, 1.0),
        uniform(&[features, columns], 2, -1.0, 1.0),
        uniform(&[units, columns], 3, -reach, reach),
        uniform(&layer.kind.bias_shape(units), 4, -0.5, 0.5),
        uniform(&[batch, units], 5, -1.0, 1.0),
    ];
    if layer.kind.has_carry() {
        inputs.push(uniform(&[batch, units], 6, -1.0, 1.0));
    }
    if layer.has_mask {
        let mask: Vec<bool> = (0..batch * steps)
            .map(|index| index / steps != 1 && !(index / steps + index % steps).is_multiple_of(3))
            .collect();
        inputs.push(bools(&[batch, steps], &mask));
    }
    if layer.has_dropout() {
        let keep: Vec<bool> = (0..batch * columns).map(|index| index % 7 != 2 && index % 5 != 1).collect();
        inputs.push(bools(&[batch, layer.kind.gates(), units], &keep));
    }
    inputs
}

fn results(layer: &Recurrent) -> Vec<usize> {
    (0..if layer.kind.has_carry() { 3 } else { 2 }).collect()
}

/// The equations of Keras, one number at a time: (sequence, last h, last c).
fn reference(layer: &Recurrent, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    let &[batch, steps, features] = inputs[0].shape() else { panic!() };
    let units = inputs[2].shape()[0];
    let gates = layer.kind.gates();
    let columns = gates * units;
    let flat: Vec<Vec<f64>> = inputs.iter().map(elements).collect();
    let (x, kernel, recurrent_kernel, bias) = (&flat[0], &flat[1], &flat[2], &flat[3]);
    let states = if layer.kind.has_carry() { 6 } else { 5 };
    let mask = layer.has_mask.then(|| &flat[states]);
    let keep = layer.has_dropout().then(|| flat.last().unwrap());
    let f = |activation: Activation, x: f64| match activation {
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Relu => x.max(0.0),
        Activation::Linear => x,
        Activation::HardSigmoid => (x / 6.0 + 0.5).clamp(0.0, 1.0),
        other => panic!("{other:?} is not in the reference"),
    };
    let (phi, sigma) = (|x| f(layer.activation, x), |x| f(layer.recurrent_activation, x));

    let mut sequence = vec![0.0; batch * steps * units];
    let (mut last_h, mut last_c) = (flat[4].clone(), if states == 6 { flat[5].clone() } else { vec![] });
    for row in 0..batch {
        for step in 0..steps {
            let time = if layer.go_backwards { steps - 1 - step } else { step };
            let h: Vec<f64> = last_h[row * units..(row + 1) * units].to_vec();
            let seen = |gate: usize, unit: usize| match keep {
                Some(keep) if keep[(row * gates + gate) * units + unit] == 0.0 => 0.0,
                Some(_) => h[unit] / (1.0 - layer.recurrent_dropout),
                None => h[unit],
            };
            let input = |gate: usize, unit: usize| -> f64 {
                let column = gate * units + unit;
                let products = (0..features).map(|feature| {
                    x[(row * steps + time) * features + feature] * kernel[feature * columns + column]
                });
                bias[column] + products.sum::<f64>()
            };
            let product = |gate: usize, unit: usize, factor: &dyn Fn(usize) -> f64| -> f64 {
                let column = gate * units + unit;
                (0..units).map(|k| factor(k) * seen(gate, k) * recurrent_kernel[k * columns + column]).sum()
            };
            let one = |_: usize| 1.0;
            if mask.is_none_or(|mask| mask[row * steps + time] != 0.0) {
                for unit in 0..units {
                    let z = |gate| input(gate, unit) + product(gate, unit, &one);
                    let at = row * units + unit;
                    last_h[at] = match layer.kind {
                        Kind::SimpleRnn => phi(z(0)),
                        Kind::Lstm => {
                            last_c[at] = sigma(z(1)) * last_c[at] + sigma(z(0)) * phi(z(2));
                            sigma(z(3)) * phi(last_c[at])
                        }
                        Kind::Gru { reset_after: true } => {
                            let inner =
                                |gate: usize| bias[columns + gate * units + unit] + product(gate, unit, &one);
                            let update = sigma(input(0, unit) + inner(0));
                            let reset = sigma(input(1, unit) + inner(1));
                            let candidate = phi(input(2, unit) + reset * inner(2));
                            update * h[unit] + (1.0 - update) * candidate
                        }
                        Kind::Gru { reset_after: false } => {
                            let reset = |k: usize| sigma(input(1, k) + product(1, k, &one));
                            let candidate = phi(input(2, unit) + product(2, unit, &reset));
                            let update = sigma(z(0));
                            update * h[unit] + (1.0 - update) * candidate
                        }
                    };
                }
            }
            sequence[(row * steps + step) * units..][..units]
                .copy_from_slice(&last_h[row * units..(row + 1) * units]);
        }
    }
    let mut results = vec![sequence, last_h];
    if states == 6 {
        results.push(last_c);
    }
    results
}

fn assert_close(received: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(received.len(), expected.len(), "{what}");
    for (index, (received, expected)) in received.iter().zip(expected).enumerate() {
        assert!(
            (received - expected).abs() <= tolerance * (1.0 + expected.abs()),
            "{what} [{index}]: {received} against {expected}"
        );
    }
}

fn as_f32(tensor: &Tensor) -> Tensor {
    match tensor {
        Tensor::F64(array) => Tensor::F32(array.mapv(|element| element as f32)),
        other => other.clone(),
    }
}

#[test]
fn results_are_those_of_the_equations() {
    // Several shards of unequal sizes, several blocks of timesteps, and units that fill no vector.
    let (batch, steps, features, units) = (19, 41, 5, 37);
    for layer in layers() {
        let inputs = inputs(&layer, batch, steps, features, units);
        let expected = reference(&layer, &inputs);
        for training in [true, false] {
            let op: OpRef = Arc::new(Recurrent { training, ..layer.clone() });
            for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 2e-5)] {
                let typed: Vec<Tensor> = inputs
                    .iter()
                    .map(|input| if dtype == DType::F32 { as_f32(input) } else { input.clone() })
                    .collect();
                let received = run(&op, &typed).unwrap();
                assert_eq!(received.len(), expected.len() + if training { 2 } else { 0 });
                for (received, expected) in received.iter().zip(&expected) {
                    assert_eq!(received.dtype(), dtype);
                    assert_close(&elements(received), expected, tolerance, &format!("{op:?} {dtype:?}"));
                }
            }
        }
    }
}

/// Layers that predict few rows by parts of their units: three rows, and several blocks of timesteps.
fn layers_of_many_units() -> Vec<(Recurrent, Vec<Tensor>)> {
    let mut layers = Vec::new();
    for (kind, units) in [(Kind::Lstm, 128), (Kind::SimpleRnn, 256)] {
        for option in [false, true] {
            let layer = Recurrent { training: false, go_backwards: option, has_mask: option, ..layer(kind) };
            let inputs = inputs(&layer, 3, 90, 5, units);
            layers.push((layer, inputs));
        }
    }
    layers
}

#[test]
fn predictions_of_few_rows_and_many_units_are_those_of_the_equations() {
    for (layer, inputs) in layers_of_many_units() {
        let op: OpRef = Arc::new(layer.clone());
        let exact = run(&op, &inputs).unwrap();
        let rounded = run(&op, &inputs.iter().map(as_f32).collect::<Vec<_>>()).unwrap();
        for (index, expected) in reference(&layer, &inputs).iter().enumerate() {
            let what = format!("{layer:?}: result {index}");
            assert_close(&elements(&exact[index]), expected, 1e-12, &what);
            assert_close(&elements(&rounded[index]), expected, 2e-5, &what);
        }
    }
}

#[test]
fn predictions_of_few_rows_are_the_same_bits_at_any_number_of_threads() {
    for (layer, inputs) in layers_of_many_units() {
        let with_threads = |threads| {
            set_num_threads(threads);
            run(&(Arc::new(layer.clone()) as OpRef), &inputs).unwrap()
        };
        assert_eq!(with_threads(1), with_threads(2), "{layer:?}");
    }
}

#[test]
fn gradients_of_every_option() {
    for layer in layers() {
        let inputs = inputs(&layer, 3, 4, 2, 3);
        let op: OpRef = Arc::new(layer.clone());
        check_gradient_of_outputs(&op, &inputs, &results(&layer));
    }
}

#[test]
fn gradients_where_only_some_results_matter() {
    for layer in KINDS.map(layer) {
        let inputs = inputs(&layer, 2, 3, 2, 2);
        for output in results(&layer) {
            check_gradient_of_outputs(&(Arc::new(layer.clone()) as OpRef), &inputs, &[output]);
        }
        let predicting: OpRef = Arc::new(Recurrent { training: false, ..layer.clone() });
        check_gradient_of_outputs(&predicting, &inputs, &results(&layer));
    }
}

#[test]
fn gradients_of_every_activation() {
    for (_, activation) in Activation::ALL {
        for plain in KINDS.map(layer) {
            let inputs = inputs(&plain, 2, 3, 2, 3);
            for (activation, recurrent_activation) in
                [(activation, plain.recurrent_activation), (plain.activation, activation)]
            {
                let layer = Recurrent { activation, recurrent_activation, ..plain.clone() };
                check_gradient_of_outputs(&(Arc::new(layer) as OpRef), &inputs, &results(&plain));
            }
        }
    }
}

/// All gradients of Σ weight·result.
fn gradients(layer: &Recurrent, inputs: &[Tensor], weights: &[Tensor]) -> Vec<Option<Tensor>> {
    let mut graph = Graph::new();
    let mut feed = inputs.to_vec();
    feed.extend_from_slice(weights);
    let values: Vec<_> =
        feed.iter().enumerate().map(|(index, tensor)| graph.input(index, tensor.tensor_type())).collect();
    let (values, doutputs) = values.split_at(inputs.len());
    let op: OpRef = Arc::new(layer.clone());
    let outputs = graph.apply(op.clone(), values).unwrap();
    let mut doutputs: Vec<_> = doutputs.iter().copied().map(Some).collect();
    doutputs.resize(outputs.len(), None);
    let node = crate::graph::Differentiated {
        inputs: values,
        outputs: &outputs,
        doutputs: &doutputs,
        wanted: &vec![true; values.len()],
    };
    let dinputs = op.gradient(&node, &mut graph).unwrap();
    let wanted: Vec<_> = dinputs.iter().flatten().copied().collect();
    let mut known = evaluate(&graph, &feed, &wanted).unwrap().into_iter();
    dinputs.iter().map(|dinput| dinput.and_then(|_| known.next())).collect()
}

/// Row `row` of a batch, alone.
fn row_of(tensor: &Tensor, row: usize) -> Tensor {
    fn one<T: Clone>(array: &ArrayD<T>, row: usize) -> ArrayD<T> {
        array.slice_axis(ndarray::Axis(0), (row..row + 1).into()).as_standard_layout().into_owned()
    }
    match tensor {
        Tensor::F64(array) => Tensor::F64(one(array, row)),
        Tensor::Bool(array) => Tensor::Bool(one(array, row)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn gradients_of_a_batch_are_those_of_its_rows() {
    // Finite differences reach one shard and one block; this reaches several of both.
    let (batch, steps, features, units) = (19, 41, 5, 37);
    for layer in layers() {
        let inputs = inputs(&layer, batch, steps, features, units);
        let weights: Vec<Tensor> = run(&(Arc::new(layer.clone()) as OpRef), &inputs).unwrap()
            [..results(&layer).len()]
            .iter()
            .enumerate()
            .map(|(index, result)| uniform(result.shape(), 40 + index as u64, -1.0, 1.0))
            .collect();
        let together = gradients(&layer, &inputs, &weights);
        let mut sums: Vec<Vec<f64>> = vec![Vec::new(); inputs.len()];
        for row in 0..batch {
            let alone: Vec<Tensor> = inputs
                .iter()
                .enumerate()
                .map(
                    |(index, input)| if (1..4).contains(&index) { input.clone() } else { row_of(input, row) },
                )
                .collect();
            let weights: Vec<Tensor> = weights.iter().map(|weight| row_of(weight, row)).collect();
            for (index, gradient) in gradients(&layer, &alone, &weights).into_iter().enumerate() {
                let Some(gradient) = gradient.map(|gradient| elements(&gradient)) else { continue };
                if !(1..4).contains(&index) {
                    sums[index].extend(gradient);
                } else if row == 0 {
                    sums[index] = gradient;
                } else {
                    sums[index].iter_mut().zip(gradient).for_each(|(sum, gradient)| *sum += gradient);
                }
            }
        }
        for (index, (together, sum)) in together.iter().zip(&sums).enumerate() {
            let together = together.as_ref().map_or(vec![], elements);
            assert_close(&together, sum, 1e-10, &format!("{layer:?}: gradient of input {index}"));
        }
    }
}

#[test]
fn results_are_the_same_bits_at_any_number_of_threads() {
    for layer in layers() {
        let inputs = inputs(&layer, 40, 30, 16, 32);
        let weights: Vec<Tensor> = run(&(Arc::new(layer.clone()) as OpRef), &inputs).unwrap()
            [..results(&layer).len()]
            .iter()
            .map(|result| uniform(result.shape(), 50, -1.0, 1.0))
            .collect();
        let with_threads = |threads| {
            set_num_threads(threads);
            (
                run(&(Arc::new(layer.clone()) as OpRef), &inputs).unwrap()[..2].to_vec(),
                gradients(&layer, &inputs, &weights),
            )
        };
        assert_eq!(with_threads(1), with_threads(3), "{layer:?}");
    }
}

fn attributes(entries: &[(&str, Attribute)]) -> Attributes {
    Attributes::new(entries.iter().map(|(name, value)| ((*name).to_string(), value.clone())))
}

fn lstm_attributes() -> Vec<(&'static str, Attribute)> {
    vec![
        ("activation", Attribute::String("tanh".into())),
        ("recurrent_activation", Attribute::String("sigmoid".into())),
        ("go_backwards", Attribute::Bool(false)),
        ("training", Attribute::Bool(false)),
        ("has_mask", Attribute::Bool(false)),
        ("recurrent_dropout", Attribute::Float(0.0)),
    ]
}

#[test]
fn wrong_shapes_are_named() {
    let op = build(Kind::Lstm, &attributes(&lstm_attributes())).unwrap();
    let float = |shape: &[usize]| TensorType::new(DType::F32, shape);
    let right =
        [float(&[2, 3, 4]), float(&[4, 20]), float(&[5, 20]), float(&[20]), float(&[2, 5]), float(&[2, 5])];
    let types: Vec<&TensorType> = right.iter().collect();
    assert_eq!(op.output_types(&types).unwrap(), [float(&[2, 3, 5]), float(&[2, 5]), float(&[2, 5])]);
    let cases = [
        (1, float(&[3, 20]), "expected kernel to be float32[4, 20]. Received: kernel=float32[3, 20]"),
        (3, float(&[2, 20]), "expected bias to be float32[20]. Received: bias=float32[2, 20]"),
        (5, float(&[2, 4]), "expected c0 to be float32[2, 5]. Received: c0=float32[2, 4]"),
        (0, float(&[2, 0, 4]), "expected at least one timestep and one unit."),
        (0, float(&[2, 4]), "expected x (batch, timesteps, features)"),
    ];
    for (index, wrong, message) in cases {
        let mut types = types.clone();
        types[index] = &wrong;
        let error = op.output_types(&types).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let error = op.output_types(&types[..5]).unwrap_err().to_string();
    assert!(error.starts_with("expected 6 inputs: x, kernel, recurrent_kernel, bias, h0, c0."), "{error}");
}

#[test]
fn wrong_attributes_are_named() {
    let mut entries = lstm_attributes();
    entries[5].1 = Attribute::Float(1.0);
    let error = build(Kind::Lstm, &attributes(&entries)).unwrap_err().to_string();
    assert!(error.ends_with("Received: recurrent_dropout=1"), "{error}");
}
