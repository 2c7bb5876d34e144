//! One vector register of each instruction set behind one trait, so that a kernel is written once, and the call that
//! picks the instruction set.

use super::Isa;
use crate::kernels::Real;

/// A vector register of [`Vector::LANES`] elements.
///
/// # Safety
/// Every method needs a processor with the register's instructions, and to be inlined into a function compiled for
/// them: that is, they are called from [`Kernel::run`] only. Pointers are good for [`Vector::LANES`] elements, of any
/// alignment.
#[allow(clippy::missing_safety_doc)]
pub trait Vector: Copy {
    type Element: Real;
    const LANES: usize;
    /// Rows of two vectors that a product keeps in registers, beside two vectors of B and an element of A.
    const ROWS: usize;

    unsafe fn splat(element: Self::Element) -> Self;
    unsafe fn load(from: *const Self::Element) -> Self;
    /// The first `count` elements, 1 to [`Vector::LANES`], then zeros; no other element is read.
    unsafe fn load_first(from: *const Self::Element, count: usize) -> Self;
    unsafe fn store(self, to: *mut Self::Element);
    /// Writes the first `count` elements, 1 to [`Vector::LANES`], and no other.
    unsafe fn store_first(self, to: *mut Self::Element, count: usize);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn subtract(self, other: Self) -> Self;
    unsafe fn multiply(self, other: Self) -> Self;
    unsafe fn divide(self, other: Self) -> Self;
    unsafe fn square_root(self) -> Self;
    /// 1 / √x, to 2 ulp; in f32, numbers below the normal ones may count as zeros.
    unsafe fn reciprocal_square_root(self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self::splat(Self::Element::ONE).divide(self.square_root()) }
    }
    /// 0 where an element is below; NaN stays NaN.
    unsafe fn relu(self) -> Self;
    /// 0 where the other is not above 0, or NaN.
    unsafe fn where_positive(self, other: Self) -> Self;
    /// self + a·b, rounded once where the instruction set can.
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;
    /// The sum of the lanes of each vector.
    unsafe fn totals(vectors: [Self; 4]) -> [Self::Element; 4] {
        let mut totals = [Self::Element::ZERO; 4];
        for (total, vector) in totals.iter_mut().zip(vectors) {
            let mut lanes = [Self::Element::ZERO; 16];
            // SAFETY: the trait's contract; no vector has more lanes.
            unsafe { vector.store(lanes.as_mut_ptr()) };
            let mut width = Self::LANES;
            while width > 1 {
                width /= 2;
                for lane in 0..width {
                    let other = lanes[lane + width];
                    lanes[lane] += other;
                }
            }
            *total = lanes[0];
        }
        totals
    }
}

/// A float with a vector of each instruction set.
pub trait Vectorized: Real {
    type Portable: Vector<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Vector<Element = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx512: Vector<Element = Self>;
    #[cfg(target_arch = "aarch64")]
    type Neon: Vector<Element = Self>;
}

/// A piece of work written for any vector.
pub trait Kernel {
    type Element: Vectorized;

    /// Implementations, and whatever they call with vectors, are `#[inline(always)]`, and keep vectors out of closures.
    ///
    /// # Safety
    /// The processor has the instructions of `V`.
    unsafe fn run<V: Vector<Element = Self::Element>>(self);
}

/// Runs `kernel` with the vectors of `isa`, which the machine must have.
pub fn run<K: Kernel>(isa: Isa, kernel: K) {
    assert!(isa.is_available(), "the machine does not have {}", isa.name());
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the machine has the instructions, by the assertion.
        Isa::Avx512 => unsafe { run_avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { run_avx2(kernel) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        Isa::Neon => unsafe { kernel.run::<<K::Element as Vectorized>::Neon>() },
        // SAFETY: portable vectors are what the baseline target has.
        _ => unsafe { kernel.run::<<K::Element as Vectorized>::Portable>() },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) {
    // SAFETY: the caller's promise.
    unsafe { kernel.run::<<K::Element as Vectorized>::Avx512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) {
    // SAFETY: the caller's promise.
    unsafe { kernel.run::<<K::Element as Vectorized>::Avx2>() }
}

/// `LANES` elements that the compiler puts into whatever registers the baseline target has.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Lanes<T, const LANES: usize>([T; LANES]);

impl<T: Real, const LANES: usize> Vector for Lanes<T, LANES> {
    type Element = T;
    const LANES: usize = LANES;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(element: T) -> Self {
        Self([element; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the trait's contract.
        unsafe { from.cast::<Self>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const T, count: usize) -> Self {
        let mut lanes = [T::ZERO; LANES];
        // SAFETY: the trait's contract.
        unsafe { std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count) };
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the trait's contract.
        unsafe { to.cast::<Self>().write_unaligned(self) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, count: usize) {
        // SAFETY: the trait's contract.
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, count) };
    }
    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane += other;
        }
        self
    }
    #[inline(always)]
    unsafe fn subtract(mut self, other: Self) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane -= other;
        }
        self
    }
    #[inline(always)]
    unsafe fn multiply(mut self, other: Self) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane *= other;
        }
        self
    }
    #[inline(always)]
    unsafe fn divide(mut self, other: Self) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane = *lane / other;
        }
        self
    }
    #[inline(always)]
    unsafe fn square_root(mut self) -> Self {
        for lane in &mut self.0 {
            *lane = lane.sqrt();
        }
        self
    }
    #[inline(always)]
    unsafe fn where_positive(mut self, other: Self) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane = if other > T::ZERO { *lane } else { T::ZERO };
        }
        self
    }
    #[inline(always)]
    unsafe fn relu(mut self) -> Self {
        for lane in &mut self.0 {
            *lane = if *lane <= T::ZERO { T::ZERO } else { *lane };
        }
        self
    }
    #[inline(always)]
    unsafe fn multiply_add(mut self, a: Self, b: Self) -> Self {
        for (lane, (a, b)) in self.0.iter_mut().zip(a.0.into_iter().zip(b.0)) {
            *lane += a * b;
        }
        self
    }
}

impl Vectorized for f32 {
    type Portable = Lanes<f32, 4>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512;
    #[cfg(target_arch = "aarch64")]
    type Neon = std::arch::aarch64::float32x4_t;
}

impl Vectorized for f64 {
    type Portable = Lanes<f64, 2>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = std::arch::x86_64::__m256d;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = std::arch::x86_64::__m512d;
    #[cfg(target_arch = "aarch64")]
    type Neon = std::arch::aarch64::float64x2_t;
}

#[cfg(test)]
mod tests {
    use super::*;

    struct MultiplyAdd<'a, T>(&'a [T], &'a mut [T]);

    impl<T: Vectorized> Kernel for MultiplyAdd<'_, T> {
        type Element = T;

        #[inline(always)]
        unsafe fn run<V: Vector<Element = T>>(self) {
            for start in (0..self.0.len()).step_by(V::LANES) {
                // SAFETY: both slices have a multiple of every number of lanes.
                unsafe {
                    let x = V::load(self.0.as_ptr().add(start));
                    let y = x.add(V::splat(T::ONE)).multiply_add(x, V::splat(T::from_f64(4.0))).subtract(x);
                    y.store(self.1.as_mut_ptr().add(start));
                }
            }
        }
    }

    fn check<T: Vectorized>() {
        let x: Vec<T> = (0..32).map(|i| T::from_f64(f64::from(i))).collect();
        for isa in Isa::available() {
            let mut y = vec![T::ZERO; 32];
            run(isa, MultiplyAdd(&x, &mut y));
            for (i, y) in y.iter().enumerate() {
                assert_eq!(y.to_f64(), 4.0 * i as f64 + 1.0, "{}", isa.name());
            }
        }
    }

    struct CopyFirst<'a, T>(&'a [T], &'a mut [T], usize);

    impl<T: Vectorized> Kernel for CopyFirst<'_, T> {
        type Element = T;

        #[inline(always)]
        unsafe fn run<V: Vector<Element = T>>(self) {
            let count = self.2.min(V::LANES);
            // SAFETY: both slices have `count` elements.
            unsafe {
                V::load_first(self.0.as_ptr(), count)
                    .add(V::splat(T::ONE))
                    .store_first(self.1.as_mut_ptr(), count);
            }
        }
    }

    #[test]
    fn parts_of_vectors() {
        for isa in Isa::available() {
            for count in 1..=16 {
                let x: Vec<f32> = (0..count).map(|i| i as f32).collect();
                let mut y = vec![0.0; count];
                run(isa, CopyFirst(&x, &mut y, count));
                let copied = y.iter().take_while(|&&element| element > 0.0).count();
                assert!(copied == count || copied >= 4, "{}: {count}", isa.name());
                assert!(y[..copied].iter().zip(&x).all(|(y, x)| *y == x + 1.0), "{}: {count}", isa.name());
            }
        }
    }

    struct ReciprocalSquareRoots<'a>(&'a mut [f32]);

    impl Kernel for ReciprocalSquareRoots<'_> {
        type Element = f32;

        #[inline(always)]
        unsafe fn run<V: Vector<Element = f32>>(self) {
            for x in self.0.chunks_exact_mut(V::LANES) {
                // SAFETY: the chunk is a vector.
                unsafe { V::load(x.as_ptr()).reciprocal_square_root().store(x.as_mut_ptr()) };
            }
        }
    }

    #[test]
    fn reciprocal_square_roots_to_two_ulp() {
        // Two octaves have every exponent's parity; the others differ in the exponent of the result only.
        let octaves = |low: u32| (low << 23..(low + 2) << 23).step_by(3);
        let bits = octaves(127).chain(octaves(1).step_by(64)).chain(octaves(252).step_by(64));
        let mut x: Vec<f32> = bits.map(f32::from_bits).collect();
        x.truncate(x.len() / 16 * 16);
        for isa in Isa::available() {
            let mut y = x.clone();
            run(isa, ReciprocalSquareRoots(&mut y));
            for (&x, &y) in x.iter().zip(&y) {
                let error = (f64::from(y) * f64::from(x).sqrt() - 1.0).abs();
                // An ulp is 2⁻²⁴ to 2⁻²³ of a number.
                assert!(error <= 2.0 * 2f64.powi(-24), "{}: 1 / √{x:e} is not {y:e}", isa.name());
            }
            let special = [0.0, -0.0, f32::INFINITY, f32::NAN, -1.0, f32::NEG_INFINITY, 4.0, f32::MAX];
            let mut y: Vec<f32> = special.repeat(2);
            run(isa, ReciprocalSquareRoots(&mut y));
            assert_eq!(y[..3], [f32::INFINITY, f32::NEG_INFINITY, 0.0], "{}", isa.name());
            assert!(y[3..6].iter().all(|y| y.is_nan()), "{}: {y:?}", isa.name());
            assert_eq!(y[6], 0.5, "{}", isa.name());
        }
    }

    #[test]
    fn every_instruction_set_computes_the_same() {
        check::<f32>();
        check::<f64>();
    }
}
