//! Functions of elements as types: one body each, from which the kernels of all instruction sets are compiled.

use std::marker::PhantomData;

use super::kernel::{Body, Kernel, LANES, Lane, choose, load, store};
use crate::kernels::simd::Isa;
use crate::tensor::{DType, Element};

/// A function of one element.
///
/// Bodies are `#[inline(always)]`, as are those that they call, and free of branches where they should become vector
/// instructions. `FMA` says that the code is compiled for a machine with fused multiply-add.
pub trait UnaryFunction<T: Element>: Sized + 'static {
    type Output: Element;

    fn element<const FMA: bool>(x: T) -> Self::Output;

    /// The function of each element of a chunk. Overridden where the elements of a chunk decide together.
    #[inline(always)]
    fn chunk<const FMA: bool>(x: [T; LANES]) -> [Self::Output; LANES] {
        let mut y = [Self::Output::default(); LANES];
        for lane in 0..LANES {
            y[lane] = Self::element::<FMA>(x[lane]);
        }
        y
    }

    fn kernel(isa: Isa) -> Kernel {
        choose::<MapUnary<Self, T>>(isa)
    }
}

/// A function of two elements; see [`UnaryFunction`].
pub trait BinaryFunction<T: Element>: Sized + 'static {
    type Output: Element;

    fn element<const FMA: bool>(a: T, b: T) -> Self::Output;

    /// Overridden where a whole operand decides about the kernel.
    fn kernel(isa: Isa) -> Kernel {
        choose::<MapBinary<Self, T>>(isa)
    }
}

/// A function of a bool, in its byte, and two elements; see [`UnaryFunction`].
pub trait TernaryFunction<T: Element>: Sized + 'static {
    fn element<const FMA: bool>(condition: u8, a: T, b: T) -> T;

    fn kernel(isa: Isa) -> Kernel {
        choose::<MapTernary<Self, T>>(isa)
    }
}

/// The loop of a function over chunks.
pub(super) struct MapUnary<F, T>(PhantomData<(F, T)>);

impl<F: UnaryFunction<T>, T: Element> Body for MapUnary<F, T> {
    #[inline(always)]
    unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
        let x = *inputs[0];
        for chunk in 0..chunks {
            // SAFETY: the caller's promise; a chunk is read before it is written.
            unsafe { store(output, chunk, F::chunk::<FMA>(load(x, chunk))) }
        }
    }
}

pub(super) struct MapBinary<F, T>(PhantomData<(F, T)>);

impl<F: BinaryFunction<T>, T: Element> Body for MapBinary<F, T> {
    #[inline(always)]
    unsafe fn run<const FMA: bool>(inputs: [&Lane; 3], output: *mut u8, chunks: usize) {
        let [a, b, _] = inputs.map(|&lane| lane);
        for chunk in 0..chunks {
            // SAFETY: the caller's promise; a chunk is read before it is written.
            unsafe {
                let (a, b) = (load::<T>(a, chunk), load::<T>(b, chunk));
                let mut y = [F::Output::default(); LANES];
                for lane in 0..LANES {
                    y[lane] = F::element::<FMA>(a[lane], b[lane]);
                }
                store(output, chunk, y);
            }
        }
    }
}

struct MapTernary<F, T>(PhantomData<(F, T)>);

impl<F: TernaryFunction<T>, T: Element> Body for MapTernary<F, T> {
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
                    y[lane] = F::element::<FMA>(condition[lane], a[lane], b[lane]);
                }
                store(output, chunk, y);
            }
        }
    }
}

/// x → x
struct Same;

impl<T: Element> UnaryFunction<T> for Same {
    type Output = T;

    #[inline(always)]
    fn element<const FMA: bool>(x: T) -> T {
        x
    }
}

/// The kernel that copies its input.
pub fn copy(isa: Isa, dtype: DType) -> Kernel {
    match dtype {
        DType::F32 => <Same as UnaryFunction<f32>>::kernel(isa),
        DType::F64 => <Same as UnaryFunction<f64>>::kernel(isa),
        DType::I32 => <Same as UnaryFunction<i32>>::kernel(isa),
        DType::Bool => <Same as UnaryFunction<u8>>::kernel(isa),
    }
}
