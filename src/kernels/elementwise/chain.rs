//! Chains: neighbouring steps of an instruction sequence that run as one loop over a few vectors, which stay in registers from step to step.
//!
//! A step of its own reads and writes the L1 cache for each vector, which takes longer than an addition. A chain writes
//! only what is read again by other steps than the next, and its slow instructions overlap with the others. The arithmetic
//! is that of the single steps, each rounded by itself, so joining them never changes a bit. A step that a chain computes
//! in another way than its kernel is a chain also where it is alone.

use super::Arithmetic;
use super::kernel::{LANES, Lane};
use crate::kernels::Real;
use crate::kernels::simd::{Isa, Vector, Vectorized};
use crate::tensor::DType;

/// Vectors in registers: AVX2 has 16, and more were not faster with the 32 of AVX-512.
const WIDTH: usize = 8;

/// One link of a chain: what happens to the numbers held in registers, with a value from memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Link {
    Load(u16),
    Store(u16),
    Add(u16),
    Subtract(u16),
    SubtractFrom(u16),
    Multiply(u16),
    Divide(u16),
    DivideInto(u16),
    /// The same with the product of two values, which is rounded by itself.
    AddProduct(u16, u16),
    MultiplyProduct(u16, u16),
    Square,
    SquareRoot,
    ReciprocalSquareRoot,
    Relu,
    /// Kept where the value is above 0, else 0.
    WherePositive(u16),
}

/// Runs links over `chunks` chunks of all values.
///
/// # Safety
/// As for a [`Kernel`](super::kernel::Kernel), where `lanes` holds the lanes of all values that the links name; of a value
/// that is the same for all elements one element is enough.
pub type ChainKernel = unsafe fn(links: &[Link], lanes: *const Lane, chunks: usize);

/// True for links that are faster than the kernel of the instruction, and round in another way.
pub fn is_chain_alone(link: Arithmetic) -> bool {
    link == Arithmetic::ReciprocalSquareRoot
}

/// Appends the links of one step to a chain whose registers hold the value `held`.
pub fn append(links: &mut Vec<Link>, held: Option<usize>, link: Arithmetic, inputs: &[usize], output: usize) {
    let (a, b) = (inputs[0], inputs[inputs.len() - 1]);
    // Only its first operand can be held.
    let reversed = held == Some(b) && a != b && link != Arithmetic::WherePositive;
    let (from, other) = if reversed { (b, a as u16) } else { (a, b as u16) };
    if held != Some(from) {
        links.push(Link::Load(from as u16));
    }
    links.push(match link {
        Arithmetic::Square => Link::Square,
        Arithmetic::SquareRoot => Link::SquareRoot,
        Arithmetic::ReciprocalSquareRoot => Link::ReciprocalSquareRoot,
        Arithmetic::Relu => Link::Relu,
        Arithmetic::Multiply if a == b => Link::Square,
        Arithmetic::Add => Link::Add(other),
        Arithmetic::Multiply => Link::Multiply(other),
        Arithmetic::Subtract if reversed => Link::SubtractFrom(other),
        Arithmetic::Subtract => Link::Subtract(other),
        Arithmetic::Divide if reversed => Link::DivideInto(other),
        Arithmetic::Divide => Link::Divide(other),
        Arithmetic::WherePositive => Link::WherePositive(other),
    });
    links.push(Link::Store(output as u16));
}

/// Appends the link of a step that reads the product of another one and nothing else but the value `held`, where a chain
/// that holds it has such a link: the product then needs no memory. Returns whether it does.
pub fn append_with_product(
    links: &mut Vec<Link>,
    held: usize,
    (product, factors): (Arithmetic, &[usize]),
    (link, inputs): (Arithmetic, &[usize]),
    output: usize,
) -> bool {
    let is_product = product == Arithmetic::Multiply && !factors.contains(&held);
    if !is_product || !inputs.contains(&held) {
        return false;
    }
    let (a, b) = (factors[0] as u16, factors[1] as u16);
    links.push(match link {
        Arithmetic::Add => Link::AddProduct(a, b),
        Arithmetic::Multiply => Link::MultiplyProduct(a, b),
        _ => return false,
    });
    links.push(Link::Store(output as u16));
    true
}

impl Link {
    /// The values that the link reads from memory.
    pub fn reads(self) -> impl Iterator<Item = u16> {
        let (first, second) = match self {
            Link::Load(value)
            | Link::Add(value)
            | Link::Subtract(value)
            | Link::SubtractFrom(value)
            | Link::Multiply(value)
            | Link::Divide(value)
            | Link::DivideInto(value)
            | Link::WherePositive(value) => (Some(value), None),
            Link::AddProduct(a, b) | Link::MultiplyProduct(a, b) => (Some(a), Some(b)),
            Link::Store(_) | Link::Square | Link::SquareRoot | Link::ReciprocalSquareRoot | Link::Relu => {
                (None, None)
            }
        };
        first.into_iter().chain(second)
    }
}

/// The loop over chains of a float type.
pub fn kernel(isa: Isa, dtype: DType) -> ChainKernel {
    match dtype {
        DType::F64 => choose::<f64>(isa),
        _ => choose::<f32>(isa),
    }
}

fn choose<T: Vectorized>(isa: Isa) -> ChainKernel {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => avx512::<T>,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => avx2::<T>,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => run::<T::Neon>,
        _ => run::<T::Portable>,
    }
}

/// # Safety
/// As for a [`ChainKernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn avx512<T: Vectorized>(links: &[Link], lanes: *const Lane, chunks: usize) {
    // SAFETY: passed on.
    unsafe { run::<T::Avx512>(links, lanes, chunks) }
}

/// # Safety
/// As for a [`ChainKernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<T: Vectorized>(links: &[Link], lanes: *const Lane, chunks: usize) {
    // SAFETY: passed on.
    unsafe { run::<T::Avx2>(links, lanes, chunks) }
}

/// # Safety
/// As for a [`ChainKernel`].
#[inline(always)]
unsafe fn run<V: Vector>(links: &[Link], lanes: *const Lane, chunks: usize) {
    let vectors = chunks * LANES / V::LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let first = run_blocks::<V, WIDTH>(links, lanes, 0, vectors);
        let first = run_blocks::<V, { WIDTH / 2 }>(links, lanes, first, vectors);
        run_blocks::<V, 1>(links, lanes, first, vectors);
    }
}

/// All links on as many of the vectors `first..end` as make whole blocks of `W`. Returns the first that is left.
///
/// # Safety
/// As for a [`ChainKernel`].
#[inline(always)]
unsafe fn run_blocks<V: Vector, const W: usize>(
    links: &[Link],
    lanes: *const Lane,
    mut first: usize,
    end: usize,
) -> usize {
    while first + W <= end {
        // SAFETY: the caller's promise.
        unsafe { run_block::<V, W>(links, lanes, first) };
        first += W;
    }
    first
}

/// All links on the vectors `first..first + W`.
///
/// # Safety
/// As for a [`ChainKernel`].
#[inline(always)]
#[allow(clippy::needless_range_loop)] // loops over constants, which become straight code over registers
unsafe fn run_block<V: Vector, const W: usize>(links: &[Link], lanes: *const Lane, first: usize) {
    // SAFETY: the caller's promise: lanes have `first + W` vectors, or one element that stands for all.
    unsafe {
        let mut held = [V::splat(V::Element::ZERO); W];
        macro_rules! each {
            ($value:ident, |$held:ident, $x:ident| $body:expr) => {{
                let lane = *lanes.add(usize::from($value));
                let from = lane.data.cast::<V::Element>();
                if lane.advance == 0 {
                    let $x = V::splat(*from);
                    for at in 0..W {
                        let $held = held[at];
                        held[at] = $body;
                    }
                } else {
                    let from = from.add(first * V::LANES);
                    for at in 0..W {
                        let ($held, $x) = (held[at], V::load(from.add(at * V::LANES)));
                        held[at] = $body;
                    }
                }
            }};
        }
        macro_rules! each_product {
            ($a:ident, $b:ident, |$held:ident, $x:ident| $body:expr) => {{
                let (a, b) = (*lanes.add(usize::from($a)), *lanes.add(usize::from($b)));
                // Both are the same for all elements where one of them is a column, of which this is one row.
                let (one, other) = if a.advance == 0 { (a, b) } else { (b, a) };
                let from = other.data.cast::<V::Element>().add(if other.advance == 0 {
                    0
                } else {
                    first * V::LANES
                });
                if one.advance == 0 {
                    let factor = V::splat(*one.data.cast::<V::Element>());
                    if other.advance == 0 {
                        let $x = factor.multiply(V::splat(*from));
                        for at in 0..W {
                            let $held = held[at];
                            held[at] = $body;
                        }
                    } else {
                        for at in 0..W {
                            let $x = factor.multiply(V::load(from.add(at * V::LANES)));
                            let $held = held[at];
                            held[at] = $body;
                        }
                    }
                } else {
                    let factor = one.data.cast::<V::Element>().add(first * V::LANES);
                    for at in 0..W {
                        let $x =
                            V::load(factor.add(at * V::LANES)).multiply(V::load(from.add(at * V::LANES)));
                        let $held = held[at];
                        held[at] = $body;
                    }
                }
            }};
        }
        for &link in links {
            match link {
                Link::Load(value) => each!(value, |_held, x| x),
                Link::Add(value) => each!(value, |held, x| held.add(x)),
                Link::Subtract(value) => each!(value, |held, x| held.subtract(x)),
                Link::SubtractFrom(value) => each!(value, |held, x| x.subtract(held)),
                Link::Multiply(value) => each!(value, |held, x| held.multiply(x)),
                Link::Divide(value) => each!(value, |held, x| held.divide(x)),
                Link::DivideInto(value) => each!(value, |held, x| x.divide(held)),
                Link::WherePositive(value) => each!(value, |held, x| held.where_positive(x)),
                Link::AddProduct(a, b) => each_product!(a, b, |held, x| held.add(x)),
                Link::MultiplyProduct(a, b) => each_product!(a, b, |held, x| held.multiply(x)),
                Link::Store(value) => {
                    let to = (*lanes.add(usize::from(value))).data.cast_mut().cast::<V::Element>();
                    for at in 0..W {
                        held[at].store(to.add((first + at) * V::LANES));
                    }
                }
                Link::Square => {
                    for at in 0..W {
                        held[at] = held[at].multiply(held[at]);
                    }
                }
                Link::SquareRoot => {
                    for at in 0..W {
                        held[at] = held[at].square_root();
                    }
                }
                Link::ReciprocalSquareRoot => {
                    for at in 0..W {
                        held[at] = held[at].reciprocal_square_root();
                    }
                }
                Link::Relu => {
                    for at in 0..W {
                        held[at] = held[at].relu();
                    }
                }
            }
        }
    }
}
