//! Layer normalisation over the last axis.

use std::sync::Arc;

use super::{check_inputs, rows_and_columns};
use crate::error::Result;
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::normalize::layer as kernel;
use crate::kernels::parallel::elements_of;
use crate::ops::check::expect_inputs;
use crate::tensor::TensorType;
use crate::with_float;

/// x (…, C), gamma (C), beta (C) → y (…, C) = (x − mean) · gamma / √(variance + epsilon) + beta, with the mean and the
/// biased variance over the last axis.
#[derive(Debug)]
pub(super) struct LayerNormalize {
    epsilon: f64,
}
attributes!(LayerNormalize { epsilon });

impl LayerNormalize {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for LayerNormalize {
    fn name(&self) -> &'static str {
        "layer_normalize"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x, gamma, beta] = expect_inputs(self, inputs)?;
        check_inputs(self, x, gamma, beta)?;
        Ok(vec![x.clone()])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let &[x, gamma, _] = node.inputs else { unreachable!("the shape rule checks the inputs") };
        let op = LayerNormalizeBackward { epsilon: self.epsilon };
        let outputs = graph.apply(Arc::new(op), &[x, gamma, node.doutput()])?;
        Ok(outputs.into_iter().map(Some).collect())
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        with_float!(call.inputs[0].dtype(), T => {
            let [x, gamma, beta] = std::array::from_fn(|index| call.inputs[index].slice::<T>());
            kernel::forward(call.output::<T>(0), x, gamma, beta, self.epsilon as T);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        8 * inputs[0].size() as u64
    }
}

/// x (…, C), gamma (C), dy (…, C) → dx (…, C), dgamma (C), dbeta (C).
#[derive(Debug)]
struct LayerNormalizeBackward {
    epsilon: f64,
}
attributes!(listed LayerNormalizeBackward { epsilon });

impl Op for LayerNormalizeBackward {
    fn name(&self) -> &'static str {
        "layer_normalize_backward"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x, gamma, _] = expect_inputs(self, inputs)?;
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
            let [x, gamma, dy] = std::array::from_fn(|index| call.inputs[index].slice::<T>());
            let saved = kernel::Saved { x, gamma, epsilon: self.epsilon as T };
            kernel::backward(dx.slice(), dgamma.slice(), dbeta.slice(), dy, saved, workspace);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        14 * inputs[0].size() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_gradient, elements, run, tensor, uniform};
    use crate::tensor::{DType, Tensor};

    fn op() -> OpRef {
        Arc::new(LayerNormalize { epsilon: 1e-3 })
    }

    fn to_f32(x: &Tensor) -> Tensor {
        let Tensor::F64(x) = x else { panic!("a float64 tensor") };
        Tensor::F32(x.mapv(|x| x as f32))
    }

    #[test]
    fn agrees_with_the_definition() {
        for (rows, columns) in [(1, 1), (3, 5), (70, 16), (300, 33), (5, 1000)] {
            let x = uniform(&[rows, columns], 1, -1.0, 3.0);
            let (gamma, beta) = (uniform(&[columns], 2, 0.5, 1.5), uniform(&[columns], 3, -1.0, 1.0));
            let (gammas, betas) = (elements(&gamma), elements(&beta));
            let expected: Vec<f64> = elements(&x)
                .chunks(columns)
                .flat_map(|row| {
                    let mean = row.iter().sum::<f64>() / columns as f64;
                    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
                    let normal = row.iter().map(move |x| (x - mean) / (variance + 1e-3).sqrt());
                    normal.zip(gammas.iter().zip(&betas)).map(|(x, (gamma, beta))| x * gamma + beta)
                })
                .collect();
            let exact = run(&op(), &[x.clone(), gamma.clone(), beta.clone()]).unwrap();
            let rounded = run(&op(), &[to_f32(&x), to_f32(&gamma), to_f32(&beta)]).unwrap();
            for (outputs, tolerance) in [(exact, 1e-12), (rounded, 5e-6)] {
                for (found, expected) in elements(&outputs[0]).iter().zip(&expected) {
                    assert!((found - expected).abs() < tolerance, "{rows}x{columns}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn gradients() {
        for (shape, columns) in [(&[2, 3, 5][..], 5), (&[4, 1], 1), (&[3, 40], 40)] {
            check_gradient(
                &op(),
                &[
                    uniform(shape, 1, -1.0, 1.0),
                    uniform(&[columns], 2, 0.5, 1.5),
                    uniform(&[columns], 3, -1.0, 1.0),
                ],
            );
        }
    }

    #[test]
    fn float32_gradients_of_many_rows_agree_with_float64() {
        let (rows, columns) = (2000, 37);
        let inputs = [
            uniform(&[rows, columns], 1, -1.0, 3.0),
            uniform(&[columns], 2, 0.5, 1.5),
            uniform(&[rows, columns], 5, -1.0, 1.0),
        ];
        let op: OpRef = Arc::new(LayerNormalizeBackward { epsilon: 1e-3 });
        let exact = run(&op, &inputs).unwrap();
        let rounded = run(&op, &inputs.each_ref().map(to_f32)).unwrap();
        for (exact, rounded) in exact.iter().zip(&rounded) {
            for (exact, rounded) in elements(exact).iter().zip(elements(rounded)) {
                assert!((exact - rounded).abs() < 2e-5 * (1.0 + exact.abs()), "{exact} {rounded}");
            }
        }
    }

    #[test]
    fn constant_rows_become_beta() {
        let x = tensor(&[2, 3], |_| 7.0);
        let (gamma, beta) = (tensor(&[3], |_| 2.0), tensor(&[3], |at| at as f64));
        let y = run(&op(), &[x, gamma, beta]).unwrap();
        assert_eq!(elements(&y[0]), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn types_that_do_not_fit_are_refused() {
        let ty = |shape: &[usize]| TensorType::new(DType::F32, shape);
        let op = LayerNormalize { epsilon: 1e-3 };
        assert!(op.output_types(&[&ty(&[2, 3]), &ty(&[2]), &ty(&[2])]).is_err());
        assert!(op.output_types(&[&ty(&[2, 0]), &ty(&[0]), &ty(&[0])]).is_err());
    }
}
