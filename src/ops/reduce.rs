//! Reductions over axes.

use std::sync::Arc;

use super::check::{NUMBERS, expect_axes, expect_dtype, expect_inputs};
use super::registry::Entry;
use super::shape::{broadcast_to, reshape};
use crate::error::Result;
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::parallel::elements_of;
use crate::kernels::reduce::{self as kernel, Plan};
use crate::tensor::TensorType;
use crate::with_dtype;

pub const OPS: &[Entry] =
    &[Entry { name: "reduce_sum", build: |attributes| Fold::build(Kind::Sum, attributes) }];

/// Sum over `axes`.
pub fn reduce_sum(graph: &mut Graph, value: Value, axes: &[usize], keepdims: bool) -> Result<Value> {
    graph.apply1(Arc::new(Fold { kind: Kind::Sum, axes: axes.to_vec(), keepdims }), &[value])
}

/// Sums `value` over the axes along which `shape` was broadcast to reach `value`'s shape.
pub fn sum_to(graph: &mut Graph, value: Value, shape: &[usize]) -> Result<Value> {
    let from = graph.shape(value).to_vec();
    if from == shape {
        return Ok(value);
    }
    let added = from.len() - shape.len();
    let axes: Vec<usize> = (0..from.len())
        .filter(|&axis| axis < added || (shape[axis - added] == 1 && from[axis] != 1))
        .collect();
    let sum = if axes.is_empty() { value } else { reduce_sum(graph, value, &axes, false)? };
    reshape(graph, sum, shape)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
}

/// x (…) → the axes `axes` folded into one number, dropped or kept with size 1.
#[derive(Debug)]
struct Fold {
    kind: Kind,
    axes: Vec<usize>,
    keepdims: bool,
}

impl Fold {
    fn build(kind: Kind, attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["axes", "keepdims"])?;
        Ok(Arc::new(Self { kind, axes: attributes.sizes("axes")?, keepdims: attributes.bool("keepdims")? }))
    }
}

impl Op for Fold {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "reduce_sum",
        }
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axes(self, &self.axes, x)?;
        expect_dtype(self, "x", x, NUMBERS)?;
        Ok(vec![TensorType::new(x.dtype, reduced_shape(&x.shape, &self.axes, self.keepdims))])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]).to_vec();
        let kept = reshape(graph, node.doutput(), &reduced_shape(&shape, &self.axes, true))?;
        let dx = match self.kind {
            Kind::Sum => broadcast_to(graph, kept, &shape)?,
        };
        Ok(vec![Some(dx)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        Plan::new(&inputs[0].shape, &self.axes).workspace() * inputs[0].dtype.size()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let plan = Plan::new(call.inputs[0].shape(), &self.axes);
        with_dtype!(call.inputs[0].dtype(), T => {
            let input = call.input::<T>(0);
            let workspace = elements_of::<T>(call.workspace);
            let output = call.outputs[0].slice::<T>();
            match self.kind {
                Kind::Sum => kernel::fold::<T, kernel::Sum>(output, input, &plan, workspace),
            }
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        inputs[0].size() as u64
    }
}

fn reduced_shape(shape: &[usize], axes: &[usize], keepdims: bool) -> Vec<usize> {
    (0..shape.len())
        .filter(|axis| keepdims || !axes.contains(axis))
        .map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_gradient, elements, run, tensor, uniform};

    fn sum(axes: &[usize], keepdims: bool) -> OpRef {
        Arc::new(Fold { kind: Kind::Sum, axes: axes.to_vec(), keepdims })
    }

    #[test]
    fn sums_drop_or_keep_their_axes() {
        let x = tensor(&[2, 3], |index| index as f64);
        let y = &run(&sum(&[0], false), std::slice::from_ref(&x)).unwrap()[0];
        assert_eq!((y.shape(), elements(y)), (&[3][..], vec![3.0, 5.0, 7.0]));
        let y = &run(&sum(&[1], true), &[x]).unwrap()[0];
        assert_eq!((y.shape(), elements(y)), (&[2, 1][..], vec![3.0, 12.0]));
    }

    #[test]
    fn gradients_of_sums() {
        let x = uniform(&[2, 3, 4], 1, -1.0, 1.0);
        for axes in [&[][..], &[0], &[1], &[2], &[0, 2], &[0, 1, 2]] {
            check_gradient(&sum(axes, false), std::slice::from_ref(&x));
            check_gradient(&sum(axes, true), std::slice::from_ref(&x));
        }
    }

    #[test]
    fn bad_axes_are_named() {
        let x = TensorType::new(crate::tensor::DType::F32, [2, 3]);
        for axes in [&[2][..], &[0, 0]] {
            let error = sum(axes, false).output_types(&[&x]).unwrap_err().to_string();
            assert!(error.contains(&format!("axes={axes:?}")), "{error}");
        }
    }
}
