//! Single elements of an axis by index.

use std::sync::Arc;

use super::{checked_indices, expect_indices, scatter_along_axis, take_along_axis};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::gather::{scatter_along, take_along};
use crate::ops::check::{NUMBERS, expect_axis, expect_dtype, expect_inputs};
use crate::ops::rows::length_and_inner;
use crate::tensor::TensorType;
use crate::with_dtype;

/// x (…, n, …), indices int32 (…, k, …) in 0..n → y (…, k, …) = x[…, indices[…], …] along `axis`.
#[derive(Debug)]
pub(super) struct TakeAlongAxis {
    pub axis: usize,
}
attributes!(TakeAlongAxis { axis });

impl TakeAlongAxis {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for TakeAlongAxis {
    fn name(&self) -> &'static str {
        "take_along_axis"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x, indices] = expect_inputs(self, inputs)?;
        expect_axis(self, self.axis, x)?;
        expect_indices(self, indices)?;
        let fits = x.rank() == indices.rank()
            && (0..x.rank()).all(|axis| axis == self.axis || x.shape[axis] == indices.shape[axis]);
        if !fits {
            return Err(Error::Shape(format!(
                "take_along_axis expects indices of the shape of x but for axis {}. Received: x shape={:?}, \
                 indices shape={:?}",
                self.axis, x.shape, indices.shape
            )));
        }
        Ok(vec![TensorType::new(x.dtype, &*indices.shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let &[x, indices] = node.inputs else { unreachable!("the shape rule checks the inputs") };
        let size = graph.shape(x)[self.axis];
        Ok(vec![Some(scatter_along_axis(graph, indices, node.doutput(), size, self.axis)?), None])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (length, inner) = length_and_inner(call.inputs[0].shape(), self.axis);
        let k = call.inputs[1].shape()[self.axis];
        let indices = checked_indices(&call.inputs[1], length)?;
        with_dtype!(call.inputs[0].dtype(), T => {
            let x = call.input::<T>(0);
            take_along(call.output::<T>(0), x, indices, length, inner, k);
        });
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

/// indices int32 (…, k, …) in 0..size, updates (…, k, …) → y (…, size, …): zeros, to which `updates[…]` is added at
/// `indices[…]` along `axis`.
#[derive(Debug)]
pub(super) struct ScatterAlongAxis {
    pub size: usize,
    pub axis: usize,
}
attributes!(ScatterAlongAxis { size, axis });

impl ScatterAlongAxis {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for ScatterAlongAxis {
    fn name(&self) -> &'static str {
        "scatter_along_axis"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [indices, updates] = expect_inputs(self, inputs)?;
        expect_axis(self, self.axis, updates)?;
        expect_indices(self, indices)?;
        expect_dtype(self, "updates", updates, NUMBERS)?;
        if indices.shape != updates.shape {
            return Err(Error::Shape(format!(
                "scatter_along_axis expects indices and updates of one shape. Received: indices shape={:?}, \
                 updates shape={:?}",
                indices.shape, updates.shape
            )));
        }
        let mut shape = updates.shape.clone();
        shape[self.axis] = self.size;
        Ok(vec![TensorType::new(updates.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![None, Some(take_along_axis(graph, node.doutput(), node.inputs[0], self.axis)?)])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (k, inner) = length_and_inner(call.inputs[0].shape(), self.axis);
        let indices = checked_indices(&call.inputs[0], self.size)?;
        with_dtype!(call.inputs[1].dtype(), T => {
            let updates = call.input::<T>(1);
            scatter_along(call.output::<T>(0), updates, indices, self.size, inner, k);
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

    fn take(axis: usize) -> OpRef {
        Arc::new(TakeAlongAxis { axis })
    }

    fn scatter(size: usize, axis: usize) -> OpRef {
        Arc::new(ScatterAlongAxis { size, axis })
    }

    #[test]
    fn elements_are_taken_and_added() {
        let x = tensor(&[2, 3], |index| index as f64);
        let y = run(&take(1), &[x.clone(), ints(&[2, 2], &[2, 0, 1, 1])]).unwrap();
        assert_eq!(elements(&y[0]), [2.0, 0.0, 4.0, 4.0]);
        let y = run(&take(0), &[x, ints(&[1, 3], &[1, 0, 1])]).unwrap();
        assert_eq!(elements(&y[0]), [3.0, 1.0, 5.0]);
        let y = run(&scatter(2, 0), &[ints(&[2, 2], &[1, 0, 1, 1]), ints(&[2, 2], &[1, 2, 3, 4])]).unwrap();
        assert_eq!(elements(&y[0]), [0.0, 2.0, 4.0, 4.0]);
    }

    #[test]
    fn gradients() {
        let indices = ints(&[2, 4, 2], &[0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0]);
        check_gradient(&take(1), &[uniform(&[2, 2, 2], 1, -1.0, 1.0), indices.clone()]);
        check_gradient(&scatter(3, 1), &[indices.clone(), uniform(&[2, 4, 2], 1, -1.0, 1.0)]);
        check_gradient(&scatter(2, 2), &[indices, uniform(&[2, 4, 2], 1, -1.0, 1.0)]);
    }

    #[test]
    fn indices_out_of_range_are_named() {
        let error = run(&take(1), &[uniform(&[2, 3], 1, 0.0, 1.0), ints(&[2, 1], &[0, 3])]).unwrap_err();
        assert_eq!(error, Error::Data("index 3 at position [1, 0]; expected 0 <= index < 3".into()));
        let error = run(&scatter(1, 0), &[ints(&[1], &[-2]), uniform(&[1], 1, 0.0, 1.0)]).unwrap_err();
        assert_eq!(error, Error::Data("index -2 at position [0]; expected 0 <= index < 1".into()));
    }
}
