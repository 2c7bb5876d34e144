//! Basic slices with any step, and their inverse.

use std::sync::Arc;

use super::copy_view;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::copy::{Strided, copy_into_strided, fill};
use crate::ops::check::{expect_inputs, expect_rank};
use crate::tensor::TensorType;
use crate::with_dtype;

/// x → along each axis, the elements of Python's `range(start, stop, step)`. All three are as `slice.indices` returns
/// them: a stop of -1 with a negative step lies before element 0.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    pub starts: Vec<i64>,
    pub stops: Vec<i64>,
    pub steps: Vec<i64>,
}
attributes!(listed Slice { starts, stops, steps });

impl Slice {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["starts", "stops", "steps"])?;
        Ok(Arc::new(Self {
            starts: attributes.ints("starts")?.to_vec(),
            stops: attributes.ints("stops")?.to_vec(),
            steps: attributes.ints("steps")?.to_vec(),
        }))
    }

    /// The shape of the slice of a tensor of `shape`.
    fn shape(&self, shape: &[usize]) -> Option<Vec<usize>> {
        let rank = shape.len();
        if [&self.starts, &self.stops, &self.steps].iter().any(|list| list.len() != rank) {
            return None;
        }
        (0..rank).map(|axis| self.length(axis, shape[axis])).collect()
    }

    fn length(&self, axis: usize, size: usize) -> Option<usize> {
        let (start, stop, step) = (self.starts[axis], self.stops[axis], self.steps[axis]);
        let span = match step {
            0 => return None,
            1.. => stop.checked_sub(start)?,
            _ => start.checked_sub(stop)?,
        };
        if span <= 0 {
            return Some(0);
        }
        let length = (span as u64).div_ceil(step.unsigned_abs());
        let last = start.checked_add(step.checked_mul(length as i64 - 1)?)?;
        let within = |index: i64| usize::try_from(index).is_ok_and(|index| index < size);
        (within(start) && within(last)).then_some(length as usize)
    }

    /// The slice as a view of a tensor of `shape`.
    fn view(&self, shape: &[usize]) -> Strided {
        let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>() as isize;
        let offset = (0..shape.len()).map(|axis| self.starts[axis] as isize * stride(axis)).sum();
        let length = |axis: usize| self.length(axis, shape[axis]).expect("the shape rule checks the slice");
        let axes = (0..shape.len()).map(|axis| (length(axis), self.steps[axis] as isize * stride(axis)));
        Strided::new(offset, axes)
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_rank(self, x.rank())?;
        let shape = self.shape(&x.shape).ok_or_else(|| {
            Error::Shape(format!(
                "slice expects one start, stop and step of elements within the input for each axis, and no step of 0. \
                 Received: starts={:?}, stops={:?}, steps={:?}, input shape={:?}",
                self.starts, self.stops, self.steps, x.shape
            ))
        })?;
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]).to_vec();
        let op = Unslice { slice: self.clone(), shape };
        Ok(vec![Some(graph.apply1(Arc::new(op), &[node.doutput()])?)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let view = self.view(call.inputs[0].shape());
        copy_view(call, &view);
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

/// The gradient of [`Slice`]: zeros of `shape` whose slice is the input.
#[derive(Debug)]
struct Unslice {
    slice: Slice,
    shape: Vec<usize>,
}

impl Op for Unslice {
    fn name(&self) -> &'static str {
        "unslice"
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = self.slice.listed_attributes();
        attributes.list("shape", &self.shape);
        attributes
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [dy] = expect_inputs(self, inputs)?;
        Ok(vec![TensorType::new(dy.dtype, &*self.shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(graph.apply1(Arc::new(self.slice.clone()), &[node.doutput()])?)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let view = self.slice.view(&self.shape);
        with_dtype!(call.inputs[0].dtype(), T => {
            let dy = call.input::<T>(0);
            let dx = call.outputs[0].slice::<T>();
            fill(dx, T::default());
            copy_into_strided(dx, dy, &view);
        });
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, Slice as NdSlice};
    use proptest::prelude::*;

    use super::super::testing::{array, iota, run1};
    use super::*;
    use crate::ops::testing::{check_gradient, uniform};
    use crate::tensor::DType;

    /// A shape and a slice of it, as (start, length, step) an axis.
    fn case() -> impl Strategy<Value = (Vec<usize>, Slice)> {
        let axis = (1..9usize).prop_flat_map(|size| {
            (Just(size), 0..size, -3..4i64).prop_flat_map(|(size, start, step)| {
                let step = if step == 0 { 1 } else { step };
                let room = if step > 0 { size - start } else { start + 1 };
                (Just(size), Just(start as i64), 0..=room as i64, Just(step))
            })
        });
        prop::collection::vec(axis, 0..4).prop_map(|axes| {
            let slice = Slice {
                starts: axes.iter().map(|axis| axis.1).collect(),
                stops: axes.iter().map(|axis| axis.1 + axis.2 * axis.3.signum()).collect(),
                steps: axes.iter().map(|axis| axis.3).collect(),
            };
            (axes.iter().map(|axis| axis.0).collect(), slice)
        })
    }

    proptest! {
        #[test]
        fn slice_agrees_with_ndarray((shape, slice) in case()) {
            let x = iota(&shape);
            let y = run1(slice.clone(), std::slice::from_ref(&x));
            let mut expected = array(&x);
            for axis in 0..shape.len() {
                let (start, stop, step) = (slice.starts[axis], slice.stops[axis], slice.steps[axis]);
                // ndarray slices first and then walks backwards.
                let (low, high) = if step > 0 { (start, stop) } else { (stop + 1, start + 1) };
                let part = NdSlice::new(low as isize, Some(high as isize), step as isize);
                expected = expected.slice_axis(Axis(axis), part).to_owned();
            }
            prop_assert_eq!(array(&y), expected);
        }

        #[test]
        fn slice_gradient((shape, slice) in case()) {
            check_gradient(&(Arc::new(slice) as OpRef), &[uniform(&shape, 3, -1.0, 1.0)]);
        }
    }

    #[test]
    fn the_gradient_of_a_slice_has_a_gradient() {
        let slice = Slice { starts: vec![3, 0], stops: vec![-1, 3], steps: vec![-2, 1] };
        let op = Unslice { slice, shape: vec![4, 3] };
        check_gradient(&(Arc::new(op) as OpRef), &[uniform(&[2, 3], 3, -1.0, 1.0)]);
    }

    #[test]
    fn slices_out_of_range_are_refused() {
        let x = TensorType::new(DType::F32, [4]);
        for (start, stop, step) in [(0, 5, 1), (0, 4, 0), (4, -1, -1), (-1, 2, 1), (3, -2, -1)] {
            let slice = Slice { starts: vec![start], stops: vec![stop], steps: vec![step] };
            assert!(slice.output_types(&[&x]).is_err(), "{slice:?}");
        }
        let slice = Slice { starts: vec![], stops: vec![], steps: vec![] };
        assert!(slice.output_types(&[&x]).is_err());
    }
}
