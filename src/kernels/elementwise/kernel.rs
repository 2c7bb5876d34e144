//! The kernels of single instructions over whole chunks of elements, compiled for every instruction set.

use std::marker::PhantomData;

use super::arithmetic::{Float, Number};
use super::{BinaryOp, CompareOp, Instruction, LogicalOp, UnaryOp};
use crate::kernels::simd::Isa;
use crate::tensor::DType;

/// Elements of a chunk: one AVX-512 register of f32. Kernels run over whole chunks, so that no loop has a remainder.
pub const LANES: usize = 16;

/// Where the chunks of an operand lie.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    pub data: *const u8,
    /// Bytes from one chunk to the next; 0 for one chunk that stands for all.
    pub advance: usize,
}

/// Computes `chunks` chunks of one instruction; unused inputs may be anything.
///
/// # Safety
/// The instruction set that the kernel was chosen for is available. Every input in use is readable, and the output
/// writable, for all chunks; the output may be the same memory as an input that has elements of no smaller size.
/// (Lanes are named, not copied: a copy would wait for the stores that made it.)
pub type Kernel = unsafe fn(inputs: [&Lane; 3], output: *mut u8, chunks: usize);

/// The kernel of `instruction` on inputs of these dtypes, and the dtype of its output; `None` where there is none.
pub fn kernel(isa: Isa, instruction: Instruction, inputs: &[DType]) -> Option<(Kernel, DType)> {
    match (instruction, inputs) {
        (Instruction::Unary(op), &[x]) => unary(isa, op, x),
        (Instruction::Binary(op), &[a, b]) if a == b => binary(isa, op, a).map(|kernel| (kernel, a)),
        (Instruction::Compare(op), &[a, b]) if a == b => Some((compare(isa, op, a), DType::Bool)),
        (Instruction::Logical(op), &[DType::Bool, DType::Bool]) => Some((
            match op {
                LogicalOp::And => choose::<Map2<And, u8, u8>>(isa),
                LogicalOp::Or => choose::<Map2<Or, u8, u8>>(isa),
            },
            DType::Bool,
        )),
        (Instruction::Select, &[DType::Bool, a, b]) if a == b => Some((
            // Only the size matters.
            match a.size() {
                8 => choose::<Select<u64>>(isa),
                4 => choose::<Select<u32>>(isa),
                _ => choose::<Select<u8>>(isa),
            },
            a,
        )),
        (Instruction::Cast(to), &[from]) => Some((cast(isa, from, to), to)),
        _ => None,
    }
}

/// The kernel that copies its input.
pub fn copy(isa: Isa, dtype: DType) -> Kernel {
    cast(isa, dtype, dtype)
}

/// A loop over chunks; `FMA` says whether the instruction set has fused multiply-add.
trait Body {
    /// # Safety
    /// As for a [`Kernel`].
    unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize);
}

fn choose<B: Body>(isa: Isa) -> Kernel {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::<B>,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::<B>,
        _ => baseline::<B>,
    }
}

/// # Safety
/// As for a [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn avx512<B: Body>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
    // SAFETY: passed on.
    unsafe { B::run::<true>(inputs, output, chunks) }
}

/// # Safety
/// As for a [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<B: Body>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
    // SAFETY: passed on.
    unsafe { B::run::<true>(inputs, output, chunks) }
}

/// # Safety
/// As for a [`Kernel`].
unsafe fn baseline<B: Body>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
    // SAFETY: passed on. Every AArch64 has fused multiply-add.
    unsafe { B::run::<{ cfg!(target_arch = "aarch64") }>(inputs, output, chunks) }
}

/// What a lane can hold.
trait Scalar: Copy + Default {}
impl<T: Copy + Default> Scalar for T {}

/// Reads a chunk into registers.
///
/// # Safety
/// The lane is readable for `chunk + 1` chunks of `T`.
#[inline(always)]
unsafe fn load<T: Scalar>(lane: Lane, chunk: usize) -> [T; LANES] {
    // SAFETY: the caller's promise.
    unsafe { lane.data.add(chunk * lane.advance).cast::<[T; LANES]>().read_unaligned() }
}

/// # Safety
/// The output is writable for `chunk + 1` chunks of `T`.
#[inline(always)]
unsafe fn store<T: Scalar>(output: *mut u8, chunk: usize, values: [T; LANES]) {
    // SAFETY: the caller's promise.
    unsafe { output.cast::<[T; LANES]>().add(chunk).write_unaligned(values) }
}

/// One chunk of a function of one element.
trait Unary<T: Scalar, U: Scalar> {
    fn element<const FMA: bool>(x: T) -> U;

    #[inline(always)]
    fn chunk<const FMA: bool>(x: [T; LANES]) -> [U; LANES] {
        let mut y = [U::default(); LANES];
        for lane in 0..LANES {
            y[lane] = Self::element::<FMA>(x[lane]);
        }
        y
    }
}

trait Binary<T: Scalar, U: Scalar> {
    fn element<const FMA: bool>(a: T, b: T) -> U;

    #[inline(always)]
    fn chunk<const FMA: bool>(a: [T; LANES], b: [T; LANES]) -> [U; LANES] {
        let mut y = [U::default(); LANES];
        for lane in 0..LANES {
            y[lane] = Self::element::<FMA>(a[lane], b[lane]);
        }
        y
    }
}

struct Map1<O, T, U>(PhantomData<(O, T, U)>);

impl<O: Unary<T, U>, T: Scalar, U: Scalar> Body for Map1<O, T, U> {
    #[inline(always)]
    unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
        let x = *inputs[0];
        for chunk in 0..chunks {
            // SAFETY: the caller's promise; a chunk is read before it is written.
            unsafe { store(output, chunk, O::chunk::<FMA>(load(x, chunk))) }
        }
    }
}

struct Map2<O, T, U>(PhantomData<(O, T, U)>);

impl<O: Binary<T, U>, T: Scalar, U: Scalar> Body for Map2<O, T, U> {
    #[inline(always)]
    unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
        let [a, b, _] = inputs.map(|&lane| lane);
        for chunk in 0..chunks {
            // SAFETY: the caller's promise; a chunk is read before it is written.
            unsafe { store(output, chunk, O::chunk::<FMA>(load(a, chunk), load(b, chunk))) }
        }
    }
}

/// Defines one function of an element as a type.
macro_rules! function {
    ($name:ident<$t:ident: $bound:path>($($x:ident),+) -> $out:ty, $body:expr) => {
        function!(@trait $name, $t, $bound, ($($x),+), $out, $body);
    };
    (@trait $name:ident, $t:ident, $bound:path, ($x:ident), $out:ty, $body:expr) => {
        struct $name;
        impl<$t: $bound + Scalar> Unary<$t, $out> for $name {
            #[inline(always)]
            fn element<const FMA: bool>($x: $t) -> $out {
                $body
            }
        }
    };
    (@trait $name:ident, $t:ident, $bound:path, ($a:ident, $b:ident), $out:ty, $body:expr) => {
        struct $name;
        impl<$t: $bound + Scalar> Binary<$t, $out> for $name {
            #[inline(always)]
            fn element<const FMA: bool>($a: $t, $b: $t) -> $out {
                $body
            }
        }
    };
}

function!(Negative<T: Number>(x) -> T, x.negative());
function!(Abs<T: Number>(x) -> T, x.abs());
function!(Sign<T: Number>(x) -> T, x.sign());
function!(Square<T: Number>(x) -> T, x.square());
function!(Relu<T: Number>(x) -> T, x.relu());
function!(Reciprocal<T: Float>(x) -> T, x.reciprocal());
function!(Sqrt<T: Float>(x) -> T, x.sqrt());
function!(Rsqrt<T: Float>(x) -> T, x.rsqrt());
function!(Exp<T: Float>(x) -> T, x.exp::<FMA>());
function!(Expm1<T: Float>(x) -> T, x.expm1::<FMA>());
function!(Log<T: Float>(x) -> T, x.log::<FMA>());
function!(Log1p<T: Float>(x) -> T, x.log1p::<FMA>());
function!(Tanh<T: Float>(x) -> T, x.tanh::<FMA>());
function!(Sigmoid<T: Float>(x) -> T, x.sigmoid::<FMA>());
function!(Erf<T: Float>(x) -> T, x.erf::<FMA>());
function!(Floor<T: Float>(x) -> T, x.floor());
function!(Ceil<T: Float>(x) -> T, x.ceil());
function!(Round<T: Float>(x) -> T, x.round());
function!(IsNan<T: Float>(x) -> u8, u8::from(x.is_nan()));
function!(IsFinite<T: Float>(x) -> u8, u8::from(x.is_finite()));
function!(Not<T: Bit>(x) -> u8, x.not());

function!(Add<T: Number>(a, b) -> T, a.add(b));
function!(Subtract<T: Number>(a, b) -> T, a.subtract(b));
function!(Multiply<T: Number>(a, b) -> T, a.multiply(b));
function!(Divide<T: Float>(a, b) -> T, a.divide(b));
function!(Maximum<T: Number>(a, b) -> T, a.maximum(b));
function!(Minimum<T: Number>(a, b) -> T, a.minimum(b));
function!(ReluBackward<T: Number>(a, b) -> T, a.where_positive(b));
function!(Mod<T: Number>(a, b) -> T, a.modulo(b));
function!(FloorDivide<T: Number>(a, b) -> T, a.floor_divide(b));
function!(And<T: Bit>(a, b) -> u8, a.and(b));
function!(Or<T: Bit>(a, b) -> u8, a.or(b));
function!(Equal<T: PartialOrd>(a, b) -> u8, u8::from(a == b));
function!(NotEqual<T: PartialOrd>(a, b) -> u8, u8::from(a != b));
function!(Less<T: PartialOrd>(a, b) -> u8, u8::from(a < b));
function!(LessEqual<T: PartialOrd>(a, b) -> u8, u8::from(a <= b));
function!(Greater<T: PartialOrd>(a, b) -> u8, u8::from(a > b));
function!(GreaterEqual<T: PartialOrd>(a, b) -> u8, u8::from(a >= b));

/// A bool in its byte.
trait Bit {
    fn not(self) -> u8;
    fn and(self, other: Self) -> u8;
    fn or(self, other: Self) -> u8;
}

impl Bit for u8 {
    #[inline(always)]
    fn not(self) -> u8 {
        self ^ 1
    }
    #[inline(always)]
    fn and(self, other: Self) -> u8 {
        self & other
    }
    #[inline(always)]
    fn or(self, other: Self) -> u8 {
        self | other
    }
}

/// Defines sine or cosine: the fast form where a whole chunk is within its range, else the standard library's.
macro_rules! angle_function {
    ($name:ident, $small:ident, $any:ident) => {
        struct $name;
        impl<T: Float + Scalar> Unary<T, T> for $name {
            #[inline(always)]
            fn element<const FMA: bool>(x: T) -> T {
                x.$small()
            }

            #[inline(always)]
            fn chunk<const FMA: bool>(x: [T; LANES]) -> [T; LANES] {
                let small = x.iter().fold(true, |small, x| small & x.is_small_angle());
                let mut y = [T::default(); LANES];
                if small {
                    for lane in 0..LANES {
                        y[lane] = x[lane].$small();
                    }
                } else {
                    for lane in 0..LANES {
                        y[lane] = x[lane].$any();
                    }
                }
                y
            }
        }
    };
}

angle_function!(Sin, sin_small, sin);
angle_function!(Cos, cos_small, cos);

/// A power whose exponent may be one number for all elements.
struct Power<T>(PhantomData<T>);

function!(General<T: Number>(a, b) -> T, a.power(b));
function!(Cube<T: Number>(a) -> T, a.square().multiply(a));
/// √a, with pow's values at −0 and −∞.
struct SquareRootPower;

macro_rules! float_power {
    ($t:ident) => {
        impl Unary<$t, $t> for SquareRootPower {
            #[inline(always)]
            fn element<const FMA: bool>(a: $t) -> $t {
                if a == $t::NEG_INFINITY { $t::INFINITY } else { (a + 0.0).sqrt() }
            }
        }

        impl Body for Power<$t> {
            #[inline(always)]
            unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
                // SAFETY: the caller's promise, for the exponent and for all.
                unsafe {
                    // The usual exponents are exact, and quick.
                    let exponent = load::<$t>(*inputs[1], 0)[0];
                    if inputs[1].advance == 0 && exponent == 2.0 {
                        Map1::<Square, $t, $t>::run::<FMA>(inputs, output, chunks)
                    } else if inputs[1].advance == 0 && exponent == 3.0 {
                        Map1::<Cube, $t, $t>::run::<FMA>(inputs, output, chunks)
                    } else if inputs[1].advance == 0 && exponent == 0.5 {
                        Map1::<SquareRootPower, $t, $t>::run::<FMA>(inputs, output, chunks)
                    } else if inputs[1].advance == 0 && exponent == -1.0 {
                        Map1::<Reciprocal, $t, $t>::run::<FMA>(inputs, output, chunks)
                    } else {
                        Map2::<General, $t, $t>::run::<FMA>(inputs, output, chunks)
                    }
                }
            }
        }
    };
}

float_power!(f32);
float_power!(f64);

struct Select<T>(PhantomData<T>);

impl<T: Scalar> Body for Select<T> {
    #[inline(always)]
    unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
        let [condition, a, b] = inputs.map(|&lane| lane);
        for chunk in 0..chunks {
            // SAFETY: the caller's promise; a chunk is read before it is written.
            unsafe {
                let (condition, a, b) =
                    (load::<u8>(condition, chunk), load::<T>(a, chunk), load::<T>(b, chunk));
                let mut y = [T::default(); LANES];
                for lane in 0..LANES {
                    y[lane] = if condition[lane] != 0 { a[lane] } else { b[lane] };
                }
                store(output, chunk, y);
            }
        }
    }
}

struct Convert;

macro_rules! conversions {
    ($($from:ty => $to:ty: |$x:ident| $body:expr;)*) => {$(
        impl Unary<$from, $to> for Convert {
            #[inline(always)]
            fn element<const FMA: bool>($x: $from) -> $to {
                $body
            }
        }
    )*};
}

conversions! {
    f32 => f32: |x| x;
    f32 => f64: |x| f64::from(x);
    f32 => i32: |x| x as i32;
    f32 => u8: |x| u8::from(x != 0.0);
    f64 => f32: |x| x as f32;
    f64 => f64: |x| x;
    f64 => i32: |x| x as i32;
    f64 => u8: |x| u8::from(x != 0.0);
    i32 => f32: |x| x as f32;
    i32 => f64: |x| f64::from(x);
    i32 => i32: |x| x;
    i32 => u8: |x| u8::from(x != 0);
    u8 => f32: |x| f32::from(x);
    u8 => f64: |x| f64::from(x);
    u8 => i32: |x| i32::from(x);
    u8 => u8: |x| x;
}

/// The kernel of a function from a type to itself, where `$dtype` is one of the types listed.
macro_rules! over {
    ($isa:expr, $dtype:expr, $body:ident!($function:ident), $($variant:ident $t:ty),*) => {
        match $dtype {
            $(DType::$variant => Some(choose::<$body!($function, $t)>($isa)),)*
            #[allow(unreachable_patterns)]
            _ => None,
        }
    };
}

macro_rules! one {
    ($function:ident, $t:ty) => { Map1<$function, $t, $t> };
}

macro_rules! two {
    ($function:ident, $t:ty) => { Map2<$function, $t, $t> };
}

macro_rules! test {
    ($function:ident, $t:ty) => { Map1<$function, $t, u8> };
}

fn unary(isa: Isa, op: UnaryOp, dtype: DType) -> Option<(Kernel, DType)> {
    let kernel = match op {
        UnaryOp::Negative => over!(isa, dtype, one!(Negative), F32 f32, F64 f64, I32 i32),
        UnaryOp::Abs => over!(isa, dtype, one!(Abs), F32 f32, F64 f64, I32 i32),
        UnaryOp::Sign => over!(isa, dtype, one!(Sign), F32 f32, F64 f64, I32 i32),
        UnaryOp::Square => over!(isa, dtype, one!(Square), F32 f32, F64 f64, I32 i32),
        UnaryOp::Relu => over!(isa, dtype, one!(Relu), F32 f32, F64 f64, I32 i32),
        UnaryOp::Reciprocal => over!(isa, dtype, one!(Reciprocal), F32 f32, F64 f64),
        UnaryOp::Sqrt => over!(isa, dtype, one!(Sqrt), F32 f32, F64 f64),
        UnaryOp::Rsqrt => over!(isa, dtype, one!(Rsqrt), F32 f32, F64 f64),
        UnaryOp::Exp => over!(isa, dtype, one!(Exp), F32 f32, F64 f64),
        UnaryOp::Expm1 => over!(isa, dtype, one!(Expm1), F32 f32, F64 f64),
        UnaryOp::Log => over!(isa, dtype, one!(Log), F32 f32, F64 f64),
        UnaryOp::Log1p => over!(isa, dtype, one!(Log1p), F32 f32, F64 f64),
        UnaryOp::Sin => over!(isa, dtype, one!(Sin), F32 f32, F64 f64),
        UnaryOp::Cos => over!(isa, dtype, one!(Cos), F32 f32, F64 f64),
        UnaryOp::Tanh => over!(isa, dtype, one!(Tanh), F32 f32, F64 f64),
        UnaryOp::Sigmoid => over!(isa, dtype, one!(Sigmoid), F32 f32, F64 f64),
        UnaryOp::Erf => over!(isa, dtype, one!(Erf), F32 f32, F64 f64),
        UnaryOp::Floor => over!(isa, dtype, one!(Floor), F32 f32, F64 f64),
        UnaryOp::Ceil => over!(isa, dtype, one!(Ceil), F32 f32, F64 f64),
        UnaryOp::Round => over!(isa, dtype, one!(Round), F32 f32, F64 f64),
        UnaryOp::IsNan => over!(isa, dtype, test!(IsNan), F32 f32, F64 f64),
        UnaryOp::IsFinite => over!(isa, dtype, test!(IsFinite), F32 f32, F64 f64),
        UnaryOp::LogicalNot => over!(isa, dtype, one!(Not), Bool u8),
    };
    let output = match op {
        UnaryOp::IsNan | UnaryOp::IsFinite => DType::Bool,
        _ => dtype,
    };
    kernel.map(|kernel| (kernel, output))
}

fn binary(isa: Isa, op: BinaryOp, dtype: DType) -> Option<Kernel> {
    match op {
        BinaryOp::Add => over!(isa, dtype, two!(Add), F32 f32, F64 f64, I32 i32),
        BinaryOp::Subtract => over!(isa, dtype, two!(Subtract), F32 f32, F64 f64, I32 i32),
        BinaryOp::Multiply => over!(isa, dtype, two!(Multiply), F32 f32, F64 f64, I32 i32),
        BinaryOp::Divide => over!(isa, dtype, two!(Divide), F32 f32, F64 f64),
        BinaryOp::Maximum => over!(isa, dtype, two!(Maximum), F32 f32, F64 f64, I32 i32),
        BinaryOp::Minimum => over!(isa, dtype, two!(Minimum), F32 f32, F64 f64, I32 i32),
        BinaryOp::ReluBackward => over!(isa, dtype, two!(ReluBackward), F32 f32, F64 f64, I32 i32),
        BinaryOp::Mod => over!(isa, dtype, two!(Mod), F32 f32, F64 f64, I32 i32),
        BinaryOp::FloorDivide => over!(isa, dtype, two!(FloorDivide), F32 f32, F64 f64, I32 i32),
        BinaryOp::Power => match dtype {
            DType::F32 => Some(choose::<Power<f32>>(isa)),
            DType::F64 => Some(choose::<Power<f64>>(isa)),
            DType::I32 => Some(choose::<Map2<General, i32, i32>>(isa)),
            DType::Bool => None,
        },
    }
}

fn compare(isa: Isa, op: CompareOp, dtype: DType) -> Kernel {
    macro_rules! all {
        ($function:ident) => {
            match dtype {
                DType::F32 => choose::<Map2<$function, f32, u8>>(isa),
                DType::F64 => choose::<Map2<$function, f64, u8>>(isa),
                DType::I32 => choose::<Map2<$function, i32, u8>>(isa),
                DType::Bool => choose::<Map2<$function, u8, u8>>(isa),
            }
        };
    }
    match op {
        CompareOp::Equal => all!(Equal),
        CompareOp::NotEqual => all!(NotEqual),
        CompareOp::Less => all!(Less),
        CompareOp::LessEqual => all!(LessEqual),
        CompareOp::Greater => all!(Greater),
        CompareOp::GreaterEqual => all!(GreaterEqual),
    }
}

fn cast(isa: Isa, from: DType, to: DType) -> Kernel {
    macro_rules! to {
        ($from:ty) => {
            match to {
                DType::F32 => choose::<Map1<Convert, $from, f32>>(isa),
                DType::F64 => choose::<Map1<Convert, $from, f64>>(isa),
                DType::I32 => choose::<Map1<Convert, $from, i32>>(isa),
                DType::Bool => choose::<Map1<Convert, $from, u8>>(isa),
            }
        };
    }
    match from {
        DType::F32 => to!(f32),
        DType::F64 => to!(f64),
        DType::I32 => to!(i32),
        DType::Bool => to!(u8),
    }
}
