//! Fused elementwise loops against plain scalar ones, on one thread: `cargo bench --bench elementwise [-- LOOP]`.
//!
//! Prints the best of many runs, since other work on the machine can only slow a run down.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustnet::kernels::elementwise::{Access, FusedKernel, InstructionSequence, Operand, Register, Step};
use rustnet::kernels::simd;
use rustnet::ops::elementwise::instruction;
use rustnet::tensor::DType;

/// A loop over f32 arrays, as an instruction sequence and as plain Rust.
struct Case {
    name: &'static str,
    sequence: InstructionSequence,
    /// Which operand's memory each output has.
    over: Vec<usize>,
    plain: fn(&mut [&mut [f32]], usize),
}

/// Elements of a cache line.
const LINE: usize = 16;
/// Columns of a matrix with a bias.
const COLUMNS: usize = 256;

fn main() {
    println!("instruction set: {}", simd::isa().name());
    println!(
        "{:<12} {:>9} {:>12} {:>10} {:>10} {:>12} {:>9}",
        "loop", "elements", "ns a run", "Gelem/s", "GB/s", "plain ns", "speed-up"
    );
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for case in cases().iter().filter(|case| case.name.contains(&wanted)) {
        for size in [1, 64, 1000, 1 << 14, 1 << 17, 1 << 21] {
            report(case, size);
        }
    }
}

fn report(case: &Case, size: usize) {
    let compiled = case.sequence.compile().expect("the sequence is well formed");
    let mut memory: Vec<Vec<f32>> = case
        .sequence
        .operands
        .iter()
        .map(|operand| match operand.access {
            Access::Full => (0..size + LINE).map(|index| (index % 1000) as f32 * 0.004 - 2.0).collect(),
            Access::Row { period } => vec![0.1; period + LINE],
            Access::Scalar | Access::Column { .. } => vec![0.9; 1 + LINE],
        })
        .collect();
    // Arrays start at cache lines, as the engine's do.
    let mut arrays: Vec<&mut [f32]> = memory
        .iter_mut()
        .map(|array| {
            let skip = array.as_ptr().align_offset(4 * LINE);
            let end = array.len() - LINE + skip;
            &mut array[skip..end]
        })
        .collect();
    let fused = best_nanoseconds(|| run(&compiled, &case.over, &mut arrays, size));
    let plain = best_nanoseconds(|| (case.plain)(&mut arrays, size));
    let full = case.sequence.operands.iter().filter(|operand| operand.access == Access::Full).count();
    let bytes = (4 * size * (full + case.over.len())) as f64;
    println!(
        "{:<12} {size:>9} {fused:>12.1} {:>10.3} {:>10.1} {plain:>12.1} {:>9.1}",
        case.name,
        size as f64 / fused,
        bytes / fused,
        plain / fused
    );
}

fn run(compiled: &FusedKernel, over: &[usize], arrays: &mut [&mut [f32]], size: usize) {
    let mut inputs = [std::ptr::null::<u8>(); 8];
    let mut outputs = [std::ptr::null_mut::<u8>(); 4];
    for (input, array) in inputs.iter_mut().zip(arrays.iter()) {
        *input = array.as_ptr().cast();
    }
    for (output, &operand) in outputs.iter_mut().zip(over) {
        *output = arrays[operand].as_mut_ptr().cast();
    }
    // SAFETY: full operands and outputs have `size` elements, and outputs lie over full operands only.
    unsafe { compiled.run(inputs[..arrays.len()].into(), &outputs[..over.len()], std::iter::once(0..size)) };
    black_box(arrays);
}

/// The best time of one call, over about 30 ms.
fn best_nanoseconds(mut call: impl FnMut()) -> f64 {
    let mut calls = 1;
    let mut best = f64::INFINITY;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(30) {
        let turn = Instant::now();
        for _ in 0..calls {
            call();
        }
        let elapsed = turn.elapsed();
        best = best.min(elapsed.as_nanos() as f64 / f64::from(calls));
        if elapsed < Duration::from_micros(20) {
            calls *= 2;
        }
    }
    best
}

fn step(name: &str, inputs: &[Register], output: Register) -> Step {
    Step { instruction: instruction(name), inputs: inputs.to_vec(), output, dtype: DType::F32 }
}

fn unary(name: &str, x: Register, output: Register) -> Step {
    step(name, &[x], output)
}

fn binary(name: &str, a: Register, b: Register, output: Register) -> Step {
    step(name, &[a, b], output)
}

fn operands(accesses: &[Access]) -> Vec<Operand> {
    accesses.iter().map(|&access| Operand { dtype: DType::F32, access }).collect()
}

fn single(name: &'static str, plain: fn(&mut [&mut [f32]], usize)) -> Case {
    let sequence = InstructionSequence {
        operands: operands(&[Access::Full, Access::Full]),
        steps: vec![unary(name, 0, 2)],
        outputs: vec![2],
    };
    Case { name, sequence, over: vec![1], plain }
}

fn cases() -> Vec<Case> {
    use Access::{Full, Row, Scalar};
    vec![
        Case {
            name: "bias + relu",
            sequence: InstructionSequence {
                operands: operands(&[Full, Row { period: COLUMNS }]),
                steps: vec![binary("add", 0, 1, 2), unary("relu", 2, 3)],
                outputs: vec![3],
            },
            over: vec![0],
            plain: |arrays, size| {
                let [x, bias] = arrays else { unreachable!() };
                for (index, x) in x[..size].iter_mut().enumerate() {
                    *x = (*x + bias[index % COLUMNS]).max(0.0);
                }
            },
        },
        // y = x / 2 · (1 + erf(x / √2))
        Case {
            name: "gelu",
            sequence: InstructionSequence {
                operands: operands(&[Full, Full, Scalar, Scalar, Scalar]),
                steps: vec![
                    binary("multiply", 0, 2, 5),
                    unary("erf", 5, 6),
                    binary("add", 6, 3, 7),
                    binary("multiply", 0, 4, 8),
                    binary("multiply", 7, 8, 9),
                ],
                outputs: vec![9],
            },
            over: vec![1],
            plain: |arrays, size| {
                let [x, y, ..] = arrays else { unreachable!() };
                for (x, y) in x[..size].iter().zip(y.iter_mut()) {
                    *y = x * 0.5 * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2));
                }
            },
        },
        // m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − lr·m / (√v + ε)
        Case {
            name: "adam",
            sequence: InstructionSequence {
                operands: operands(&[Full, Full, Full, Full, Scalar, Scalar, Scalar, Scalar]),
                steps: vec![
                    binary("subtract", 3, 1, 8),
                    binary("multiply", 8, 4, 9),
                    binary("add", 1, 9, 10),
                    unary("square", 3, 11),
                    binary("subtract", 11, 2, 12),
                    binary("multiply", 12, 5, 13),
                    binary("add", 2, 13, 14),
                    binary("multiply", 10, 6, 15),
                    unary("sqrt", 14, 16),
                    binary("add", 16, 7, 17),
                    binary("divide", 15, 17, 18),
                    binary("subtract", 0, 18, 19),
                ],
                outputs: vec![19, 10, 14],
            },
            over: vec![0, 1, 2],
            plain: |arrays, size| {
                let [p, m, v, g, ..] = arrays else { unreachable!() };
                for index in 0..size {
                    m[index] += (g[index] - m[index]) * 0.1;
                    v[index] += (g[index] * g[index] - v[index]) * 0.001;
                    p[index] -= m[index] * 0.001 / (v[index].sqrt() + 1e-7);
                }
            },
        },
        // v ← ρv + (1 − ρ)g², p ← p − lr·g / √(v + ε)
        Case {
            name: "rmsprop",
            sequence: InstructionSequence {
                operands: operands(&[Full, Full, Full, Scalar, Scalar, Scalar, Scalar]),
                steps: vec![
                    binary("multiply", 3, 1, 7),
                    unary("square", 2, 8),
                    binary("multiply", 4, 8, 9),
                    binary("add", 7, 9, 10),
                    binary("multiply", 5, 2, 11),
                    binary("add", 10, 6, 12),
                    unary("rsqrt", 12, 13),
                    binary("multiply", 11, 13, 14),
                    binary("subtract", 0, 14, 15),
                ],
                outputs: vec![15, 10],
            },
            over: vec![0, 1],
            plain: |arrays, size| {
                let [p, v, g, ..] = arrays else { unreachable!() };
                for index in 0..size {
                    v[index] = 0.9 * v[index] + 0.1 * (g[index] * g[index]);
                    p[index] -= 0.001 * g[index] / (v[index] + 1e-7).sqrt();
                }
            },
        },
        single("exp", |arrays, size| each(arrays, size, f32::exp)),
        single("log", |arrays, size| each(arrays, size, |x| (x + 3.0).ln())),
        single("tanh", |arrays, size| each(arrays, size, f32::tanh)),
        single("sigmoid", |arrays, size| each(arrays, size, |x| 1.0 / (1.0 + (-x).exp()))),
        single("sin", |arrays, size| each(arrays, size, f32::sin)),
    ]
}

fn each(arrays: &mut [&mut [f32]], size: usize, function: fn(f32) -> f32) {
    let [x, y] = arrays else { unreachable!() };
    for (x, y) in x[..size].iter().zip(y.iter_mut()) {
        *y = function(*x);
    }
}
