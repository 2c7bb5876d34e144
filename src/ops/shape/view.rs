//! Ops whose output is the input's memory.

use std::sync::Arc;

use super::reshape;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::ops::check::expect_inputs;
use crate::tensor::TensorType;
use crate::with_dtype;

/// x (…) → x (shape), the same elements in row-major order.
#[derive(Debug)]
pub(super) struct Reshape {
    pub shape: Vec<usize>,
}
attributes!(Reshape { shape });

impl Reshape {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        let output = TensorType::new(x.dtype, &*self.shape).checked()?;
        if output.size() != x.size() {
            return Err(Error::Shape(format!(
                "reshape expects a shape of {} elements, as many as its input has. Received: input shape={:?}, shape={:?}",
                x.size(),
                x.shape,
                self.shape
            )));
        }
        Ok(vec![output])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]).to_vec();
        Ok(vec![Some(reshape(graph, node.doutput(), &shape)?)])
    }

    fn is_view(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        copy_all(call);
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

/// What a view does where its memory cannot be shared.
fn copy_all(call: &mut Call<'_>) {
    with_dtype!(call.inputs[0].dtype(), T => call.outputs[0].slice::<T>().copy_from_slice(call.inputs[0].slice()));
}

/// x → x, a constant for every gradient.
#[derive(Debug)]
pub(super) struct StopGradient;

impl StopGradient {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&[])?;
        Ok(Arc::new(Self))
    }
}

impl Op for StopGradient {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        Ok(vec![x.clone()])
    }

    fn passes_gradient(&self) -> bool {
        false
    }

    fn is_view(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        copy_all(call);
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{iota, run1};
    use super::*;
    use crate::compile::gradients;
    use crate::ops::testing::{check_gradient, elements};
    use crate::tensor::DType;

    #[test]
    fn reshape_keeps_the_elements() {
        let y = run1(Reshape { shape: vec![3, 2] }, &[iota(&[2, 3])]);
        assert_eq!(y.shape(), [3, 2]);
        assert_eq!(elements(&y), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        check_gradient(&(Arc::new(Reshape { shape: vec![6, 1] }) as OpRef), &[iota(&[2, 3])]);
    }

    #[test]
    fn reshape_names_both_shapes_where_sizes_differ() {
        let x = TensorType::new(DType::F32, [2, 3]);
        let error = Reshape { shape: vec![4] }.output_types(&[&x]).unwrap_err().to_string();
        assert!(error.contains("[2, 3]") && error.ends_with("shape=[4]"), "{error}");
    }

    #[test]
    fn stop_gradient_passes_values_and_no_gradient() {
        assert_eq!(elements(&run1(StopGradient, &[iota(&[3])])), [0.0, 1.0, 2.0]);
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F32, []));
        let y = graph.apply1(Arc::new(StopGradient), &[x]).unwrap();
        assert_eq!(gradients(&mut graph, y, &[x]).unwrap(), [None]);
    }
}
