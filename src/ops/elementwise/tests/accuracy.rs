//! How far float32 functions are from exact ones, over the whole range of float32 and on every instruction set.

use crate::kernels::elementwise::accuracy::{sweep, ulps};
use crate::kernels::elementwise::{
    Access, Arithmetic, FusedKernel, Instruction, InstructionSequence, Operand, Step,
};
use crate::kernels::simd::Isa;
use crate::ops::elementwise::{BINARY, UNARY, instruction};
use crate::tensor::DType;

fn apply(isa: Isa, instruction: Instruction, inputs: &[&[f32]]) -> Vec<f32> {
    let output = inputs.len() as u16;
    let sequence = InstructionSequence {
        operands: vec![Operand { dtype: DType::F32, access: Access::Full }; inputs.len()],
        steps: vec![Step { instruction, inputs: (0..output).collect(), output, dtype: DType::F32 }],
        outputs: vec![output],
    };
    let mut result = vec![0.0_f32; inputs[0].len()];
    let pointers: Vec<*const u8> = inputs.iter().map(|input| input.as_ptr().cast()).collect();
    let compiled = FusedKernel::new(&sequence, isa).unwrap();
    let all = std::iter::once(0..inputs[0].len());
    // SAFETY: all arrays have the length of the first.
    unsafe { compiled.run(pointers[..].into(), &[result.as_mut_ptr().cast()], all) };
    result
}

fn is_of_float32(instruction: Instruction, inputs: usize) -> bool {
    instruction.form(&[DType::F32; 2][..inputs]).is_some_and(|form| form.output == DType::F32)
}

/// Fails where a result is off by more than `bound` ulp, and tells the one that is off most.
fn check(what: &str, bound: f64, got: &[f32], exact: &[f64], describe: impl Fn(usize) -> String) {
    let errors: Vec<f64> = got.iter().zip(exact).map(|(&got, &exact)| ulps(got, exact)).collect();
    let worst = (0..errors.len()).max_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap();
    let (error, at) = (errors[worst], describe(worst));
    assert!(error <= bound, "{what}: {error} ulp at {at}: {:e}, exactly {:e}", got[worst], exact[worst]);
}

#[test]
fn functions_of_one_number_are_as_exact_as_their_rows_say() {
    for row in UNARY.iter().copied().flatten().filter(|row| is_of_float32(row.instruction(), 1)) {
        let mut numbers = sweep();
        if row.link == Some(Arithmetic::ReciprocalSquareRoot) {
            numbers.retain(|x| !x.is_subnormal());
        }
        let exact: Vec<f64> = numbers.iter().map(|&x| (row.exact)(f64::from(x))).collect();
        for isa in Isa::available() {
            let got = apply(isa, row.instruction(), &[&numbers]);
            check(&format!("{} on {isa:?}", row.name), row.ulps, &got, &exact, |at| {
                format!("{:e}", numbers[at])
            });
            for (at, x) in numbers.iter().enumerate().filter(|(_, x)| **x == 0.0) {
                let has_sign = got[at].is_sign_negative() == exact[at].is_sign_negative();
                assert!(has_sign || exact[at].is_nan(), "{} on {isa:?}: {x} gives {}", row.name, got[at]);
            }
        }
    }
}

/// Pairs of special numbers, and pairs from all over float32.
fn pairs() -> (Vec<f32>, Vec<f32>) {
    let special =
        [0.0, 1.0, 0.5, 2.0, 3.0, 1e-30, 1e-40, 1e30, 16_777_215.0, f32::MAX, f32::INFINITY, f32::NAN];
    let special = || special.into_iter().flat_map(|x| [x, -x]);
    let (mut first, mut second): (Vec<f32>, Vec<f32>) =
        special().flat_map(|a| special().map(move |b| (a, b))).unzip();
    for index in 0_u32..200_000 {
        let bits = index.wrapping_mul(0x9E37_79B9);
        let a = f32::from_bits(bits);
        first.push(a);
        // Another number of any size, or one of the same.
        second.push(match index % 2 {
            0 => f32::from_bits(bits.wrapping_mul(0x85EB_CA6B) ^ 0x5555_5555),
            _ => a * (0.3 + (index % 97) as f32 * 0.07),
        });
    }
    (first, second)
}

#[test]
fn functions_of_two_numbers_are_as_exact_as_their_rows_say() {
    let (first, second) = pairs();
    for row in BINARY.iter().copied().flatten().filter(|row| is_of_float32(row.instruction(), 2)) {
        let pairs = first.iter().zip(&second);
        let exact: Vec<f64> = pairs.map(|(&a, &b)| (row.exact)(f64::from(a), f64::from(b))).collect();
        for isa in Isa::available() {
            let got = apply(isa, row.instruction(), &[&first, &second]);
            let what = format!("{} on {isa:?}", row.name);
            check(&what, row.ulps, &got, &exact, |at| format!("{:e}, {:e}", first[at], second[at]));
        }
    }
}

#[test]
fn powers() {
    let special =
        [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40];
    let exponents = [
        0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        3.0,
        -3.0,
        0.5,
        -0.5,
        1.5,
        1e10,
        16_777_215.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let (mut bases, mut powers) = (Vec::new(), Vec::new());
    for a in special {
        for b in exponents {
            bases.push(a);
            powers.push(b);
        }
    }
    // Positive bases of all sizes with exponents whose powers fit, and integers.
    for k in 0..20_000 {
        let base = f32::from_bits(0x0010_0000 + k * 106_000);
        bases.extend([base, -base]);
        let exponent = ((k % 997) as f32 - 498.0) / 5.0 / base.log2().abs().max(0.1);
        powers.extend([exponent, exponent.round()]);
    }
    for isa in Isa::available() {
        let got = apply(isa, instruction("power"), &[&bases, &powers]);
        for ((&a, &b), &got) in bases.iter().zip(&powers).zip(&got) {
            let exact = f64::from(a).powf(f64::from(b));
            let error = ulps(got, exact);
            assert!(error <= 0.51, "{isa:?}: {a:e} ^ {b:e} = {got:e}, exactly {exact:e}: {error} ulp");
        }
    }
}
