//! Ops of one input.

use std::f64::consts::FRAC_2_SQRT_PI;
use std::sync::Arc;

use super::{add, divide, multiply, relu_backward, run_unfused, scalar_like, subtract};
use crate::error::Result;
use crate::graph::{Call, Differentiated, Graph, Op, Value};
use crate::kernels::elementwise::{Instruction, UnaryOp};
use crate::ops::check::{FLOATS, NUMBERS, expect_dtype, expect_inputs};
use crate::ops::registry::Entry;
use crate::tensor::{DType, TensorType};

/// x (…) → y (…).
#[derive(Debug)]
struct Unary(UnaryOp);

macro_rules! table {
    ($($(#[$documentation:meta])* $builder:ident $name:literal $variant:ident;)*) => {
        pub const OPS: &[Entry] = &[$(Entry {
            name: $name,
            build: |attributes| {
                attributes.only(&[])?;
                Ok(Arc::new(Unary(UnaryOp::$variant)))
            },
        }),*];

        $($(#[$documentation])*
        pub fn $builder(graph: &mut Graph, x: Value) -> Result<Value> {
            graph.apply1(Arc::new(Unary(UnaryOp::$variant)), &[x])
        })*

        const fn name(op: UnaryOp) -> &'static str {
            match op {
                $(UnaryOp::$variant => $name,)*
            }
        }
    };
}

table! {
    /// −x
    negative "negative" Negative;
    /// |x|
    abs "abs" Abs;
    /// −1, 0 or 1
    sign "sign" Sign;
    /// x²
    square "square" Square;
    /// 1 / x
    reciprocal "reciprocal" Reciprocal;
    /// √x
    sqrt "sqrt" Sqrt;
    /// 1 / √x
    rsqrt "rsqrt" Rsqrt;
    /// eˣ
    exp "exp" Exp;
    /// eˣ − 1, accurate near 0
    expm1 "expm1" Expm1;
    /// ln x
    log "log" Log;
    /// ln(1 + x), accurate near 0
    log1p "log1p" Log1p;
    /// sin x
    sin "sin" Sin;
    /// cos x
    cos "cos" Cos;
    /// tanh x
    tanh "tanh" Tanh;
    /// 1 / (1 + e⁻ˣ)
    sigmoid "sigmoid" Sigmoid;
    /// max(x, 0)
    relu "relu" Relu;
    /// 2/√π ∫₀ˣ exp(−t²) dt
    erf "erf" Erf;
    /// ⌊x⌋
    floor "floor" Floor;
    /// ⌈x⌉
    ceil "ceil" Ceil;
    /// The nearest integer, halves to the even one
    round "round" Round;
    /// x → bool
    is_nan "isnan" IsNan;
    /// x → bool
    is_finite "isfinite" IsFinite;
    /// bool → bool
    logical_not "logical_not" LogicalNot;
}

const BOOL: &[DType] = &[DType::Bool];

impl Op for Unary {
    fn name(&self) -> &'static str {
        name(self.0)
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        let dtypes = match self.0 {
            UnaryOp::Negative | UnaryOp::Abs | UnaryOp::Sign | UnaryOp::Square | UnaryOp::Relu => NUMBERS,
            UnaryOp::LogicalNot => BOOL,
            _ => FLOATS,
        };
        expect_dtype(self, "x", x, dtypes)?;
        let dtype = match self.0 {
            UnaryOp::IsNan | UnaryOp::IsFinite => DType::Bool,
            _ => x.dtype,
        };
        Ok(vec![TensorType::new(dtype, &*x.shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (x, y, dy) = (node.inputs[0], node.outputs[0], node.doutput());
        let dx = match self.0 {
            UnaryOp::Negative => negative(graph, dy)?,
            UnaryOp::Abs => {
                let sign = sign(graph, x)?;
                multiply(graph, dy, sign)?
            }
            UnaryOp::Square => {
                let two = scalar_like(graph, x, 2.0);
                let slope = multiply(graph, two, x)?;
                multiply(graph, dy, slope)?
            }
            // −dy · y²
            UnaryOp::Reciprocal => {
                let square = square(graph, y)?;
                let slope = negative(graph, square)?;
                multiply(graph, dy, slope)?
            }
            // dy / 2y
            UnaryOp::Sqrt => {
                let half = scalar_like(graph, y, 0.5);
                let slope = divide(graph, half, y)?;
                multiply(graph, dy, slope)?
            }
            // −dy · y / 2x
            UnaryOp::Rsqrt => {
                let minus_half = scalar_like(graph, y, -0.5);
                let scaled = multiply(graph, minus_half, y)?;
                let slope = divide(graph, scaled, x)?;
                multiply(graph, dy, slope)?
            }
            UnaryOp::Exp => multiply(graph, dy, y)?,
            UnaryOp::Expm1 => {
                let one = scalar_like(graph, y, 1.0);
                let slope = add(graph, y, one)?;
                multiply(graph, dy, slope)?
            }
            UnaryOp::Log => divide(graph, dy, x)?,
            UnaryOp::Log1p => {
                let one = scalar_like(graph, x, 1.0);
                let sum = add(graph, x, one)?;
                divide(graph, dy, sum)?
            }
            UnaryOp::Sin => {
                let slope = cos(graph, x)?;
                multiply(graph, dy, slope)?
            }
            UnaryOp::Cos => {
                let sine = sin(graph, x)?;
                let slope = negative(graph, sine)?;
                multiply(graph, dy, slope)?
            }
            // dy · (1 − y²)
            UnaryOp::Tanh => {
                let one = scalar_like(graph, y, 1.0);
                let square = square(graph, y)?;
                let slope = subtract(graph, one, square)?;
                multiply(graph, dy, slope)?
            }
            // dy · y · (1 − y)
            UnaryOp::Sigmoid => {
                let one = scalar_like(graph, y, 1.0);
                let rest = subtract(graph, one, y)?;
                let slope = multiply(graph, y, rest)?;
                multiply(graph, dy, slope)?
            }
            UnaryOp::Relu => relu_backward(graph, dy, y)?,
            // dy · 2/√π · exp(−x²)
            UnaryOp::Erf => {
                let square = square(graph, x)?;
                let exponent = negative(graph, square)?;
                let bell = exp(graph, exponent)?;
                let factor = scalar_like(graph, x, FRAC_2_SQRT_PI);
                let slope = multiply(graph, bell, factor)?;
                multiply(graph, dy, slope)?
            }
            UnaryOp::Sign
            | UnaryOp::Floor
            | UnaryOp::Ceil
            | UnaryOp::Round
            | UnaryOp::IsNan
            | UnaryOp::IsFinite
            | UnaryOp::LogicalNot => return Ok(vec![None]),
        };
        Ok(vec![Some(dx)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(Instruction::Unary(self.0))
    }
}
