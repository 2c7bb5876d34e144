//! Batch normalisation in its training form: with the statistics of the batch.

use std::sync::Arc;

use super::{check_inputs, rows_and_columns};
use crate::error::Result;
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::normalize::batch as kernel;
use crate::kernels::parallel::elements_of;
use crate::ops::check::expect_inputs;
use crate::ops::elementwise::{add, multiply, scalar_like, subtract};
use crate::tensor::TensorType;
use crate::with_float;

/// x (…, C), gamma (C), beta (C) → y (…, C), mean (C), variance (C): y = (x − mean) · gamma / √(variance + epsilon)
/// + beta, with the mean and the biased variance over all axes but the last.
#[derive(Debug)]
pub(super) struct BatchNormalize {
    epsilon: f64,
}
attributes!(BatchNormalize { epsilon });

impl BatchNormalize {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for BatchNormalize {
    fn name(&self) -> &'static str {
        "batch_normalize"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x, gamma, beta] = expect_inputs(self, inputs)?;
        check_inputs(self, x, gamma, beta)?;
        Ok(vec![x.clone(), gamma.clone(), gamma.clone()])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let &[x, gamma, _] = node.inputs else { unreachable!("the shape rule checks the inputs") };
        let &[_, mean, variance] = node.outputs else { unreachable!("the op has three outputs") };
        let mut gradients = vec![None; 3];
        if let Some(dy) = node.doutputs[0] {
            let op = BatchNormalizeBackward { epsilon: self.epsilon };
            let outputs = graph.apply(Arc::new(op), &[x, gamma, mean, variance, dy])?;
            gradients = outputs.into_iter().map(Some).collect();
        }
        // d mean / dx = 1 / rows, d variance / dx = 2 (x − mean) / rows.
        let (rows, _) = rows_and_columns(graph.ty(x));
        if let Some(dmean) = node.doutputs[1] {
            let share = scalar_like(graph, x, 1.0 / rows as f64);
            let term = multiply(graph, dmean, share)?;
            gradients[0] = Some(add_to(graph, gradients[0], term, x)?);
        }
        if let Some(dvariance) = node.doutputs[2] {
            let share = scalar_like(graph, x, 2.0 / rows as f64);
            let weight = multiply(graph, dvariance, share)?;
            let centered = subtract(graph, x, mean)?;
            let term = multiply(graph, centered, weight)?;
            gradients[0] = Some(add_to(graph, gradients[0], term, x)?);
        }
        Ok(gradients)
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        let (rows, columns) = rows_and_columns(inputs[0]);
        kernel::workspace(rows, columns) * size_of::<f64>()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let workspace = elements_of::<f64>(call.workspace);
        let [y, mean, variance] = call.outputs else { unreachable!("the op has three outputs") };
        with_float!(call.inputs[0].dtype(), T => {
            let [x, gamma, beta] = std::array::from_fn(|index| call.inputs[index].slice::<T>());
            let (mean, variance) = (mean.slice::<T>(), variance.slice::<T>());
            kernel::moments(mean, variance, x, workspace);
            kernel::apply(y.slice(), x, mean, variance, gamma, beta, self.epsilon as T);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        7 * inputs[0].size() as u64
    }
}

/// `term`, broadcast to the shape of x, added to what there is.
fn add_to(graph: &mut Graph, sum: Option<Value>, term: Value, x: Value) -> Result<Value> {
    match sum {
        Some(sum) => add(graph, sum, term),
        None => {
            let shape = graph.shape(x).to_vec();
            crate::ops::shape::broadcast_to(graph, term, &shape)
        }
    }
}

/// x (…, C), gamma (C), mean (C), variance (C), dy (…, C) → dx (…, C), dgamma (C), dbeta (C).
#[derive(Debug)]
struct BatchNormalizeBackward {
    epsilon: f64,
}
attributes!(listed BatchNormalizeBackward { epsilon });

impl Op for BatchNormalizeBackward {
    fn name(&self) -> &'static str {
        "batch_normalize_backward"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x, gamma, _, _, _] = expect_inputs(self, inputs)?;
        Ok(vec![x.clone(), gamma.clone(), gamma.clone()])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        let (rows, columns) = rows_and_columns(inputs[0]);
        kernel::workspace(rows, columns) * size_of::<f64>()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let workspace = elements_of::<f64>(call.workspace);
        let [dx, dgamma, dbeta] = call.outputs else { unreachable!("the op has three outputs") };
        with_float!(call.inputs[0].dtype(), T => {
            let [x, gamma, mean, variance, dy] = std::array::from_fn(|index| call.inputs[index].slice::<T>());
            let saved = kernel::Saved { x, gamma, mean, variance, epsilon: self.epsilon as T };
            kernel::backward(dx.slice(), dgamma.slice(), dbeta.slice(), dy, saved, workspace);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        9 * inputs[0].size() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_gradient, check_gradient_of_outputs, elements, run, tensor, uniform};
    use crate::tensor::{DType, Tensor};

    fn op() -> OpRef {
        Arc::new(BatchNormalize { epsilon: 1e-3 })
    }

    fn to_f32(x: &Tensor) -> Tensor {
        let Tensor::F64(x) = x else { panic!("a float64 tensor") };
        Tensor::F32(x.mapv(|x| x as f32))
    }

    fn reference(x: &[f64], gamma: &[f64], beta: &[f64]) -> [Vec<f64>; 3] {
        let (rows, columns) = (x.len() / gamma.len(), gamma.len());
        let column = |column: usize| (0..rows).map(move |row| x[row * columns + column]);
        let mean: Vec<f64> = (0..columns).map(|at| column(at).sum::<f64>() / rows as f64).collect();
        let variance: Vec<f64> = (0..columns)
            .map(|at| column(at).map(|x| (x - mean[at]).powi(2)).sum::<f64>() / rows as f64)
            .collect();
        let y = (0..x.len())
            .map(|at| (x[at] - mean[at % columns], at % columns))
            .map(|(centered, at)| centered / (variance[at] + 1e-3).sqrt() * gamma[at] + beta[at])
            .collect();
        [y, mean, variance]
    }

    #[test]
    fn agrees_with_the_definition() {
        for (rows, columns) in [(1, 1), (3, 5), (64, 32), (65, 33), (1000, 3), (700, 100), (40_000, 7)] {
            let x = uniform(&[rows, columns], 1, -1.0, 3.0);
            let (gamma, beta) = (uniform(&[columns], 2, 0.5, 1.5), uniform(&[columns], 3, -1.0, 1.0));
            let expected = reference(&elements(&x), &elements(&gamma), &elements(&beta));
            let exact = run(&op(), &[x.clone(), gamma.clone(), beta.clone()]).unwrap();
            let rounded = run(&op(), &[to_f32(&x), to_f32(&gamma), to_f32(&beta)]).unwrap();
            for (outputs, tolerance) in [(exact, 1e-12), (rounded, 3e-6)] {
                for (output, expected) in outputs.iter().zip(&expected) {
                    for (found, expected) in elements(output).iter().zip(expected) {
                        assert!((found - expected).abs() < tolerance, "{rows}x{columns}: {found} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_large_mean_takes_nothing_from_a_small_variance() {
        let rows = 100_000;
        // Exact in float32: 4096 ± 2⁻⁸, so that the variance is 2⁻¹⁶.
        let x = tensor(&[rows, 2], |at| 4096.0 + if (at / 2) % 2 == 0 { 1.0 } else { -1.0 } / 256.0);
        let ones = tensor(&[2], |_| 1.0);
        let outputs = run(&op(), &[to_f32(&x), to_f32(&ones), to_f32(&ones)]).unwrap();
        for (mean, variance) in elements(&outputs[1]).iter().zip(elements(&outputs[2])) {
            assert_eq!(*mean, 4096.0);
            assert!((variance * 65536.0 - 1.0).abs() < 1e-6, "{variance}");
        }
    }

    #[test]
    fn gradients() {
        let inputs =
            [uniform(&[2, 4, 3], 1, -1.0, 1.0), uniform(&[3], 2, 0.5, 1.5), uniform(&[3], 3, -1.0, 1.0)];
        check_gradient(&op(), &inputs);
        for output in 0..3 {
            check_gradient_of_outputs(&op(), &inputs, &[output]);
        }
        let wide =
            [uniform(&[5, 40], 1, -1.0, 1.0), uniform(&[40], 2, 0.5, 1.5), uniform(&[40], 3, -1.0, 1.0)];
        check_gradient_of_outputs(&op(), &wide, &[0]);
    }

    #[test]
    fn float32_gradients_of_many_rows_agree_with_float64() {
        let (rows, columns) = (3000, 37);
        let inputs = [
            uniform(&[rows, columns], 1, -1.0, 3.0),
            uniform(&[columns], 2, 0.5, 1.5),
            uniform(&[columns], 3, 0.9, 1.1),
            uniform(&[columns], 4, 1.2, 1.4),
            uniform(&[rows, columns], 5, -1.0, 1.0),
        ];
        let op: OpRef = Arc::new(BatchNormalizeBackward { epsilon: 1e-3 });
        let exact = run(&op, &inputs).unwrap();
        let rounded = run(&op, &inputs.each_ref().map(to_f32)).unwrap();
        for (exact, rounded) in exact.iter().zip(&rounded) {
            for (exact, rounded) in elements(exact).iter().zip(elements(rounded)) {
                assert!((exact - rounded).abs() < 2e-5 * (1.0 + exact.abs()), "{exact} {rounded}");
            }
        }
    }

    #[test]
    fn types_that_do_not_fit_are_named() {
        let ty = |shape: &[usize]| TensorType::new(DType::F32, shape);
        for (x, gamma) in [(&[2, 3][..], &[2][..]), (&[0, 3], &[3]), (&[], &[1])] {
            let op = BatchNormalize { epsilon: 1e-3 };
            let error = op.output_types(&[&ty(x), &ty(gamma), &ty(gamma)]).unwrap_err().to_string();
            assert!(error.contains(&format!("x=float32{x:?}")), "{error}");
        }
    }
}
