//! Instruction sequences against the reference, on every instruction set that the machine has.

// A list of one range is meant as such.
#![allow(clippy::single_range_in_vec_init)]

use proptest::prelude::*;

use crate::kernels::elementwise::reference::{self, Scalar};
use crate::kernels::elementwise::{
    Access, FusedKernel, Instruction, InstructionSequence, Operand, Register, Step,
};
use crate::kernels::simd::Isa;
use crate::ops::elementwise::{BINARY, UNARY, instruction};
use crate::tensor::DType;

const DTYPES: [DType; 4] = [DType::F32, DType::F64, DType::I32, DType::Bool];

/// An array of scalars as bytes, and back.
fn to_bytes(scalars: &[Scalar]) -> Vec<u8> {
    scalars
        .iter()
        .flat_map(|&scalar| match scalar {
            Scalar::F32(value) => value.to_ne_bytes().to_vec(),
            Scalar::F64(value) => value.to_ne_bytes().to_vec(),
            Scalar::I32(value) => value.to_ne_bytes().to_vec(),
            Scalar::Bool(value) => vec![u8::from(value)],
        })
        .collect()
}

fn from_bytes(dtype: DType, bytes: &[u8]) -> Vec<Scalar> {
    bytes
        .chunks(dtype.size())
        .map(|bytes| match dtype {
            DType::F32 => Scalar::F32(f32::from_ne_bytes(bytes.try_into().unwrap())),
            DType::F64 => Scalar::F64(f64::from_ne_bytes(bytes.try_into().unwrap())),
            DType::I32 => Scalar::I32(i32::from_ne_bytes(bytes.try_into().unwrap())),
            DType::Bool => {
                assert!(bytes[0] <= 1, "a bool is 0 or 1");
                Scalar::Bool(bytes[0] == 1)
            }
        })
        .collect()
}

/// Equal, both NaN, or within a few ulp.
fn is_near(got: Scalar, expected: Scalar) -> bool {
    match (got, expected) {
        (Scalar::F32(a), Scalar::F32(b)) => {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 8.0 * f32::EPSILON * b.abs() + 1e-44
        }
        (Scalar::F64(a), Scalar::F64(b)) => {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 8.0 * f64::EPSILON * b.abs()
        }
        _ => got == expected,
    }
}

/// Numbers of both signs, zeros, and the special values of the type.
fn numbers(dtype: DType, size: usize, seed: usize) -> Vec<Scalar> {
    let special = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0, -1.0, 1e30, -1e-30];
    (0..size)
        .map(|index| {
            let mixed = (index + 1).wrapping_mul(seed.wrapping_mul(2).wrapping_add(0x9E37_79B9)) >> 7;
            let plain = ((mixed % 1601) as f64 - 800.0) / 100.0;
            match dtype {
                DType::F32 | DType::F64 if mixed % 11 == 0 => {
                    Scalar::new(dtype, special[mixed / 11 % special.len()])
                }
                DType::I32 if mixed % 11 == 0 => Scalar::I32([i32::MIN, i32::MAX, -1, 1][mixed / 11 % 4]),
                DType::Bool => Scalar::Bool(plain > 0.0),
                _ => Scalar::new(dtype, plain),
            }
        })
        .collect()
}

fn operand_size(access: Access, size: usize) -> usize {
    match access {
        Access::Full => size,
        Access::Scalar => 1,
        Access::Row { period } => period,
        Access::Column { repeat } => size.div_ceil(repeat),
    }
}

fn operand_index(access: Access, index: usize) -> usize {
    match access {
        Access::Full => index,
        Access::Scalar => 0,
        Access::Row { period } => index % period,
        Access::Column { repeat } => index / repeat,
    }
}

/// What the sequence gives for element `index`: every output.
fn expected(sequence: &InstructionSequence, inputs: &[Vec<Scalar>], index: usize) -> Vec<Scalar> {
    let mut registers: Vec<Option<Scalar>> = vec![None; 1 << 10];
    for (register, (operand, input)) in sequence.operands.iter().zip(inputs).enumerate() {
        registers[register] = Some(input[operand_index(operand.access, index)]);
    }
    for step in &sequence.steps {
        let inputs: Vec<Scalar> =
            step.inputs.iter().map(|&input| registers[usize::from(input)].unwrap()).collect();
        registers[usize::from(step.output)] = Some(reference::evaluate(step.instruction, &inputs));
    }
    sequence.outputs.iter().map(|&output| registers[usize::from(output)].unwrap()).collect()
}

fn output_dtypes(sequence: &InstructionSequence) -> Vec<DType> {
    sequence
        .outputs
        .iter()
        .map(|&register| {
            let step = sequence.steps.iter().rev().find(|step| step.output == register);
            step.map_or_else(|| sequence.operands[usize::from(register)].dtype, |step| step.dtype)
        })
        .collect()
}

/// Runs the sequence on `ranges` of arrays of `size` elements; `over[n]` is the operand whose memory output `n` shares.
fn run(
    isa: Isa,
    sequence: &InstructionSequence,
    inputs: &[Vec<Scalar>],
    size: usize,
    ranges: &[std::ops::Range<usize>],
    over: &[Option<usize>],
) -> Vec<Vec<u8>> {
    let compiled = FusedKernel::new(sequence, isa).unwrap();
    let mut inputs: Vec<Vec<u8>> = inputs.iter().map(|input| to_bytes(input)).collect();
    let mut outputs: Vec<Vec<u8>> =
        output_dtypes(sequence).iter().map(|dtype| vec![0xEE; size * dtype.size()]).collect();
    let inputs_at: Vec<*mut u8> = inputs.iter_mut().map(|input| input.as_mut_ptr()).collect();
    let outputs_at: Vec<*mut u8> = outputs
        .iter_mut()
        .zip(over)
        .map(|(output, over)| over.map_or(output.as_mut_ptr(), |operand| inputs_at[operand]))
        .collect();
    let read_only: Vec<*const u8> = inputs_at.iter().map(|input| input.cast_const()).collect();
    for range in ranges {
        // SAFETY: the arrays hold `size` elements, and the ranges are within.
        unsafe { compiled.run(read_only[..].into(), &outputs_at, std::iter::once(range.clone())) };
    }
    over.iter()
        .enumerate()
        .map(|(n, over)| over.map_or(outputs[n].clone(), |at| inputs[at].clone()))
        .collect()
}

/// Checks an instruction sequence on `ranges`, and that nothing outside them is written.
fn check(
    sequence: &InstructionSequence,
    inputs: &[Vec<Scalar>],
    size: usize,
    ranges: &[std::ops::Range<usize>],
) {
    for isa in Isa::available() {
        let outputs = run(isa, sequence, inputs, size, ranges, &vec![None; sequence.outputs.len()]);
        for (n, (dtype, bytes)) in output_dtypes(sequence).into_iter().zip(&outputs).enumerate() {
            for index in 0..size {
                let element = &bytes[index * dtype.size()..(index + 1) * dtype.size()];
                if ranges.iter().any(|range| range.contains(&index)) {
                    let got = from_bytes(dtype, element)[0];
                    let expected = expected(sequence, inputs, index)[n];
                    assert!(
                        is_near(got, expected),
                        "{isa:?}: output {n}, element {index}: {got:?}, expected {expected:?}; {sequence:?}, of {:?}",
                        sequence
                            .operands
                            .iter()
                            .zip(inputs)
                            .map(|(operand, input)| input[operand_index(operand.access, index)])
                            .collect::<Vec<_>>()
                    );
                } else {
                    assert!(element.iter().all(|&byte| byte == 0xEE), "{isa:?}: element {index} was written");
                }
            }
        }
    }
}

/// An instruction with the dtypes of its inputs and output.
type Typed = (Instruction, &'static [DType], DType);

/// Every instruction with the dtypes of its inputs and output.
fn instructions() -> Vec<Typed> {
    let typed = |instruction: Instruction| {
        instruction.forms.iter().map(move |form| (instruction, form.inputs, form.output))
    };
    super::super::instructions().flat_map(typed).collect()
}

/// Those that give the bits of the reference, so that errors stay small however many follow one another. A floored
/// quotient differs only where it is larger than all others here.
fn exact_instructions() -> Vec<Typed> {
    let unary = UNARY.iter().copied().flatten().filter(|row| row.ulps > 0.5).map(|row| row.name);
    let binary = BINARY.iter().copied().flatten().filter(|row| row.ulps > 0.5).map(|row| row.name);
    let inexact: Vec<&str> = unary.chain(binary).collect();
    let is_exact = |name| !inexact.contains(&name) || name == "floor_divide";
    instructions().into_iter().filter(|(instruction, ..)| is_exact(instruction.name)).collect()
}

#[test]
fn every_instruction_of_every_access() {
    let size = 1207;
    let accesses = [
        Access::Full,
        Access::Scalar,
        Access::Row { period: 17 },
        Access::Row { period: 1100 },
        Access::Column { repeat: 71 },
        Access::Column { repeat: 5 },
    ];
    for (instruction, dtypes, dtype) in instructions() {
        for (turn, access) in accesses.into_iter().enumerate() {
            let operands: Vec<Operand> = dtypes
                .iter()
                .enumerate()
                // Each input has another access.
                .map(|(index, &dtype)| Operand {
                    dtype,
                    access: if index == 0 {
                        access
                    } else {
                        accesses[(turn * index + index) % accesses.len()]
                    },
                })
                .collect();
            let inputs: Vec<Vec<Scalar>> = operands
                .iter()
                .enumerate()
                .map(|(index, operand)| {
                    numbers(operand.dtype, operand_size(operand.access, size), 31 * turn + index)
                })
                .collect();
            let output = dtypes.len() as Register;
            let step = Step { instruction, inputs: (0..output).collect(), output, dtype };
            let sequence = InstructionSequence { operands, steps: vec![step], outputs: vec![output] };
            check(&sequence, &inputs, size, &[3..7, 20..1101, 1101..1102]);
        }
    }
}

/// y = gelu-like chain of f32 with a bias row, a per-row factor and a scalar.
fn chain() -> InstructionSequence {
    let f32 = |access| Operand { dtype: DType::F32, access };
    let step = |instruction, inputs: &[Register], output| Step {
        instruction,
        inputs: inputs.to_vec(),
        output,
        dtype: DType::F32,
    };
    InstructionSequence {
        operands: vec![
            f32(Access::Full),
            f32(Access::Row { period: 24 }),
            f32(Access::Column { repeat: 24 }),
            f32(Access::Scalar),
        ],
        steps: vec![
            step(instruction("add"), &[0, 1], 4),
            step(instruction("multiply"), &[4, 2], 5),
            step(instruction("square"), &[3], 6),
            step(instruction("multiply"), &[5, 6], 7),
            step(instruction("tanh"), &[7], 8),
            step(instruction("multiply"), &[8, 4], 9),
        ],
        outputs: vec![9, 4, 6, 9, 1],
    }
}

#[test]
fn a_chain_with_every_access_and_outputs_of_every_kind() {
    let sequence = chain();
    for size in [1, 15, 16, 17, 24, 96, 1000, 5000] {
        let inputs: Vec<Vec<Scalar>> = sequence
            .operands
            .iter()
            .enumerate()
            .map(|(index, operand)| numbers(DType::F32, operand_size(operand.access, size), index + 5))
            .collect();
        check(&sequence, &inputs, size, &[0..size]);
        check(&sequence, &inputs, size, &[size / 3..size / 2, size / 2..size]);
    }
}

#[test]
fn broadcast_operands_at_every_phase() {
    for length in 1..40 {
        for access in [Access::Row { period: length }, Access::Column { repeat: length }] {
            // An output that is an operand: no arithmetic.
            let sequence = InstructionSequence {
                operands: vec![Operand { dtype: DType::I32, access }],
                steps: vec![],
                outputs: vec![0],
            };
            for (start, end) in
                (0..20).flat_map(|start| [1, 7, 16, 17, 35].map(|count| (start, start + count)))
            {
                let input = (0..operand_size(access, end) as i32).map(Scalar::I32).collect();
                check(&sequence, &[input], end, &[start..end]);
            }
        }
    }
}

#[test]
fn the_same_bits_however_a_range_is_divided() {
    let sequence = chain();
    let size = 4001;
    let inputs: Vec<Vec<Scalar>> = sequence
        .operands
        .iter()
        .enumerate()
        .map(|(index, operand)| numbers(DType::F32, operand_size(operand.access, size), index + 5))
        .collect();
    for isa in Isa::available() {
        let whole = run(isa, &sequence, &inputs, size, &[0..size], &[None; 5]);
        let parts = run(isa, &sequence, &inputs, size, &[0..1, 1..50, 50..2071, 2071..size], &[None; 5]);
        assert_eq!(whole, parts, "{isa:?}");
    }
}

#[test]
fn outputs_in_the_memory_of_operands() {
    let f32 = Operand { dtype: DType::F32, access: Access::Full };
    let step = |op, inputs: &[Register], output| Step {
        instruction: instruction(op),
        inputs: inputs.to_vec(),
        output,
        dtype: DType::F32,
    };
    // a and b change places; and a' = a + b, b' = a − b, where the second still needs the first's operand.
    let swap = InstructionSequence { operands: vec![f32, f32], steps: vec![], outputs: vec![1, 0] };
    let butterfly = InstructionSequence {
        operands: vec![f32, f32],
        steps: vec![step("add", &[0, 1], 2), step("subtract", &[0, 1], 3)],
        outputs: vec![2, 3],
    };
    for sequence in [swap, butterfly] {
        for size in [1, 5, 16, 100, 3001] {
            let inputs = [numbers(DType::F32, size, 1), numbers(DType::F32, size, 2)];
            for isa in Isa::available() {
                let apart = run(isa, &sequence, &inputs, size, &[0..size], &[None, None]);
                for over in [[Some(0), Some(1)], [Some(1), Some(0)], [Some(0), None], [None, Some(0)]] {
                    let together = run(isa, &sequence, &inputs, size, &[0..size / 2, size / 2..size], &over);
                    assert_eq!(together, apart, "{isa:?}, {over:?}, size {size}");
                }
            }
        }
    }
}

#[test]
fn a_long_chain_takes_no_memory_for_what_stays_in_registers() {
    let f32 = |access| Operand { dtype: DType::F32, access };
    let steps = (0..400).map(|index| Step {
        instruction: instruction(["multiply", "add"][index % 2]),
        inputs: vec![if index == 0 { 0 } else { index as Register + 1 }, 1],
        output: index as Register + 2,
        dtype: DType::F32,
    });
    let operands = vec![f32(Access::Full), f32(Access::Scalar)];
    let sequence = InstructionSequence { operands, steps: steps.collect(), outputs: vec![401] };
    let inputs = [numbers(DType::F32, 300, 1), vec![Scalar::F32(0.5)]];
    check(&sequence, &inputs, 300, &[0..300]);
}

#[test]
fn malformed_sequences_are_refused() {
    let operands = vec![Operand { dtype: DType::F32, access: Access::Full }];
    let step = |inputs: &[Register], dtype| Step {
        instruction: instruction("exp"),
        inputs: inputs.to_vec(),
        output: 1,
        dtype,
    };
    for (steps, outputs) in [
        (vec![step(&[2], DType::F32)], vec![1]),
        (vec![step(&[0], DType::F64)], vec![1]),
        (vec![step(&[0, 0], DType::F32)], vec![1]),
        (vec![], vec![3]),
    ] {
        let sequence = InstructionSequence { operands: operands.clone(), steps, outputs };
        assert!(sequence.compile().unwrap_err().to_string().contains("malformed"), "{sequence:?}");
    }
}

/// Random instruction sequences: each step picks an instruction and registers of the dtypes that it takes.
fn random_sequence(all: Vec<Typed>) -> impl Strategy<Value = (InstructionSequence, usize, usize, usize)> {
    let access = prop_oneof![
        3 => Just(Access::Full),
        1 => Just(Access::Scalar),
        1 => (1usize..90).prop_map(|period| Access::Row { period }),
        1 => (1usize..90).prop_map(|repeat| Access::Column { repeat }),
    ];
    let operands = prop::collection::vec((0usize..4, access), 1..6);
    let choices = prop::collection::vec((any::<usize>(), any::<[usize; 3]>()), 0..40);
    (operands, choices, prop::collection::vec(any::<usize>(), 1..5), 1usize..2500, any::<(usize, usize)>())
        .prop_map(move |(operands, choices, outputs, size, (start, end))| {
            let operands: Vec<Operand> = operands
                .into_iter()
                .map(|(dtype, access)| Operand { dtype: DTYPES[dtype], access })
                .collect();
            let mut dtypes: Vec<DType> = operands.iter().map(|operand| operand.dtype).collect();
            let mut steps = Vec::new();
            for (choice, picks) in choices {
                let (instruction, inputs, dtype) = &all[choice % all.len()];
                let registers: Option<Vec<Register>> = inputs
                    .iter()
                    .zip(picks)
                    .map(|(wanted, pick)| {
                        let fitting: Vec<usize> =
                            (0..dtypes.len()).filter(|&register| dtypes[register] == *wanted).collect();
                        (!fitting.is_empty()).then(|| fitting[pick % fitting.len()] as Register)
                    })
                    .collect();
                if let Some(inputs) = registers {
                    let output = dtypes.len() as Register;
                    steps.push(Step { instruction: *instruction, inputs, output, dtype: *dtype });
                    dtypes.push(*dtype);
                }
            }
            let outputs = outputs.into_iter().map(|pick| (pick % dtypes.len()) as Register).collect();
            let (start, end) = (start % size, end % size + 1);
            (InstructionSequence { operands, steps, outputs }, size, start.min(end), start.max(end))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_sequences_match_the_reference((sequence, size, start, end) in random_sequence(exact_instructions()), seed in 0usize..1000) {
        let inputs: Vec<Vec<Scalar>> = sequence
            .operands
            .iter()
            .enumerate()
            .map(|(index, operand)| numbers(operand.dtype, operand_size(operand.access, size), seed + index))
            .collect();
        check(&sequence, &inputs, size, &[start..end]);
    }

    #[test]
    fn a_chain_gives_the_bits_of_its_steps((sequence, size, start, end) in random_sequence(links()), seed in 0usize..1000) {
        let inputs: Vec<Vec<Scalar>> = sequence
            .operands
            .iter()
            .enumerate()
            .map(|(index, operand)| numbers(operand.dtype, operand_size(operand.access, size), seed + index))
            .collect();
        let apart = vec![None; sequence.outputs.len()];
        for isa in Isa::available() {
            let together = run(isa, &sequence, &inputs, size, &[start..end], &apart);
            let one_by_one = step_by_step(isa, &sequence, &inputs, size);
            for ((dtype, together), one_by_one) in output_dtypes(&sequence).into_iter().zip(&together).zip(one_by_one) {
                let range = start * dtype.size()..end * dtype.size();
                prop_assert_eq!(bits(dtype, &together[range.clone()]), bits(dtype, &one_by_one[range]), "{:?}", isa);
            }
            let over = operands_to_overwrite(&sequence);
            let in_place = run(isa, &sequence, &inputs, size, &[0..size], &over);
            prop_assert_eq!(in_place, run(isa, &sequence, &inputs, size, &[0..size], &apart), "{:?}", isa);
        }
    }
}

/// The instructions that chains are made of, and one that is none.
fn links() -> Vec<Typed> {
    let is_link =
        |(instruction, _, dtype): &Typed| instruction.link(*dtype).is_some() || instruction.name == "abs";
    instructions().into_iter().filter(is_link).collect()
}

/// The outputs of an instruction sequence, each step of which ran over all elements as an instruction sequence of its own.
fn step_by_step(
    isa: Isa,
    sequence: &InstructionSequence,
    inputs: &[Vec<Scalar>],
    size: usize,
) -> Vec<Vec<u8>> {
    let mut registers: Vec<(Operand, Vec<Scalar>)> =
        sequence.operands.iter().copied().zip(inputs.iter().cloned()).collect();
    let compute = |registers: &[(Operand, Vec<Scalar>)], steps: Vec<Step>, inputs: &[Register], dtype| {
        let (operands, inputs): (Vec<Operand>, Vec<Vec<Scalar>>) =
            inputs.iter().map(|&input| registers[usize::from(input)].clone()).unzip();
        let output = if steps.is_empty() { 0 } else { operands.len() as Register };
        let single = InstructionSequence { operands, steps, outputs: vec![output] };
        from_bytes(dtype, &run(isa, &single, &inputs, size, &[0..size], &[None])[0])
    };
    for step in &sequence.steps {
        let count = step.inputs.len() as Register;
        let single = Step { inputs: (0..count).collect(), output: count, ..step.clone() };
        let result = compute(&registers, vec![single], &step.inputs, step.dtype);
        registers.push((Operand { dtype: step.dtype, access: Access::Full }, result));
    }
    let outputs = sequence.outputs.iter().zip(output_dtypes(sequence));
    outputs.map(|(&output, dtype)| to_bytes(&compute(&registers, vec![], &[output], dtype))).collect()
}

/// The bits of floats, where all NaN are one.
fn bits(dtype: DType, bytes: &[u8]) -> Vec<u64> {
    let scalars = from_bytes(dtype, bytes).into_iter();
    scalars
        .map(|scalar| if scalar.to_f64().is_nan() { u64::MAX } else { scalar.to_f64().to_bits() })
        .collect()
}

/// For each output in turn, the first full operand of its dtype that no output has yet.
fn operands_to_overwrite(sequence: &InstructionSequence) -> Vec<Option<usize>> {
    let mut free: Vec<usize> = (0..sequence.operands.len())
        .filter(|&operand| sequence.operands[operand].access == Access::Full)
        .collect();
    let mut take = |dtype| {
        let at = free.iter().position(|&operand| sequence.operands[operand].dtype == dtype)?;
        Some(free.remove(at))
    };
    output_dtypes(sequence).into_iter().map(&mut take).collect()
}
