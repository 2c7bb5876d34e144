//! From a tape to what its run is laid out by: numbered values, kernels, slots of scratch memory.

use super::kernel::{self, Kernel, LANES};
use super::{Access, BinaryOp, Instruction, Operand, Register, Step, Tape, UnaryOp};
use crate::error::{Error, Result};
use crate::kernels::simd::Isa;
use crate::tensor::DType;

/// A value while a tape is compiled.
pub struct Value {
    pub dtype: DType,
    /// The same for all elements.
    pub uniform: bool,
}

/// A step while a tape is compiled.
pub struct DraftStep {
    pub kernel: Kernel,
    /// Values.
    pub inputs: Vec<usize>,
    pub output: usize,
}

/// A tape with its values numbered, operands first, and its kernels found.
pub struct Draft {
    pub values: Vec<Value>,
    /// Steps on scalars.
    pub once: Vec<DraftStep>,
    pub steps: Vec<DraftStep>,
    /// The value of each output. Each has a step of its own that computes it for every element.
    pub outputs: Vec<usize>,
}

/// Checks a tape and finds the kernels of its steps.
pub fn draft(tape: &Tape, isa: Isa) -> Result<Draft> {
    let defect = |what: String| Error::Internal(format!("a tape is malformed: {what}"));
    let mut values: Vec<Value> = tape
        .operands
        .iter()
        .map(|operand| Value { dtype: operand.dtype, uniform: operand.access == Access::Scalar })
        .collect();
    let mut held: Vec<Option<usize>> = (0..values.len()).map(Some).collect();
    let read = |held: &[Option<usize>], register: Register| {
        let value = held.get(usize::from(register)).copied().flatten();
        value.ok_or_else(|| defect(format!("register {register} is read before it is written")))
    };
    let (mut once, mut steps) = (Vec::new(), Vec::new());
    for step in &tape.steps {
        let inputs = step.inputs.iter().map(|&input| read(&held, input)).collect::<Result<Vec<_>>>()?;
        let dtypes: Vec<DType> = inputs.iter().map(|&input| values[input].dtype).collect();
        let kernel = match kernel::kernel(isa, step.instruction, &dtypes) {
            Some((kernel, dtype)) if dtype == step.dtype => kernel,
            _ => return Err(defect(format!("{step:?} on inputs of {dtypes:?}"))),
        };
        let uniform = inputs.iter().all(|&input| values[input].uniform);
        let output = values.len();
        values.push(Value { dtype: step.dtype, uniform });
        let register = usize::from(step.output);
        held.resize(held.len().max(register + 1), None);
        held[register] = Some(output);
        (if uniform { &mut once } else { &mut steps }).push(DraftStep { kernel, inputs, output });
    }
    let mut outputs: Vec<usize> = Vec::new();
    for &register in &tape.outputs {
        let value = read(&held, register)?;
        if values[value].uniform || value < tape.operands.len() || outputs.contains(&value) {
            let dtype = values[value].dtype;
            outputs.push(values.len());
            steps.push(DraftStep {
                kernel: kernel::copy(isa, dtype),
                inputs: vec![value],
                output: values.len(),
            });
            values.push(Value { dtype, uniform: false });
        } else {
            outputs.push(value);
        }
    }
    Ok(Draft { values, once, steps, outputs })
}

/// Gives every value that needs a tile of scratch memory a slot that no other value needs at the same time:
/// (the slot of each value, the number of slots).
pub fn assign_slots(
    values: &[Value],
    steps: &[DraftStep],
    outputs: &[usize],
    is_spread: impl Fn(usize) -> bool,
) -> (Vec<Option<usize>>, usize) {
    let mut last_read = vec![None; values.len()];
    for (time, step) in steps.iter().enumerate() {
        for &input in &step.inputs {
            last_read[input] = Some(time);
        }
    }
    let mut slots: Vec<Option<usize>> = vec![None; values.len()];
    let mut count = 0;
    // Spread-out operands keep theirs for the whole run.
    for value in (0..values.len()).filter(|&value| is_spread(value)) {
        slots[value] = Some(count);
        count += 1;
    }
    let mut free: Vec<usize> = Vec::new();
    for (time, step) in steps.iter().enumerate() {
        let mut dying: Vec<usize> = step.inputs.clone();
        dying.sort_unstable();
        dying.dedup();
        dying.retain(|&input| {
            last_read[input] == Some(time)
                && !is_spread(input)
                && !outputs.contains(&input)
                && slots[input].is_some()
        });
        // The output may overwrite an input chunk by chunk, unless its elements are larger.
        let size = values[step.output].dtype.size();
        let (over, after): (Vec<usize>, Vec<usize>) =
            dying.into_iter().partition(|&input| values[input].dtype.size() >= size);
        free.extend(over.into_iter().filter_map(|input| slots[input]));
        slots[step.output] = Some(free.pop().unwrap_or_else(|| {
            count += 1;
            count - 1
        }));
        free.extend(after.into_iter().filter_map(|input| slots[input]));
        if last_read[step.output].is_none() && !outputs.contains(&step.output) {
            free.extend(slots[step.output]);
        }
    }
    (slots, count)
}

/// The largest tile up to `tile` that holds whole periods of a row operand and whole chunks, if there is one.
pub fn whole_periods(tile: usize, operands: &[Operand]) -> usize {
    let period = operands.iter().find_map(|operand| match operand.access {
        Access::Row { period } => Some(period.max(1)),
        _ => None,
    });
    let unit = period.map_or(LANES, |period| least_common_multiple(period, LANES));
    if unit <= tile { tile / unit * unit } else { tile }
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (a / divisor).saturating_mul(b)
}

/// Picoseconds an element while a tile is in the L1 cache, as measured by `benches/elementwise.rs`, roughly.
pub fn cost(step: &Step) -> u64 {
    let cheap = 30 * step.dtype.size().div_ceil(4) as u64;
    match step.instruction {
        Instruction::Unary(
            UnaryOp::Exp
            | UnaryOp::Expm1
            | UnaryOp::Log
            | UnaryOp::Log1p
            | UnaryOp::Sin
            | UnaryOp::Cos
            | UnaryOp::Tanh
            | UnaryOp::Sigmoid
            | UnaryOp::Erf,
        ) => match step.dtype {
            DType::F64 => 10_000,
            _ => 400,
        },
        Instruction::Binary(BinaryOp::Power | BinaryOp::Mod | BinaryOp::FloorDivide) => 5_000,
        _ => cheap,
    }
}
