//! What an instruction is: one function of elements. The list of them is not here: `ops::elementwise` makes them.

use std::fmt;

use super::function::{BinaryFunction, TernaryFunction, UnaryFunction};
use super::kernel::Kernel;
use crate::kernels::simd::Isa;
use crate::tensor::{DType, Element};

/// One function of elements: everything that the machine needs to run it.
#[derive(Clone, Copy)]
pub struct Instruction {
    /// Two instructions of one name are the same one.
    pub name: &'static str,
    /// One for each list of dtypes that the inputs may have.
    pub forms: &'static [Form],
    pub meaning: Meaning,
    /// What a chain of float32 or float64 computes in its place.
    pub link: Option<Arithmetic>,
    /// Picoseconds an element, of up to four bytes and of eight. `None` is what an addition takes.
    pub picoseconds: Option<[u64; 2]>,
}

/// The kernel of an instruction for inputs of certain dtypes.
#[derive(Clone, Copy)]
pub struct Form {
    pub inputs: &'static [DType],
    pub output: DType,
    pub kernel: fn(Isa) -> Kernel,
}

/// What an instruction computes of one element of each input: the oracle that its kernels are tested against.
///
/// Inputs of float32 are computed in float64, and the result is rounded once; a bool is 0 or 1, and true unless it is 0.
/// Int32 is computed by a rule of its own where float64 is not exact, and wraps around.
#[derive(Clone, Copy)]
pub enum Meaning {
    Unary {
        float: fn(f64) -> f64,
        int: Option<fn(i32) -> i32>,
    },
    Binary {
        float: fn(f64, f64) -> f64,
        int: Option<fn(i32, i32) -> i32>,
    },
    /// (bool, T, T): the second where the first is true, else the third.
    Select,
    /// The input as the dtype of the output.
    Cast,
}

/// The arithmetic of which a chain is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Square,
    SquareRoot,
    ReciprocalSquareRoot,
    Relu,
    /// The first where the second is above 0, else 0.
    WherePositive,
}

impl Instruction {
    /// The form for inputs of these dtypes.
    pub fn form(&self, inputs: &[DType]) -> Option<&'static Form> {
        self.forms.iter().find(|form| form.inputs == inputs)
    }

    /// What a chain computes in place of the kernel whose output has this dtype.
    pub fn link(&self, output: DType) -> Option<Arithmetic> {
        self.link.filter(|_| output.is_float())
    }

    /// The estimated cost of an element, in picoseconds.
    pub fn cost(&self, output: DType) -> u64 {
        let words = output.size().div_ceil(4);
        match self.picoseconds {
            Some(cost) => cost[words - 1],
            // Half of it is the way through the cache, which a chain saves.
            None if self.link(output).is_some() => 15 * words as u64,
            None => 30 * words as u64,
        }
    }
}

impl PartialEq for Instruction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Form {
    /// The form of a function of one `T`.
    pub const fn unary<F: UnaryFunction<T>, T: Element>() -> Self {
        Self { inputs: <T as Inputs>::ONE, output: F::Output::DTYPE, kernel: F::kernel }
    }

    /// The form of a function of two `T`.
    pub const fn binary<F: BinaryFunction<T>, T: Element>() -> Self {
        Self { inputs: <T as Inputs>::TWO, output: F::Output::DTYPE, kernel: F::kernel }
    }

    /// The form of a function of a bool and two `T`.
    pub const fn ternary<F: TernaryFunction<T>, T: Element>() -> Self {
        Self { inputs: <T as Inputs>::BOOL_AND_TWO, output: T::DTYPE, kernel: F::kernel }
    }
}

/// The lists of dtypes of inputs.
trait Inputs {
    const ONE: &'static [DType];
    const TWO: &'static [DType];
    const BOOL_AND_TWO: &'static [DType];
}

impl<T: Element> Inputs for T {
    const ONE: &'static [DType] = &[T::DTYPE];
    const TWO: &'static [DType] = &[T::DTYPE, T::DTYPE];
    const BOOL_AND_TWO: &'static [DType] = &[DType::Bool, T::DTYPE, T::DTYPE];
}
