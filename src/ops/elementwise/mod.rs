//! Elementwise ops. None has a kernel of its own: chains of them become one fused loop over their instructions.

mod arithmetic;
mod binary;
mod cast;
mod comparison;
mod division;
mod error_function;
mod exponentials;
mod extremes;
mod hyperbolic;
mod power;
mod predicates;
mod roots;
mod rounding;
mod select;
mod signs;
mod trigonometric;
mod unary;

pub use arithmetic::*;
pub use binary::Binary;
pub use cast::cast;
pub use comparison::*;
pub use division::*;
pub use error_function::*;
pub use exponentials::*;
pub use extremes::*;
pub use hyperbolic::*;
pub use power::*;
pub use predicates::*;
pub use roots::*;
pub use rounding::*;
pub use select::select;
pub use signs::*;
pub use trigonometric::*;
pub use unary::Unary;

use crate::error::{Error, Result};
use crate::graph::{Call, Graph, Op, Value};
use crate::kernels::elementwise::{Form, Instruction};
use crate::ops::check::expect_dtype;
use crate::ops::entry::Entry;
use crate::tensor::{DType, Tensor, TensorType};

/// The tables of ops of one input.
pub const UNARY: &[&[&Unary]] = &[
    error_function::ROWS,
    exponentials::ROWS,
    hyperbolic::ROWS,
    predicates::ROWS,
    roots::ROWS,
    rounding::ROWS,
    signs::ROWS,
    trigonometric::ROWS,
];

/// The tables of ops of two inputs.
pub const BINARY: &[&[&Binary]] =
    &[arithmetic::ROWS, comparison::ROWS, division::ROWS, extremes::ROWS, power::ROWS];

/// The entries of the registry.
pub const FAMILIES: &[&[Entry]] = &[
    arithmetic::OPS,
    cast::OPS,
    comparison::OPS,
    division::OPS,
    error_function::OPS,
    exponentials::OPS,
    extremes::OPS,
    hyperbolic::OPS,
    power::OPS,
    predicates::OPS,
    roots::OPS,
    rounding::OPS,
    select::OPS,
    signs::OPS,
    trigonometric::OPS,
];

/// Every instruction that there is.
pub fn instructions() -> impl Iterator<Item = Instruction> {
    let unary = UNARY.iter().copied().flatten().map(|row| row.instruction());
    let binary = BINARY.iter().copied().flatten().map(|row| row.instruction());
    let casts = [DType::F32, DType::F64, DType::I32, DType::Bool].map(cast::instruction);
    unary.chain(binary).chain([select::INSTRUCTION]).chain(casts)
}

/// The instruction of this name.
///
/// # Panics
/// Where there is none: names are written in the source.
pub fn instruction(name: &str) -> Instruction {
    instructions()
        .find(|instruction| instruction.name == name)
        .unwrap_or_else(|| panic!("no instruction {name:?}"))
}

/// A constant of rank 0 and of the dtype of `like`, which broadcasts against it.
pub fn scalar_like(graph: &mut Graph, like: Value, value: f64) -> Value {
    let dtype = graph.ty(like).dtype;
    graph.constant(Tensor::scalar(dtype, value))
}

/// The shape that two shapes broadcast to, as in NumPy.
pub fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let extent =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    (0..rank)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (1, n) | (n, 1) => Some(n),
            (n, m) if n == m => Some(n),
            _ => None,
        })
        .collect()
}

/// The shape that `inputs` broadcast to, or why they do not.
fn broadcast_inputs(op: &dyn Op, inputs: &[&TensorType]) -> Result<Vec<usize>> {
    inputs
        .iter()
        .try_fold(Vec::new(), |shape, input| broadcast_shapes(&shape, &input.shape))
        .ok_or_else(|| mismatch(op, "shapes that broadcast to one another", inputs))
}

/// Fails where two inputs have different dtypes.
fn expect_one_dtype(op: &dyn Op, inputs: &[&TensorType]) -> Result<()> {
    if inputs.windows(2).all(|pair| pair[0].dtype == pair[1].dtype) {
        return Ok(());
    }
    Err(mismatch(op, "inputs of one dtype", inputs))
}

/// The form of the dtype of `x`, an input with this name.
fn expect_form(op: &dyn Op, name: &str, x: &TensorType, forms: &'static [Form]) -> Result<&'static Form> {
    let dtypes: Vec<DType> = forms.iter().map(|form| form.inputs[0]).collect();
    expect_dtype(op, name, x, &dtypes)?;
    Ok(forms.iter().find(|form| form.inputs[0] == x.dtype).expect("the dtype is one of the forms'"))
}

fn mismatch(op: &dyn Op, expected: &str, inputs: &[&TensorType]) -> Error {
    let received: Vec<String> = inputs.iter().map(|input| input.to_string()).collect();
    Error::Shape(format!("{} expects {expected}. Received: {}", op.name(), received.join(", ")))
}

/// The `run` of every elementwise op, which the engine never calls.
fn run_unfused(op: &dyn Op, _: &mut Call<'_>) -> Result<()> {
    Err(Error::Internal(format!("{} was run outside a fused loop", op.name())))
}

#[cfg(test)]
mod tests;
