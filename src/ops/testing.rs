//! For tests of ops: a plain evaluator that runs a graph node by node, and the check of gradient rules against finite
//! differences.

use ndarray::{ArrayD, IxDyn};

use crate::error::Result;
use crate::graph::{Call, Differentiated, Graph, Node, OpRef, Source, TensorView, TensorViewMut, Value};
use crate::kernels::elementwise::Instruction;
use crate::kernels::elementwise::reference::{self, Scalar};
use crate::tensor::{Element, Tensor, TensorType};
use crate::with_array;

/// A float64 tensor whose element `i`, in row-major order, is `element(i)`.
pub fn tensor(shape: &[usize], element: impl FnMut(usize) -> f64) -> Tensor {
    let size = shape.iter().product();
    Tensor::F64(ArrayD::from_shape_vec(IxDyn(shape), (0..size).map(element).collect()).unwrap())
}

/// Uniform float64 numbers in `low..high`, the same ones for the same seed.
pub fn uniform(shape: &[usize], seed: u64, low: f64, high: f64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF1;
    tensor(shape, |_| {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        low + (high - low) * ((z >> 11) as f64 / (1u64 << 53) as f64)
    })
}

pub fn ints(shape: &[usize], elements: &[i32]) -> Tensor {
    Tensor::I32(ArrayD::from_shape_vec(IxDyn(shape), elements.to_vec()).unwrap())
}

pub fn bools(shape: &[usize], elements: &[bool]) -> Tensor {
    let bytes = elements.iter().map(|&element| u8::from(element)).collect();
    Tensor::Bool(ArrayD::from_shape_vec(IxDyn(shape), bytes).unwrap())
}

/// The elements in row-major order, as f64.
pub fn elements(tensor: &Tensor) -> Vec<f64> {
    (0..tensor.tensor_type().size()).map(|index| scalar_at(tensor, index).to_f64()).collect()
}

/// Runs one op on concrete inputs.
pub fn run(op: &OpRef, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut graph = Graph::new();
    let values = declare(&mut graph, inputs);
    let outputs = graph.apply(op.clone(), &values)?;
    evaluate(&graph, inputs, &outputs)
}

/// The values of `wanted` where input `n` of the graph is `feed[n]`: every node runs on its own, unfused.
pub fn evaluate(graph: &Graph, feed: &[Tensor], wanted: &[Value]) -> Result<Vec<Tensor>> {
    let mut known: Vec<Option<Tensor>> = vec![None; graph.value_count()];
    for (index, slot) in known.iter_mut().enumerate() {
        *slot = match graph.source(Value(index as u32)) {
            Source::Input(n) => Some(feed[*n].clone()),
            Source::Constant(tensor) => Some(tensor.as_ref().clone()),
            Source::Variable(_) => panic!("the test evaluator knows no variables"),
            Source::Output { .. } => None,
        };
    }
    for node in graph.nodes() {
        let inputs: Vec<&Tensor> =
            node.inputs.iter().map(|value| known[value.0 as usize].as_ref().unwrap()).collect();
        let outputs = run_node(graph, node, &inputs)?;
        for (value, output) in node.outputs.iter().zip(outputs) {
            known[value.0 as usize] = Some(output);
        }
    }
    Ok(wanted.iter().map(|value| known[value.0 as usize].clone().unwrap()).collect())
}

/// Checks the gradient rule of `op` for all its inputs at the point `inputs`, with respect to all its float outputs.
pub fn check_gradient(op: &OpRef, inputs: &[Tensor]) {
    check_gradient_of(op, inputs, None);
}

/// [`check_gradient`] with respect to some outputs only: the others have no gradient.
pub fn check_gradient_of_outputs(op: &OpRef, inputs: &[Tensor], outputs: &[usize]) {
    check_gradient_of(op, inputs, Some(outputs));
}

/// The loss is Σ weight·output, so that d loss / d output is the weight. float64 central differences, to 1e-6.
fn check_gradient_of(op: &OpRef, inputs: &[Tensor], differentiable: Option<&[usize]>) {
    let mut graph = Graph::new();
    let values = declare(&mut graph, inputs);
    let outputs = graph.apply(op.clone(), &values).expect("the inputs fit the op");
    let mut feed = inputs.to_vec();
    let mut doutputs = Vec::new();
    for (index, &output) in outputs.iter().enumerate() {
        let ty = graph.ty(output).clone();
        let has_gradient = match differentiable {
            Some(list) => list.contains(&index),
            None => ty.dtype.is_float(),
        };
        doutputs.push(has_gradient.then(|| graph.input(feed.len(), ty.clone())));
        if has_gradient {
            feed.push(uniform(&ty.shape, 77 + index as u64, -1.0, 1.0));
        }
    }
    assert!(doutputs.iter().any(Option::is_some), "{}: no float output", op.name());

    let gradient = |graph: &mut Graph, wanted: &[bool]| {
        let node = Differentiated { inputs: &values, outputs: &outputs, doutputs: &doutputs, wanted };
        op.gradient(&node, graph).expect("the gradient rule builds")
    };
    let dinputs = gradient(&mut graph, &vec![true; inputs.len()]);
    assert_eq!(dinputs.len(), inputs.len(), "{}: one gradient an input", op.name());

    let loss = |feed: &[Tensor]| -> f64 {
        let mut forward = Graph::new();
        let values = declare(&mut forward, &feed[..inputs.len()]);
        let outputs = forward.apply(op.clone(), &values).unwrap();
        let outputs = evaluate(&forward, &feed[..inputs.len()], &outputs).unwrap();
        let mut weights = feed[inputs.len()..].iter();
        outputs
            .iter()
            .zip(&doutputs)
            .filter(|(_, doutput)| doutput.is_some())
            .map(|(output, _)| {
                let weights = elements(weights.next().unwrap());
                elements(output).iter().zip(weights).map(|(y, w)| y * w).sum::<f64>()
            })
            .sum()
    };

    for (index, input) in inputs.iter().enumerate() {
        if !input.dtype().is_float() {
            assert_eq!(dinputs[index], None, "{}: input {index} is no float", op.name());
            continue;
        }
        let analytic = match dinputs[index] {
            Some(dinput) => {
                assert_eq!(
                    graph.ty(dinput),
                    graph.ty(values[index]),
                    "{}: type of dinput {index}",
                    op.name()
                );
                elements(&evaluate(&graph, &feed, &[dinput]).unwrap()[0])
            }
            None => vec![0.0; input.tensor_type().size()],
        };
        // Asking for this gradient alone gives the same.
        let wanted: Vec<bool> = (0..inputs.len()).map(|other| other == index).collect();
        let alone = gradient(&mut graph, &wanted)[index];
        assert_eq!(alone.is_some(), dinputs[index].is_some(), "{}: wanted input {index}", op.name());
        if let Some(alone) = alone {
            assert_eq!(elements(&evaluate(&graph, &feed, &[alone]).unwrap()[0]), analytic);
        }
        for (element, &analytic) in analytic.iter().enumerate() {
            let Tensor::F64(array) = input else { panic!("gradients are checked in float64") };
            let mut shifted = |offset: f64| {
                let mut array = array.clone();
                array.as_slice_mut().unwrap()[element] += offset;
                feed[index] = Tensor::F64(array);
                loss(&feed)
            };
            let step = 1e-5;
            let numeric = (shifted(step) - shifted(-step)) / (2.0 * step);
            feed[index] = input.clone();
            assert!(
                (numeric - analytic).abs() <= 1e-6 * (1.0 + numeric.abs()),
                "{op:?}: d loss / d input {index} [{element}]: the rule gives {analytic}, finite differences {numeric}"
            );
        }
    }
}

fn declare(graph: &mut Graph, inputs: &[Tensor]) -> Vec<Value> {
    inputs.iter().enumerate().map(|(index, input)| graph.input(index, input.tensor_type())).collect()
}

fn run_node(graph: &Graph, node: &Node, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let input_types: Vec<TensorType> = inputs.iter().map(|input| input.tensor_type()).collect();
    let input_types: Vec<&TensorType> = input_types.iter().collect();
    let output_types: Vec<&TensorType> = node.outputs.iter().map(|&output| graph.ty(output)).collect();
    if let Some(instruction) = node.op.instruction(&input_types) {
        return Ok(vec![run_instruction(instruction, inputs, output_types[0])]);
    }
    if node.op.is_view() {
        return Ok(vec![reshaped(inputs[0], &output_types[0].shape)]);
    }
    let mut outputs: Vec<Tensor> = output_types.iter().map(|ty| poisoned(ty)).collect();
    let bytes = node.op.workspace_bytes(&input_types, &output_types);
    // Aligned as an arena would align it.
    #[derive(Clone)]
    #[repr(align(64))]
    struct Line {
        _bytes: [u8; 64],
    }
    let mut workspace = vec![Line { _bytes: [0xFF; 64] }; bytes.div_ceil(64)];
    // SAFETY: the lines are contiguous bytes, `bytes` of them at least.
    let workspace = unsafe { std::slice::from_raw_parts_mut(workspace.as_mut_ptr().cast::<u8>(), bytes) };
    let input_views: Vec<TensorView<'_>> = inputs
        .iter()
        .zip(&input_types)
        // SAFETY: the tensor is a standard-layout array of this type, borrowed for the whole run.
        .map(|(input, ty)| unsafe {
            TensorView::new(with_array!(input, array => array.as_slice().unwrap().as_ptr().cast()), ty)
        })
        .collect();
    let mut output_views: Vec<TensorViewMut<'_>> = outputs
        .iter_mut()
        .zip(&output_types)
        // SAFETY: as above, and each output is a tensor of its own.
        .map(|(output, ty)| unsafe {
            TensorViewMut::new(
                with_array!(output, array => array.as_slice_mut().unwrap().as_mut_ptr().cast()),
                ty,
            )
        })
        .collect();
    let mut call =
        Call { inputs: &input_views, outputs: &mut output_views, workspace, epilogue: None, prefetch: None };
    node.op.run(&mut call)?;
    Ok(outputs)
}

/// Memory as an op finds it: not cleared.
fn poisoned(ty: &TensorType) -> Tensor {
    let mut tensor = Tensor::zeros(ty);
    match &mut tensor {
        Tensor::F32(array) => array.fill(f32::NAN),
        Tensor::F64(array) => array.fill(f64::NAN),
        Tensor::I32(array) => array.fill(i32::MIN),
        Tensor::Bool(array) => array.fill(0xFF),
    }
    tensor
}

fn reshaped(tensor: &Tensor, shape: &[usize]) -> Tensor {
    fn reshape<T: Element>(array: &ArrayD<T>, shape: &[usize]) -> ArrayD<T> {
        array.to_shape(IxDyn(shape)).unwrap().into_owned()
    }
    match tensor {
        Tensor::F32(array) => Tensor::F32(reshape(array, shape)),
        Tensor::F64(array) => Tensor::F64(reshape(array, shape)),
        Tensor::I32(array) => Tensor::I32(reshape(array, shape)),
        Tensor::Bool(array) => Tensor::Bool(reshape(array, shape)),
    }
}

fn run_instruction(instruction: Instruction, inputs: &[&Tensor], ty: &TensorType) -> Tensor {
    let scalars: Vec<Scalar> = (0..ty.size())
        .map(|flat| {
            let operands: Vec<Scalar> = inputs
                .iter()
                .map(|input| scalar_at(input, broadcast_index(flat, &ty.shape, input.shape())))
                .collect();
            reference::evaluate(instruction, &operands)
        })
        .collect();
    assert!(
        scalars.iter().all(|scalar| scalar.dtype() == ty.dtype),
        "{instruction:?} gives {}",
        ty.dtype.name()
    );
    from_scalars(ty, &scalars)
}

/// The flat index in an operand of `shape` that belongs to the flat index in the broadcast `output_shape`.
fn broadcast_index(mut flat: usize, output_shape: &[usize], shape: &[usize]) -> usize {
    let mut index = 0;
    let mut stride = 1;
    for axis in 1..=output_shape.len() {
        let extent = output_shape[output_shape.len() - axis];
        if axis <= shape.len() {
            let own = shape[shape.len() - axis];
            index += if own == 1 { 0 } else { flat % extent * stride };
            stride *= own;
        }
        flat /= extent;
    }
    index
}

fn scalar_at(tensor: &Tensor, index: usize) -> Scalar {
    match tensor {
        Tensor::F32(array) => Scalar::F32(array.as_slice().unwrap()[index]),
        Tensor::F64(array) => Scalar::F64(array.as_slice().unwrap()[index]),
        Tensor::I32(array) => Scalar::I32(array.as_slice().unwrap()[index]),
        Tensor::Bool(array) => Scalar::Bool(array.as_slice().unwrap()[index] != 0),
    }
}

fn from_scalars(ty: &TensorType, scalars: &[Scalar]) -> Tensor {
    let mut tensor = Tensor::zeros(ty);
    for (index, &scalar) in scalars.iter().enumerate() {
        match (&mut tensor, scalar) {
            (Tensor::F32(array), Scalar::F32(value)) => array.as_slice_mut().unwrap()[index] = value,
            (Tensor::F64(array), Scalar::F64(value)) => array.as_slice_mut().unwrap()[index] = value,
            (Tensor::I32(array), Scalar::I32(value)) => array.as_slice_mut().unwrap()[index] = value,
            (Tensor::Bool(array), Scalar::Bool(value)) => {
                array.as_slice_mut().unwrap()[index] = u8::from(value)
            }
            _ => unreachable!("the scalars are of type {}", ty.dtype.name()),
        }
    }
    tensor
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;
    use crate::graph::Op;

    /// y = factor·x, with a wrong gradient where `wrong`.
    #[derive(Debug)]
    struct Scale {
        factor: f64,
        wrong: bool,
    }

    impl Op for Scale {
        fn name(&self) -> &'static str {
            "scale"
        }

        fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
            Ok(vec![inputs[0].clone()])
        }

        fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
            let factor = if self.wrong { self.factor + 1e-5 } else { self.factor };
            let op: OpRef = Arc::new(Self { factor, wrong: false });
            Ok(vec![Some(graph.apply1(op, &[node.doutput()])?)])
        }

        fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
            inputs[0].bytes()
        }

        fn run(&self, call: &mut Call<'_>) -> Result<()> {
            if call.workspace.len() != call.inputs[0].tensor_type().bytes() {
                return Err(Error::Internal("workspace".into()));
            }
            let input = call.input::<f64>(0);
            for (y, x) in call.output::<f64>(0).iter_mut().zip(input) {
                *y = self.factor * x;
            }
            Ok(())
        }
    }

    #[test]
    fn a_right_gradient_passes() {
        let op: OpRef = Arc::new(Scale { factor: 3.0, wrong: false });
        check_gradient(&op, &[uniform(&[2, 3], 1, -1.0, 1.0)]);
        assert_eq!(elements(&run(&op, &[tensor(&[2], |i| i as f64)]).unwrap()[0]), [0.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "finite differences")]
    fn a_wrong_gradient_fails() {
        let op: OpRef = Arc::new(Scale { factor: 3.0, wrong: true });
        check_gradient(&op, &[uniform(&[2, 3], 1, -1.0, 1.0)]);
    }
}
