//! Arithmetic of two inputs, which broadcast to one another.

use std::sync::Arc;

use super::{broadcast_inputs, equal, expect_one_dtype, log, negative, run_unfused, scalar_like, select};
use crate::error::Result;
use crate::graph::{Call, Differentiated, Graph, Op, Source, Value};
use crate::kernels::elementwise::{BinaryOp, Instruction};
use crate::ops::check::{FLOATS, NUMBERS, expect_dtype, expect_inputs};
use crate::ops::reduce::sum_to;
use crate::ops::registry::Entry;
use crate::tensor::{Tensor, TensorType};

/// a (…), b (…) → y (…), the shape that the inputs broadcast to.
#[derive(Debug)]
struct Binary(BinaryOp);

macro_rules! table {
    ($($(#[$documentation:meta])* $builder:ident $name:literal $variant:ident;)*) => {
        pub const OPS: &[Entry] = &[$(Entry {
            name: $name,
            build: |attributes| {
                attributes.only(&[])?;
                Ok(Arc::new(Binary(BinaryOp::$variant)))
            },
        }),*];

        $($(#[$documentation])*
        pub fn $builder(graph: &mut Graph, a: Value, b: Value) -> Result<Value> {
            graph.apply1(Arc::new(Binary(BinaryOp::$variant)), &[a, b])
        })*

        const fn name(op: BinaryOp) -> &'static str {
            match op {
                $(BinaryOp::$variant => $name,)*
            }
        }
    };
}

table! {
    /// a + b
    add "add" Add;
    /// a − b
    subtract "subtract" Subtract;
    /// a · b
    multiply "multiply" Multiply;
    /// a / b
    divide "divide" Divide;
    /// aᵇ
    power "power" Power;
    /// The greater one; NaN where either is NaN
    maximum "maximum" Maximum;
    /// The lesser one; NaN where either is NaN
    minimum "minimum" Minimum;
    /// a − b·⌊a / b⌋
    modulo "mod" Mod;
    /// ⌊a / b⌋
    floor_divide "floor_divide" FloorDivide;
    /// a where b > 0, else 0: the gradient of a ReLU's input, for the gradient a of its output b
    relu_backward "relu_backward" ReluBackward;
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        name(self.0)
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [a, _] = expect_inputs(self, inputs)?;
        expect_one_dtype(self, inputs)?;
        expect_dtype(self, "inputs", a, if self.0 == BinaryOp::Divide { FLOATS } else { NUMBERS })?;
        Ok(vec![TensorType::new(a.dtype, broadcast_inputs(self, inputs)?)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (a, b, y, dy) = (node.inputs[0], node.inputs[1], node.outputs[0], node.doutput());
        let da = if node.wanted[0] { self.gradient_a(graph, a, b, y, dy)? } else { None };
        let db = if node.wanted[1] { self.gradient_b(graph, a, b, y, dy)? } else { None };
        Ok(vec![reduced(graph, da, a)?, reduced(graph, db, b)?])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(Instruction::Binary(self.0))
    }
}

/// Sums a gradient of the broadcast shape back to the shape of `input`.
fn reduced(graph: &mut Graph, gradient: Option<Value>, input: Value) -> Result<Option<Value>> {
    let shape = graph.shape(input).to_vec();
    gradient.map(|gradient| sum_to(graph, gradient, &shape)).transpose()
}

impl Binary {
    fn gradient_a(
        &self,
        graph: &mut Graph,
        a: Value,
        b: Value,
        y: Value,
        dy: Value,
    ) -> Result<Option<Value>> {
        Ok(Some(match self.0 {
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Mod => dy,
            BinaryOp::Multiply => multiply(graph, dy, b)?,
            BinaryOp::Divide => divide(graph, dy, b)?,
            BinaryOp::Power => return power_gradient_a(graph, a, b, dy),
            BinaryOp::Maximum | BinaryOp::Minimum => chosen(graph, a, a, b, y, dy)?,
            BinaryOp::ReluBackward => relu_backward(graph, dy, b)?,
            BinaryOp::FloorDivide => return Ok(None),
        }))
    }

    fn gradient_b(
        &self,
        graph: &mut Graph,
        a: Value,
        b: Value,
        y: Value,
        dy: Value,
    ) -> Result<Option<Value>> {
        Ok(Some(match self.0 {
            BinaryOp::Add => dy,
            BinaryOp::Subtract => negative(graph, dy)?,
            BinaryOp::Multiply => multiply(graph, dy, a)?,
            // −dy · y / b
            BinaryOp::Divide => {
                let ratio = divide(graph, y, b)?;
                let slope = negative(graph, ratio)?;
                multiply(graph, dy, slope)?
            }
            BinaryOp::Power => power_gradient_b(graph, a, y, dy)?,
            BinaryOp::Maximum | BinaryOp::Minimum => chosen(graph, b, a, b, y, dy)?,
            // −dy · ⌊a / b⌋
            BinaryOp::Mod => {
                let quotient = floor_divide(graph, a, b)?;
                let slope = negative(graph, quotient)?;
                multiply(graph, dy, slope)?
            }
            BinaryOp::FloorDivide | BinaryOp::ReluBackward => return Ok(None),
        }))
    }
}

/// dy where `input` is the one that was chosen, half of it where both are equal.
fn chosen(graph: &mut Graph, input: Value, a: Value, b: Value, y: Value, dy: Value) -> Result<Value> {
    let half = scalar_like(graph, dy, 0.5);
    let zero = scalar_like(graph, dy, 0.0);
    let tie = equal(graph, a, b)?;
    let halved = multiply(graph, dy, half)?;
    let share = select(graph, tie, halved, dy)?;
    let is_chosen = equal(graph, input, y)?;
    select(graph, is_chosen, share, zero)
}

/// dy · b · aᵇ⁻¹, and 0 where b = 0.
fn power_gradient_a(graph: &mut Graph, a: Value, b: Value, dy: Value) -> Result<Option<Value>> {
    let constant = constant_scalar(graph, b);
    if constant == Some(0.0) {
        return Ok(None);
    }
    if constant == Some(1.0) {
        return Ok(Some(dy));
    }
    let one = scalar_like(graph, b, 1.0);
    let lowered = match constant {
        Some(exponent) => scalar_like(graph, b, exponent - 1.0),
        None => subtract(graph, b, one)?,
    };
    let lower_power = if constant == Some(2.0) { a } else { power(graph, a, lowered)? };
    let mut slope = multiply(graph, b, lower_power)?;
    if constant.is_none() {
        let zero = scalar_like(graph, b, 0.0);
        let is_zero = equal(graph, b, zero)?;
        slope = select(graph, is_zero, zero, slope)?;
    }
    Ok(Some(multiply(graph, dy, slope)?))
}

/// dy · y · ln a, where ln 0 counts as 0: the limit for every positive exponent.
fn power_gradient_b(graph: &mut Graph, a: Value, y: Value, dy: Value) -> Result<Value> {
    let zero = scalar_like(graph, a, 0.0);
    let one = scalar_like(graph, a, 1.0);
    let is_zero = equal(graph, a, zero)?;
    let safe = select(graph, is_zero, one, a)?;
    let log = log(graph, safe)?;
    let slope = multiply(graph, y, log)?;
    multiply(graph, dy, slope)
}

/// The number that `value` is, if it is a constant of one element.
fn constant_scalar(graph: &Graph, value: Value) -> Option<f64> {
    match graph.source(value) {
        Source::Constant(tensor) => match tensor.as_ref() {
            Tensor::F32(array) if array.len() == 1 => array.first().map(|&value| f64::from(value)),
            Tensor::F64(array) if array.len() == 1 => array.first().copied(),
            _ => None,
        },
        _ => None,
    }
}
