//! What a reduction says of itself, and the op that is made of it.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::parallel::elements_of;
use crate::kernels::reduce::{Fold, Plan, fold};
use crate::kernels::{Real, number::Number};
use crate::ops::check::{expect_axes, expect_dtype, expect_inputs};
use crate::ops::entry::Entry;
use crate::ops::shape::reshape;
use crate::tensor::{DType, TensorType};
use crate::{with_dtype, with_float};

/// A way to make one number of many, along any axes.
pub trait Reduction: Debug + Send + Sync + Sized + 'static {
    /// The name of its op.
    const NAME: &'static str;
    const DTYPES: &'static [DType];
    /// Whether there has to be an element to choose from.
    const NEEDS_ELEMENT: bool = false;

    /// Two numbers made one: the sum of `Sum`, for one. In which order is decided by shapes alone.
    type Fold<T: Number>: Fold<T>;

    /// What becomes of the totals of `count` floats each, at the end.
    fn finish<T: Real>(totals: &mut [T], count: usize) {
        let _ = (totals, count);
    }

    /// d loss / d x.
    fn gradient(reduced: &Reduced<'_>, graph: &mut Graph) -> Result<Value>;

    /// The entry in the registry.
    const ENTRY: Entry = Entry { name: Self::NAME, build: Reduce::<Self>::build };
}

/// A reduction under differentiation.
pub struct Reduced<'a> {
    pub axes: &'a [usize],
    pub x: Value,
    pub shape: Vec<usize>,
    /// The result, and d loss / d result, with axes of size 1 in the place of those that were reduced.
    pub y: Value,
    pub dy: Value,
}

impl Reduced<'_> {
    /// Elements that became one.
    pub fn count(&self) -> usize {
        count(&self.shape, self.axes)
    }
}

/// x (…) → the axes `axes` reduced to one number, dropped or kept with size 1.
#[derive(Debug)]
pub struct Reduce<R> {
    pub axes: Vec<usize>,
    keepdims: bool,
    reduction: PhantomData<R>,
}

impl<R: Reduction> Reduce<R> {
    pub fn new(axes: &[usize], keepdims: bool) -> Self {
        Self { axes: axes.to_vec(), keepdims, reduction: PhantomData }
    }

    fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["axes", "keepdims"])?;
        Ok(Arc::new(Self::new(&attributes.sizes("axes")?, attributes.bool("keepdims")?)))
    }
}

impl<R: Reduction> Op for Reduce<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.list("axes", &self.axes);
        attributes.list("keepdims", &self.keepdims);
        attributes
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axes(self, &self.axes, x)?;
        expect_dtype(self, "x", x, R::DTYPES)?;
        if R::NEEDS_ELEMENT && count(&x.shape, &self.axes) == 0 {
            return Err(Error::Shape(format!(
                "{} expects one element or more to choose from. Received: axes={:?}, input shape={:?}",
                R::NAME,
                self.axes,
                x.shape
            )));
        }
        Ok(vec![TensorType::new(x.dtype, reduced_shape(&x.shape, &self.axes, self.keepdims))])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]).to_vec();
        let kept = reduced_shape(&shape, &self.axes, true);
        let y = reshape(graph, node.outputs[0], &kept)?;
        let dy = reshape(graph, node.doutput(), &kept)?;
        let reduced = Reduced { axes: &self.axes, x: node.inputs[0], shape, y, dy };
        Ok(vec![Some(R::gradient(&reduced, graph)?)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        Plan::new(&inputs[0].shape, &self.axes).workspace() * inputs[0].dtype.size()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (dtype, shape) = (call.inputs[0].dtype(), call.inputs[0].shape());
        let plan = Plan::new(shape, &self.axes);
        with_dtype!(dtype, T => {
            let input = call.input::<T>(0);
            let workspace = elements_of::<T>(call.workspace);
            fold::<T, R::Fold<T>>(call.outputs[0].slice::<T>(), input, &plan, workspace);
        });
        if dtype.is_float() {
            with_float!(dtype, T => R::finish(call.output::<T>(0), count(shape, &self.axes)));
        }
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        inputs[0].size() as u64
    }
}

fn count(shape: &[usize], axes: &[usize]) -> usize {
    axes.iter().map(|&axis| shape[axis]).product()
}

fn reduced_shape(shape: &[usize], axes: &[usize], keepdims: bool) -> Vec<usize> {
    (0..shape.len())
        .filter(|axis| keepdims || !axes.contains(axis))
        .map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] })
        .collect()
}
