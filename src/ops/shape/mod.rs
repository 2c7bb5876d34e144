//! Ops that move elements without arithmetic.

mod broadcast;
mod concatenate;
mod pad;
mod slice;
mod transpose;
mod view;

use std::sync::Arc;

use super::entry::Entry;
use crate::error::Result;
use crate::graph::{Call, Graph, Value};
use crate::kernels::copy::{Strided, copy_strided};
use crate::with_dtype;

pub const OPS: &[Entry] = &[
    Entry { name: "reshape", build: view::Reshape::build },
    Entry { name: "stop_gradient", build: view::StopGradient::build },
    Entry { name: "broadcast_to", build: broadcast::BroadcastTo::build },
    Entry { name: "transpose", build: transpose::Transpose::build },
    Entry { name: "slice", build: slice::Slice::build },
    Entry { name: "pad", build: pad::Pad::build },
    Entry { name: "concatenate", build: concatenate::Concatenate::build },
];

/// The same elements, row-major, under another shape of the same size.
pub fn reshape(graph: &mut Graph, value: Value, shape: &[usize]) -> Result<Value> {
    if graph.shape(value) == shape {
        return Ok(value);
    }
    graph.apply1(Arc::new(view::Reshape { shape: shape.to_vec() }), &[value])
}

/// `value` repeated along new leading axes and axes of size 1, as NumPy broadcasts.
pub fn broadcast_to(graph: &mut Graph, value: Value, shape: &[usize]) -> Result<Value> {
    if graph.shape(value) == shape {
        return Ok(value);
    }
    graph.apply1(Arc::new(broadcast::BroadcastTo { shape: shape.to_vec() }), &[value])
}

/// Axis `n` of the result is axis `axes[n]` of `value`.
pub fn transpose(graph: &mut Graph, value: Value, axes: &[usize]) -> Result<Value> {
    if axes.is_sorted() {
        return Ok(value);
    }
    graph.apply1(Arc::new(transpose::Transpose { axes: axes.to_vec() }), &[value])
}

/// The elements `start..stop` of one axis.
pub fn slice_axis(graph: &mut Graph, value: Value, axis: usize, start: usize, stop: usize) -> Result<Value> {
    let shape = graph.shape(value).to_vec();
    let mut starts = vec![0; shape.len()];
    let mut stops: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
    (starts[axis], stops[axis]) = (start as i64, stop as i64);
    graph.apply1(Arc::new(slice::Slice { starts, stops, steps: vec![1; shape.len()] }), &[value])
}

/// The inputs one after the other along `axis`.
pub fn concatenate(graph: &mut Graph, values: &[Value], axis: usize) -> Result<Value> {
    graph.apply1(Arc::new(concatenate::Concatenate { axis }), values)
}

/// Output 0 = the elements of `view` over input 0.
fn copy_view(call: &mut Call<'_>, view: &Strided) {
    with_dtype!(call.inputs[0].dtype(), T => {
        copy_strided(call.outputs[0].slice::<T>(), call.inputs[0].slice::<T>(), view)
    });
}

#[cfg(test)]
mod testing {
    use std::sync::Arc;

    use ndarray::{ArrayD, IxDyn};

    use crate::graph::{Op, OpRef};
    use crate::ops::testing::{elements, run, tensor};
    use crate::tensor::Tensor;

    /// 0, 1, 2, …
    pub fn iota(shape: &[usize]) -> Tensor {
        tensor(shape, |index| index as f64)
    }

    pub fn array(tensor: &Tensor) -> ArrayD<f64> {
        ArrayD::from_shape_vec(IxDyn(tensor.shape()), elements(tensor)).unwrap()
    }

    pub fn run1(op: impl Op + 'static, inputs: &[Tensor]) -> Tensor {
        run(&(Arc::new(op) as OpRef), inputs).unwrap().remove(0)
    }
}
