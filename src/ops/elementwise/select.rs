//! The choice between two inputs.

use std::sync::Arc;

use super::{broadcast_inputs, expect_one_dtype, run_unfused, scalar_like};
use crate::error::Result;
use crate::graph::{Call, Differentiated, Graph, Op, Value};
use crate::kernels::elementwise::{Form, Instruction, Meaning, TernaryFunction};
use crate::ops::check::{expect_dtype, expect_inputs};
use crate::ops::entry::Entry;
use crate::ops::reduce::sum_to;
use crate::tensor::{DType, Element, TensorType};

pub const OPS: &[Entry] = &[Entry {
    name: "select",
    build: |attributes| {
        attributes.only(&[])?;
        Ok(Arc::new(Select))
    },
}];

/// `a` where `condition` is true, else `b`.
pub fn select(graph: &mut Graph, condition: Value, a: Value, b: Value) -> Result<Value> {
    graph.apply1(Arc::new(Select), &[condition, a, b])
}

struct Choice;

impl<T: Element> TernaryFunction<T> for Choice {
    #[inline(always)]
    fn element<const FMA: bool>(condition: u8, a: T, b: T) -> T {
        if condition != 0 { a } else { b }
    }
}

pub const INSTRUCTION: Instruction = Instruction {
    name: "select",
    forms: &[
        Form::ternary::<Choice, f32>(),
        Form::ternary::<Choice, f64>(),
        Form::ternary::<Choice, i32>(),
        Form::ternary::<Choice, u8>(),
    ],
    meaning: Meaning::Select,
    link: None,
    picoseconds: None,
};

/// condition (…) bool, a (…), b (…) → y (…), the shape that the inputs broadcast to.
#[derive(Debug)]
struct Select;

impl Op for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [condition, a, _] = expect_inputs(self, inputs)?;
        expect_dtype(self, "condition", condition, &[DType::Bool])?;
        expect_one_dtype(self, &inputs[1..])?;
        Ok(vec![TensorType::new(a.dtype, broadcast_inputs(self, inputs)?)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let [condition, a, b] = [node.inputs[0], node.inputs[1], node.inputs[2]];
        let dy = node.doutput();
        let zero = scalar_like(graph, dy, 0.0);
        let part = |graph: &mut Graph, input: Value, if_true: Value, if_false: Value| {
            let shape = graph.shape(input).to_vec();
            let masked = select(graph, condition, if_true, if_false)?;
            sum_to(graph, masked, &shape).map(Some)
        };
        let da = if node.wanted[1] { part(graph, a, dy, zero)? } else { None };
        let db = if node.wanted[2] { part(graph, b, zero, dy)? } else { None };
        Ok(vec![None, da, db])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(INSTRUCTION)
    }
}
