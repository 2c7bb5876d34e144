//! From an instruction sequence to what its run is laid out by: numbered values, kernels, chains, slots of scratch memory.

use std::ops::Range;

use super::chain::{self, Link};
use super::function;
use super::kernel::{Kernel, LANES};
use super::{Access, Arithmetic, InstructionSequence, Operand, Register, Step};
use crate::error::{Error, Result};
use crate::kernels::simd::Isa;
use crate::tensor::DType;

/// A value while an instruction sequence is compiled.
pub struct Value {
    pub dtype: DType,
    /// The same for all elements.
    pub uniform: bool,
    /// False for what only passes from one link of a chain to the next.
    pub in_memory: bool,
}

/// A step while an instruction sequence is compiled.
pub struct DraftStep {
    pub kernel: Kernel,
    /// What a chain can compute in place of the kernel.
    pub link: Option<Arithmetic>,
    /// Values.
    pub inputs: Vec<usize>,
    pub output: usize,
}

/// An instruction sequence with its values numbered, operands first, and its kernels found.
pub struct Draft {
    pub values: Vec<Value>,
    /// Steps on scalars.
    pub once: Vec<DraftStep>,
    pub steps: Vec<DraftStep>,
    /// The value of each output. Each has a step of its own that computes it for every element.
    pub outputs: Vec<usize>,
}

/// Checks an instruction sequence and finds the kernels of its steps.
pub fn draft(sequence: &InstructionSequence, isa: Isa) -> Result<Draft> {
    let defect = |what: String| Error::Internal(format!("a sequence is malformed: {what}"));
    let mut values: Vec<Value> = sequence
        .operands
        .iter()
        .map(|operand| Value {
            dtype: operand.dtype,
            uniform: operand.access == Access::Scalar,
            in_memory: true,
        })
        .collect();
    let mut held: Vec<Option<usize>> = (0..values.len()).map(Some).collect();
    let read = |held: &[Option<usize>], register: Register| {
        let value = held.get(usize::from(register)).copied().flatten();
        value.ok_or_else(|| defect(format!("register {register} is read before it is written")))
    };
    let (mut once, mut steps) = (Vec::new(), Vec::new());
    for step in &sequence.steps {
        let inputs = step.inputs.iter().map(|&input| read(&held, input)).collect::<Result<Vec<_>>>()?;
        let dtypes: Vec<DType> = inputs.iter().map(|&input| values[input].dtype).collect();
        let kernel = match step.instruction.form(&dtypes) {
            Some(form) if form.output == step.dtype => (form.kernel)(isa),
            _ => return Err(defect(format!("{step:?} on inputs of {dtypes:?}"))),
        };
        let uniform = inputs.iter().all(|&input| values[input].uniform);
        let output = values.len();
        values.push(Value { dtype: step.dtype, uniform, in_memory: true });
        let link = step.instruction.link(step.dtype);
        let register = usize::from(step.output);
        held.resize(held.len().max(register + 1), None);
        held[register] = Some(output);
        (if uniform { &mut once } else { &mut steps }).push(DraftStep { kernel, link, inputs, output });
    }
    let mut outputs: Vec<usize> = Vec::new();
    for &register in &sequence.outputs {
        let value = read(&held, register)?;
        if values[value].uniform || value < sequence.operands.len() || outputs.contains(&value) {
            let dtype = values[value].dtype;
            outputs.push(values.len());
            steps.push(DraftStep {
                kernel: function::copy(isa, dtype),
                link: None,
                inputs: vec![value],
                output: values.len(),
            });
            values.push(Value { dtype, uniform: false, in_memory: true });
        } else {
            outputs.push(value);
        }
    }
    let readers = readers(values.len(), &steps, &outputs);
    let lies_ready = |value: usize| value < sequence.operands.len() || values[value].uniform;
    postpone_products(&mut steps, &readers, lies_ready);
    Ok(Draft { values, once, steps, outputs })
}

/// How often each value is read; an output is read once more.
fn readers(values: usize, steps: &[DraftStep], outputs: &[usize]) -> Vec<usize> {
    let mut readers = vec![0; values];
    steps.iter().flat_map(|step| &step.inputs).chain(outputs).for_each(|&value| readers[value] += 1);
    readers
}

/// Moves products of values that lie ready, and that one step reads, to just before that step: a chain can join the two.
fn postpone_products(steps: &mut Vec<DraftStep>, readers: &[usize], lies_ready: impl Fn(usize) -> bool) {
    for place in (0..steps.len()).rev() {
        let DraftStep { link, inputs, output, .. } = &steps[place];
        let is_product = *link == Some(Arithmetic::Multiply);
        if !is_product || readers[*output] != 1 || !inputs.iter().all(|&input| lies_ready(input)) {
            continue;
        }
        let reader = steps.iter().position(|step| step.inputs.contains(output));
        if let Some(reader) = reader.filter(|&reader| reader > place + 1 && steps[reader].link.is_some()) {
            let product = steps.remove(place);
            steps.insert(reader - 1, product);
        }
    }
}

/// Neighbouring steps that run together.
pub struct Run {
    pub steps: Range<usize>,
    /// The chain that takes the place of the kernels of several steps.
    pub links: Vec<Link>,
}

/// Joins neighbouring steps to chains, and notes which values stay in registers.
pub fn join<'a>(values: &mut [Value], steps: &'a [DraftStep], outputs: &[usize]) -> Vec<Run> {
    let readers = readers(values.len(), steps, outputs);
    let kind = |step: &DraftStep| step.link.map(|_| values[step.output].dtype);
    let mut runs = Vec::new();
    let mut start = 0;
    for steps in steps.chunk_by(|a, b| kind(a).is_some() && kind(a) == kind(b)) {
        let mut run = Run { steps: start..start + steps.len(), links: Vec::new() };
        start = run.steps.end;
        let is_chain = steps.len() > 1 || steps[0].link.is_some_and(chain::is_chain_alone);
        let typed = |step: &'a DraftStep| {
            (step.link.expect("steps without one are not joined"), step.inputs.as_slice())
        };
        let mut held = None;
        let mut left = if is_chain { steps } else { &[] };
        while let [step, after @ ..] = left {
            let reader =
                after.first().filter(|next| readers[step.output] == 1 && next.inputs.contains(&step.output));
            let links = &mut run.links;
            left = match (held, reader) {
                (Some(held), Some(reader))
                    if chain::append_with_product(links, held, typed(step), typed(reader), reader.output) =>
                {
                    &after[1..]
                }
                _ => {
                    let (link, inputs) = typed(step);
                    chain::append(links, held, link, inputs, step.output);
                    after
                }
            };
            held = Some(steps[steps.len() - left.len() - 1].output);
        }
        runs.push(run);
    }
    // Stored is what is read again, or an output.
    let mut stored = vec![false; values.len()];
    for &output in outputs {
        stored[output] = true;
    }
    for run in &runs {
        match run.links.is_empty() {
            true => steps[run.steps.start].inputs.iter().for_each(|&input| stored[input] = true),
            false => run
                .links
                .iter()
                .flat_map(|link| link.reads())
                .for_each(|value| stored[usize::from(value)] = true),
        }
    }
    for run in &mut runs {
        run.links.retain(|link| !matches!(link, Link::Store(value) if !stored[usize::from(*value)]));
        for step in steps[run.steps.clone()].iter().filter(|_| !run.links.is_empty()) {
            values[step.output].in_memory = stored[step.output];
        }
    }
    runs
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
        if values[step.output].in_memory {
            slots[step.output] = Some(free.pop().unwrap_or_else(|| {
                count += 1;
                count - 1
            }));
        }
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

/// Picoseconds an element of a step, by `benches/elementwise.rs`, roughly.
pub fn cost(step: &Step) -> u64 {
    step.instruction.cost(step.dtype)
}

/// Picoseconds an element to read an operand, or to write an output, of the caller.
pub fn memory_cost(dtype: DType, access: Access) -> u64 {
    match access {
        Access::Scalar => 0,
        _ => 20 * dtype.size().div_ceil(4) as u64,
    }
}
