//! Comparisons, and the logic of their results. Bools have no gradient.

use std::sync::Arc;

use super::{broadcast_inputs, expect_one_dtype, run_unfused};
use crate::error::Result;
use crate::graph::{Call, Graph, Op, Value};
use crate::kernels::elementwise::{CompareOp, Instruction, LogicalOp};
use crate::ops::check::{expect_dtype, expect_inputs};
use crate::ops::registry::Entry;
use crate::tensor::{DType, TensorType};

/// a (…), b (…) → bool (…), the shape that the inputs broadcast to.
#[derive(Debug)]
struct Compare(CompareOp);

/// a (…) bool, b (…) bool → bool (…), the shape that the inputs broadcast to.
#[derive(Debug)]
struct Logical(LogicalOp);

macro_rules! table {
    ($($(#[$documentation:meta])* $builder:ident $name:literal $kind:ident $op:ident $variant:ident;)*) => {
        pub const OPS: &[Entry] = &[$(Entry {
            name: $name,
            build: |attributes| {
                attributes.only(&[])?;
                Ok(Arc::new($kind($op::$variant)))
            },
        }),*];

        $($(#[$documentation])*
        pub fn $builder(graph: &mut Graph, a: Value, b: Value) -> Result<Value> {
            graph.apply1(Arc::new($kind($op::$variant)), &[a, b])
        })*
    };
}

table! {
    /// a = b
    equal "equal" Compare CompareOp Equal;
    /// a ≠ b
    not_equal "not_equal" Compare CompareOp NotEqual;
    /// a < b
    less "less" Compare CompareOp Less;
    /// a ≤ b
    less_equal "less_equal" Compare CompareOp LessEqual;
    /// a > b
    greater "greater" Compare CompareOp Greater;
    /// a ≥ b
    greater_equal "greater_equal" Compare CompareOp GreaterEqual;
    /// a and b
    logical_and "logical_and" Logical LogicalOp And;
    /// a or b
    logical_or "logical_or" Logical LogicalOp Or;
}

impl Op for Compare {
    fn name(&self) -> &'static str {
        match self.0 {
            CompareOp::Equal => "equal",
            CompareOp::NotEqual => "not_equal",
            CompareOp::Less => "less",
            CompareOp::LessEqual => "less_equal",
            CompareOp::Greater => "greater",
            CompareOp::GreaterEqual => "greater_equal",
        }
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [_, _] = expect_inputs(self, inputs)?;
        expect_one_dtype(self, inputs)?;
        Ok(vec![TensorType::new(DType::Bool, broadcast_inputs(self, inputs)?)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(Instruction::Compare(self.0))
    }
}

impl Op for Logical {
    fn name(&self) -> &'static str {
        match self.0 {
            LogicalOp::And => "logical_and",
            LogicalOp::Or => "logical_or",
        }
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [a, b] = expect_inputs(self, inputs)?;
        expect_dtype(self, "inputs", a, &[DType::Bool])?;
        expect_dtype(self, "inputs", b, &[DType::Bool])?;
        Ok(vec![TensorType::new(DType::Bool, broadcast_inputs(self, inputs)?)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(Instruction::Logical(self.0))
    }
}
