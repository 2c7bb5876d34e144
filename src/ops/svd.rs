//! The singular value decomposition.

use std::sync::Arc;

use super::check::{FLOATS, expect_dtype, expect_inputs};
use super::elementwise::multiply;
use super::entry::Entry;
use super::matmul::matmul;
use super::shape::reshape;
use crate::error::{Error, Result};
use crate::graph::{Call, Differentiated, Graph, Op, Value};
use crate::kernels::parallel::elements_of;
use crate::kernels::svd as kernel;
use crate::tensor::TensorType;
use crate::with_float;

pub const OPS: &[Entry] = &[Entry {
    name: "svd",
    build: |attributes| {
        attributes.only(&[])?;
        Ok(Arc::new(Svd))
    },
}];

/// a (…, M, N) → u (…, M, K), s (…, K) descending, vt (…, K, N), K the lesser of M and N, with u · diag(s) · vt = a.
///
/// Only s has a gradient.
#[derive(Debug)]
struct Svd;

impl Op for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [a] = expect_inputs(self, inputs)?;
        expect_dtype(self, "a", a, FLOATS)?;
        let [stack @ .., m, n] = &*a.shape else {
            return Err(Error::Shape(format!("expected a matrix. Received: a={a}")));
        };
        let k = m.min(n);
        let with = |last: &[usize]| TensorType::new(a.dtype, [stack, last].concat());
        Ok(vec![with(&[*m, *k]), with(&[*k]), with(&[*k, *n])])
    }

    /// da = u · diag(ds) · vt
    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        if node.doutputs[0].is_some() || node.doutputs[2].is_some() {
            let message = "expected a loss of the singular values alone. Received: one of singular vectors";
            return Err(Error::Configuration(message.into()));
        }
        let Some(ds) = node.doutputs[1] else { return Ok(vec![None]) };
        let mut shape = graph.shape(ds).to_vec();
        shape.insert(shape.len() - 1, 1);
        let ds = reshape(graph, ds, &shape)?;
        let scaled = multiply(graph, node.outputs[0], ds)?;
        Ok(vec![Some(matmul(graph, scaled, node.outputs[2], (false, false))?)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        let (m, n) = sizes(&inputs[0].shape);
        kernel::workspace(m, n) * size_of::<f64>()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (m, n) = sizes(call.inputs[0].shape());
        let k = m.min(n);
        if k == 0 {
            return Ok(());
        }
        let workspace = elements_of::<f64>(call.workspace);
        let [u, s, vt] = call.outputs else { unreachable!("the op has three outputs") };
        with_float!(call.inputs[0].dtype(), T => {
            let a = call.inputs[0].slice::<T>().chunks_exact(m * n);
            let (u, s, vt) = (u.slice::<T>(), s.slice::<T>(), vt.slice::<T>());
            let parts = u.chunks_exact_mut(m * k).zip(s.chunks_exact_mut(k)).zip(vt.chunks_exact_mut(k * n));
            for (a, ((u, s), vt)) in a.zip(parts) {
                kernel::svd([u, s, vt], a, (m, n), workspace);
            }
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        let (m, n) = sizes(&inputs[0].shape);
        (8 * 6 * inputs[0].size() * m.min(n)) as u64
    }
}

fn sizes(shape: &[usize]) -> (usize, usize) {
    (shape[shape.len() - 2], shape[shape.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::OpRef;
    use crate::ops::testing::{check_gradient_of_outputs, elements, run, tensor, uniform};

    #[test]
    fn the_product_of_the_parts_is_the_matrix() {
        let op: OpRef = Arc::new(Svd);
        for (m, n) in [(1, 1), (4, 3), (3, 5), (6, 6), (1, 4)] {
            let a = uniform(&[2, m, n], 3, -1.0, 1.0);
            let parts = run(&op, std::slice::from_ref(&a)).unwrap();
            let [u, s, vt] = [0, 1, 2].map(|part| elements(&parts[part]));
            let (a, k) = (elements(&a), m.min(n));
            for matrix in 0..2 {
                let s = &s[matrix * k..][..k];
                assert!(s.windows(2).all(|pair| pair[0] >= pair[1]) && s[k - 1] >= 0.0);
                for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let sum: f64 = (0..k)
                        .map(|l| u[(matrix * m + i) * k + l] * s[l] * vt[(matrix * k + l) * n + j])
                        .sum();
                    assert!((sum - a[(matrix * m + i) * n + j]).abs() < 1e-14, "{m} {n}");
                }
            }
        }
    }

    #[test]
    fn singular_values_have_a_small_error_each() {
        // diag(1, 1e-12) between two rotations; and a matrix of rank 1; and what is not finite.
        let op: OpRef = Arc::new(Svd);
        let a = tensor(&[2, 2], |i| [1.0, 1.0, 1e-12, -1e-12][i]);
        let s = elements(&run(&op, &[a]).unwrap()[1]);
        assert!(
            (s[0] / 2f64.sqrt() - 1.0).abs() < 1e-15 && (s[1] / (2f64.sqrt() * 1e-12) - 1.0).abs() < 1e-14
        );
        let s = elements(&run(&op, &[tensor(&[2, 3], |_| 1e200)]).unwrap()[1]);
        assert!((s[0] / (6f64.sqrt() * 1e200) - 1.0).abs() < 1e-15 && s[1] < 1e185);
        let s = elements(&run(&op, &[tensor(&[2, 2], |_| 0.0)]).unwrap()[1]);
        assert_eq!(s, [0.0, 0.0]);
        let s = elements(&run(&op, &[tensor(&[2, 2], |i| [1.0, f64::INFINITY, 2.0, 3.0][i])]).unwrap()[1]);
        assert!(s.iter().all(|s| s.is_nan()));
    }

    #[test]
    fn gradient_of_the_singular_values() {
        let op: OpRef = Arc::new(Svd);
        for shape in [&[2, 3, 4][..], &[4, 3]] {
            check_gradient_of_outputs(&op, &[uniform(shape, 5, -1.0, 1.0)], &[1]);
        }
    }
}
