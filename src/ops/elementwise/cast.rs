//! Conversion between dtypes.

use std::sync::Arc;

use super::run_unfused;
use crate::error::Result;
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::elementwise::Instruction;
use crate::ops::check::expect_inputs;
use crate::ops::registry::Entry;
use crate::tensor::{DType, TensorType};

pub const OPS: &[Entry] = &[Entry { name: "cast", build: Cast::build }];

/// `x` as `dtype`; the same value where it has that dtype already.
pub fn cast(graph: &mut Graph, x: Value, dtype: DType) -> Result<Value> {
    if graph.ty(x).dtype == dtype {
        return Ok(x);
    }
    graph.apply1(Arc::new(Cast { dtype }), &[x])
}

/// x (…) → (…) of `dtype`. A float becomes an int by truncation, and a bool by comparison with 0.
#[derive(Debug)]
struct Cast {
    dtype: DType,
}

impl Cast {
    fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["dtype"])?;
        Ok(Arc::new(Self { dtype: DType::from_name(attributes.string("dtype")?)? }))
    }
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        Ok(vec![TensorType::new(self.dtype, &*x.shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let dtype = graph.ty(node.inputs[0]).dtype;
        let dx = if dtype.is_float() { Some(cast(graph, node.doutput(), dtype)?) } else { None };
        Ok(vec![dx])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(Instruction::Cast(self.dtype))
    }
}
