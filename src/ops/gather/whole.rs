//! Whole slices of an axis by index: an embedding and its gradient.

use std::sync::Arc;

use super::{checked_indices, expect_indices};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::gather::{gather, scatter_add};
use crate::ops::check::{NUMBERS, expect_axis, expect_dtype, expect_inputs};
use crate::ops::rows::length_and_inner;
use crate::tensor::TensorType;
use crate::with_dtype;

/// params (…a, n, …b), indices int32 (…k) in 0..n → (…a, …k, …b), the slices of `axis` at the indices.
#[derive(Debug)]
pub(super) struct Gather {
    pub axis: usize,
}
attributes!(Gather { axis });

impl Gather {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [params, indices] = expect_inputs(self, inputs)?;
        expect_axis(self, self.axis, params)?;
        expect_indices(self, indices)?;
        let shape = [&params.shape[..self.axis], &indices.shape, &params.shape[self.axis + 1..]].concat();
        Ok(vec![TensorType::new(params.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let &[params, indices] = node.inputs else { unreachable!("the shape rule checks the inputs") };
        let op = ScatterAdd { size: graph.shape(params)[self.axis], axis: self.axis };
        Ok(vec![Some(graph.apply1(Arc::new(op), &[indices, node.doutput()])?), None])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (length, inner) = length_and_inner(call.inputs[0].shape(), self.axis);
        let indices = checked_indices(&call.inputs[1], length)?;
        with_dtype!(call.inputs[0].dtype(), T => {
            let params = call.input::<T>(0);
            gather(call.output::<T>(0), params, indices, length, inner);
        });
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

/// indices int32 (…k) in 0..size, updates (…a, …k, …b) → (…a, size, …b): zeros, to whose slice `indices[k]` of `axis`
/// the slice k of the updates is added, in the order of the indices.
#[derive(Debug)]
pub(super) struct ScatterAdd {
    pub size: usize,
    pub axis: usize,
}
attributes!(ScatterAdd { size, axis });

impl ScatterAdd {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [indices, updates] = expect_inputs(self, inputs)?;
        expect_indices(self, indices)?;
        expect_dtype(self, "updates", updates, NUMBERS)?;
        let after = self.axis.saturating_add(indices.rank());
        if updates.shape.get(self.axis..after) != Some(&indices.shape[..]) {
            return Err(Error::Shape(format!(
                "scatter_add expects updates whose axes from axis on are those of the indices. Received: axis={}, \
                 indices shape={:?}, updates shape={:?}",
                self.axis, indices.shape, updates.shape
            )));
        }
        let shape = [&updates.shape[..self.axis], &[self.size], &updates.shape[after..]].concat();
        Ok(vec![TensorType::new(updates.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let op = Gather { axis: self.axis };
        Ok(vec![None, Some(graph.apply1(Arc::new(op), &[node.doutput(), node.inputs[0]])?)])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (length, inner) = length_and_inner(call.outputs[0].shape(), self.axis);
        let indices = checked_indices(&call.inputs[0], length)?;
        with_dtype!(call.inputs[1].dtype(), T => {
            let updates = call.input::<T>(1);
            scatter_add(call.output::<T>(0), updates, indices, length, inner);
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        inputs[1].size() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_gradient, elements, ints, run, tensor, uniform};
    use crate::tensor::{DType, Tensor};

    fn gather_op(axis: usize) -> OpRef {
        Arc::new(Gather { axis })
    }

    fn scatter_op(size: usize, axis: usize) -> OpRef {
        Arc::new(ScatterAdd { size, axis })
    }

    #[test]
    fn gather_takes_slices() {
        let x = tensor(&[2, 3, 2], |index| index as f64);
        let y = run(&gather_op(1), &[x.clone(), ints(&[2], &[2, 0])]).unwrap().remove(0);
        assert_eq!(y.shape(), [2, 2, 2]);
        assert_eq!(elements(&y), [4.0, 5.0, 0.0, 1.0, 10.0, 11.0, 6.0, 7.0]);
        let y = run(&gather_op(0), &[x.clone(), ints(&[1, 2], &[1, 1])]).unwrap().remove(0);
        assert_eq!(y.shape(), [1, 2, 3, 2]);
        let y = run(&gather_op(2), &[x, ints(&[], &[1])]).unwrap().remove(0);
        assert_eq!((y.shape(), elements(&y)), (&[2, 3][..], vec![1.0, 3.0, 5.0, 7.0, 9.0, 11.0]));
    }

    #[test]
    fn scatter_add_adds_what_meets() {
        let indices = ints(&[2, 2], &[1, 3, 1, 0]);
        let y = run(&scatter_op(4, 0), &[indices, tensor(&[2, 2], |index| index as f64 + 1.0)]).unwrap();
        assert_eq!(elements(&y[0]), [4.0, 4.0, 0.0, 2.0]);
        let y = run(&scatter_op(2, 0), &[ints(&[3], &[1, 1, 0]), ints(&[3], &[5, 6, 7])]).unwrap();
        assert_eq!(elements(&y[0]), [7.0, 11.0]);
    }

    #[test]
    fn scatter_add_agrees_with_a_plain_loop_over_wide_slices() {
        let (rows, count, inner) = (7, 500, 45);
        let updates = uniform(&[2, count, inner], 1, -1.0, 1.0);
        let indices: Vec<i32> = (0..count as i32).map(|at| at * at % rows as i32).collect();
        let mut expected = vec![0.0; 2 * rows * inner];
        for (at, update) in elements(&updates).into_iter().enumerate() {
            let (outer, k, column) = (at / (count * inner), at / inner % count, at % inner);
            expected[(outer * rows + indices[k] as usize) * inner + column] += update;
        }
        let y = run(&scatter_op(rows, 1), &[ints(&[count], &indices), updates]).unwrap().remove(0);
        assert_eq!(elements(&y), expected);
    }

    #[test]
    fn gradients() {
        let indices = || ints(&[2, 2], &[1, 3, 1, 0]);
        for axis in 0..3 {
            let mut shape = vec![2, 3, 2];
            shape[axis] = 4;
            check_gradient(&gather_op(axis), &[uniform(&shape, 1, -1.0, 1.0), indices()]);
            shape.splice(axis..=axis, [2, 2]);
            check_gradient(&scatter_op(5, axis), &[indices(), uniform(&shape, 1, -1.0, 1.0)]);
        }
    }

    #[test]
    fn indices_out_of_range_are_named() {
        let x = || uniform(&[5, 2], 1, -1.0, 1.0);
        let message = |indices: Tensor| run(&gather_op(0), &[x(), indices]).unwrap_err();
        let expected = "index 99 at position [0, 3]; expected 0 <= index < 5";
        assert_eq!(message(ints(&[1, 4], &[0, 1, 4, 99])), Error::Data(expected.into()));
        let expected = "index -1 at position [1]; expected 0 <= index < 5";
        assert_eq!(message(ints(&[2], &[0, -1])), Error::Data(expected.into()));
        let error = run(&scatter_op(3, 0), &[ints(&[1], &[3]), uniform(&[1], 1, 0.0, 1.0)]).unwrap_err();
        assert_eq!(error, Error::Data("index 3 at position [0]; expected 0 <= index < 3".into()));
    }

    #[test]
    fn types_that_do_not_fit_are_refused() {
        let x = TensorType::new(DType::F32, [5, 2]);
        assert!(Gather { axis: 0 }.output_types(&[&x, &x]).is_err());
        let indices = TensorType::new(DType::I32, [3]);
        assert!(Gather { axis: 2 }.output_types(&[&x, &indices]).is_err());
        assert!(ScatterAdd { size: 4, axis: 0 }.output_types(&[&indices, &x]).is_err());
        assert!(ScatterAdd { size: 4, axis: 9 }.output_types(&[&indices, &x]).is_err());
    }
}
