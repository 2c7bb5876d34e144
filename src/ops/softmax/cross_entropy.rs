//! Cross-entropies of logits.

use std::sync::Arc;

use super::normalized::log_softmax;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::softmax as kernel;
use crate::ops::check::{FLOATS, expect_dtype, expect_inputs};
use crate::ops::elementwise::{multiply, negative};
use crate::ops::shape::reshape;
use crate::tensor::{DType, TensorType};
use crate::with_float;

/// logits (…, K), target (…, K) → loss (…) = −Σ target · log softmax(logits).
#[derive(Debug)]
pub(super) struct CrossEntropy;

impl CrossEntropy {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&[])?;
        Ok(Arc::new(Self))
    }
}

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [logits, target] = expect_inputs(self, inputs)?;
        let loss = loss_type(self, logits)?;
        if target != logits {
            return Err(Error::Shape(format!(
                "softmax_cross_entropy expects a target of the type of the logits. Received: logits={logits}, \
                 target={target}"
            )));
        }
        Ok(vec![loss])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let &[logits, target] = node.inputs else { unreachable!("the shape rule checks the inputs") };
        let dloss = node.doutput();
        let dlogits = match node.wanted[0] {
            true => Some(graph.apply1(Arc::new(CrossEntropyBackward), &[logits, target, dloss])?),
            false => None,
        };
        let dtarget = match node.wanted[1] {
            true => {
                let log_p = log_softmax(graph, logits)?;
                let mut shape = graph.shape(dloss).to_vec();
                shape.push(1);
                let dloss = reshape(graph, dloss, &shape)?;
                let dtarget = multiply(graph, log_p, dloss)?;
                Some(negative(graph, dtarget)?)
            }
            false => None,
        };
        Ok(vec![dlogits, dtarget])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let classes = classes(call);
        with_float!(call.inputs[0].dtype(), T => {
            let (logits, target) = (call.input::<T>(0), call.input::<T>(1));
            kernel::cross_entropy(call.output::<T>(0), logits, target, classes);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        6 * inputs[0].size() as u64
    }
}

/// logits (…, K), target (…, K), dloss (…) → dlogits (…, K).
#[derive(Debug)]
struct CrossEntropyBackward;

impl Op for CrossEntropyBackward {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy_backward"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [logits, _, _] = expect_inputs(self, inputs)?;
        Ok(vec![logits.clone()])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let classes = classes(call);
        with_float!(call.inputs[0].dtype(), T => {
            let (logits, target, dloss) = (call.input::<T>(0), call.input::<T>(1), call.input::<T>(2));
            kernel::cross_entropy_backward(call.output::<T>(0), logits, target, dloss, classes);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        7 * inputs[0].size() as u64
    }
}

/// logits (…, K), labels int32 (…) in 0..K → loss (…) = −log softmax(logits)[label].
#[derive(Debug)]
pub(super) struct SparseCrossEntropy;

impl SparseCrossEntropy {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&[])?;
        Ok(Arc::new(Self))
    }
}

impl Op for SparseCrossEntropy {
    fn name(&self) -> &'static str {
        "sparse_softmax_cross_entropy"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [logits, labels] = expect_inputs(self, inputs)?;
        let loss = loss_type(self, logits)?;
        expect_dtype(self, "labels", labels, &[DType::I32])?;
        if labels.shape != loss.shape {
            return Err(Error::Shape(format!(
                "sparse_softmax_cross_entropy expects one label for each row of logits. Received: logits={logits}, \
                 labels={labels}"
            )));
        }
        Ok(vec![loss])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let inputs = [node.inputs[0], node.inputs[1], node.doutput()];
        Ok(vec![Some(graph.apply1(Arc::new(SparseCrossEntropyBackward), &inputs)?), None])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let classes = classes(call);
        let labels = checked_labels(call, classes)?;
        with_float!(call.inputs[0].dtype(), T => {
            let logits = call.input::<T>(0);
            kernel::sparse_cross_entropy(call.output::<T>(0), logits, labels, classes);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        4 * inputs[0].size() as u64
    }
}

/// logits (…, K), labels int32 (…), dloss (…) → dlogits (…, K).
#[derive(Debug)]
struct SparseCrossEntropyBackward;

impl Op for SparseCrossEntropyBackward {
    fn name(&self) -> &'static str {
        "sparse_softmax_cross_entropy_backward"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [logits, _, _] = expect_inputs(self, inputs)?;
        Ok(vec![logits.clone()])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let classes = classes(call);
        let labels = checked_labels(call, classes)?;
        with_float!(call.inputs[0].dtype(), T => {
            let (logits, dloss) = (call.input::<T>(0), call.input::<T>(2));
            kernel::sparse_cross_entropy_backward(call.output::<T>(0), logits, labels, dloss, classes);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        5 * inputs[0].size() as u64
    }
}

/// One number for each row of logits (…, K).
fn loss_type(op: &dyn Op, logits: &TensorType) -> Result<TensorType> {
    expect_dtype(op, "logits", logits, FLOATS)?;
    match logits.shape.split_last() {
        Some((&classes, rows)) if classes > 0 => Ok(TensorType::new(logits.dtype, rows)),
        _ => Err(Error::Shape(format!(
            "{} expects logits of shape (…, classes) with one class or more. Received: logits={logits}",
            op.name()
        ))),
    }
}

fn classes(call: &Call<'_>) -> usize {
    *call.inputs[0].shape().last().expect("the shape rule refuses scalars")
}

fn checked_labels<'a>(call: &Call<'a>, classes: usize) -> Result<&'a [i32]> {
    let labels = call.input::<i32>(1);
    match labels.iter().position(|&label| usize::try_from(label).map_or(true, |label| label >= classes)) {
        None => Ok(labels),
        Some(row) => {
            let label = labels[row];
            Err(Error::Data(format!("label {label} at row {row}; output has {classes} classes")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_gradient, elements, ints, run, tensor, uniform};
    use crate::tensor::Tensor;

    fn sparse() -> OpRef {
        Arc::new(SparseCrossEntropy)
    }

    fn dense() -> OpRef {
        Arc::new(CrossEntropy)
    }

    fn to_f32(x: &Tensor) -> Tensor {
        let Tensor::F64(x) = x else { panic!("a float64 tensor") };
        Tensor::F32(x.mapv(|x| x as f32))
    }

    /// −log softmax(logits)[label] for each row.
    fn reference(logits: &[f64], labels: &[i32], classes: usize) -> Vec<f64> {
        let rows = logits.chunks(classes).zip(labels);
        rows.map(|(x, &label)| x.iter().map(|x| x.exp()).sum::<f64>().ln() - x[label as usize]).collect()
    }

    #[test]
    fn losses_agree_with_the_definition() {
        for classes in [1, 2, 3, 10, 16, 17, 100] {
            let rows = 40;
            let x = uniform(&[rows, classes], classes as u64, -3.0, 3.0);
            let labels: Vec<i32> = (0..rows).map(|row| (row * 7 % classes) as i32).collect();
            let expected = reference(&elements(&x), &labels, classes);
            let one_hot = tensor(&[rows, classes], |at| {
                f64::from(u8::from(labels[at / classes] as usize == at % classes))
            });
            let labels = ints(&[rows], &labels);
            for (name, tolerance, x, one_hot) in
                [("f64", 1e-13, x.clone(), one_hot.clone()), ("f32", 3e-6, to_f32(&x), to_f32(&one_hot))]
            {
                let from_labels = run(&sparse(), &[x.clone(), labels.clone()]).unwrap().remove(0);
                let from_target = run(&dense(), &[x, one_hot]).unwrap().remove(0);
                for loss in [from_labels, from_target] {
                    for (loss, expected) in elements(&loss).iter().zip(&expected) {
                        assert!((loss - expected).abs() < tolerance, "{name} {classes}: {loss} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn gradients() {
        let logits = uniform(&[2, 3, 5], 1, -2.0, 2.0);
        check_gradient(&sparse(), &[logits.clone(), ints(&[2, 3], &[0, 4, 2, 2, 1, 3])]);
        // Targets need not sum to one.
        check_gradient(&dense(), &[logits, uniform(&[2, 3, 5], 2, 0.0, 1.0)]);
        check_gradient(&sparse(), &[uniform(&[3, 40], 1, -2.0, 2.0), ints(&[3], &[39, 0, 20])]);
        check_gradient(&dense(), &[uniform(&[2, 20], 1, -2.0, 2.0), uniform(&[2, 20], 2, 0.0, 0.1)]);
    }

    #[test]
    fn float32_gradients_agree_with_float64() {
        let (logits, labels) = (uniform(&[30, 13], 1, -4.0, 4.0), ints(&[30], &[12; 30]));
        let dloss = uniform(&[30], 2, -1.0, 1.0);
        let op: OpRef = Arc::new(SparseCrossEntropyBackward);
        let exact = run(&op, &[logits.clone(), labels.clone(), dloss.clone()]).unwrap().remove(0);
        let rounded = run(&op, &[to_f32(&logits), labels, to_f32(&dloss)]).unwrap().remove(0);
        for (exact, rounded) in elements(&exact).iter().zip(elements(&rounded)) {
            assert!((exact - rounded).abs() < 1e-6, "{exact} {rounded}");
        }
    }

    #[test]
    fn labels_out_of_range_are_named() {
        let logits = uniform(&[2, 3], 1, -1.0, 1.0);
        for (labels, message) in [
            ([7, 0], "label 7 at row 0; output has 3 classes"),
            ([0, -1], "label -1 at row 1; output has 3 classes"),
            ([2, 3], "label 3 at row 1; output has 3 classes"),
        ] {
            let error = run(&sparse(), &[logits.clone(), ints(&[2], &labels)]).unwrap_err();
            assert_eq!(error, Error::Data(message.into()));
        }
    }

    #[test]
    fn types_that_do_not_fit_are_refused() {
        let logits = TensorType::new(DType::F32, [2, 3]);
        for labels in [TensorType::new(DType::F32, [2]), TensorType::new(DType::I32, [3])] {
            assert!(SparseCrossEntropy.output_types(&[&logits, &labels]).is_err());
        }
        assert!(CrossEntropy.output_types(&[&logits, &TensorType::new(DType::F32, [2, 1])]).is_err());
        let empty = TensorType::new(DType::F32, [2, 0]);
        assert!(CrossEntropy.output_types(&[&empty, &empty]).is_err());
    }
}
