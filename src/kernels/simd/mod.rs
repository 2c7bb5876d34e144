//! Which vector instructions the machine has. Kernels are compiled for each of them and chosen at run time.

#[cfg(target_arch = "aarch64")]
mod neon;
mod per_isa;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use per_isa::per_isa;
pub use vector::{Kernel, Lanes, Vector, Vectorized, run};

use std::sync::OnceLock;

use crate::error::{Error, Result};

/// A set of vector instructions, from the least to the most capable on each architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Isa {
    /// What the compiler's baseline target has.
    Portable,
    /// x86-64 with AVX2 and FMA: 8 f32 a vector.
    Avx2,
    /// x86-64 with AVX-512 F, VL, DQ and BW: 16 f32 a vector.
    Avx512,
    /// AArch64: 4 f32 a vector.
    Neon,
}

impl Isa {
    /// Every instruction set that this machine can run, `Portable` first.
    pub fn available() -> impl Iterator<Item = Isa> {
        [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Neon].into_iter().filter(|isa| isa.is_available())
    }

    pub const fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        }
    }

    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => true,
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
}

/// The instruction set that kernels use: the best one available, or the one that the environment variable
/// `RUSTNET_ISA` names (`portable`, `avx2`, `avx512` or `neon`). Read once.
///
/// # Panics
/// Where [`chosen`] is an error, which the boundary reports when it is loaded.
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        chosen(std::env::var("RUSTNET_ISA").ok().as_deref()).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// The instruction set of this name, by default the best one available.
pub fn chosen(name: Option<&str>) -> Result<Isa> {
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(Isa::available().last().unwrap_or(Isa::Portable));
    };
    Isa::available().find(|isa| isa.name() == name).ok_or_else(|| {
        let names: Vec<_> = Isa::available().map(Isa::name).collect();
        Error::Configuration(format!(
            "expected RUSTNET_ISA to name instructions that this machine has, of {}. Received: RUSTNET_ISA={name}",
            names.join(", ")
        ))
    })
}

/// Asks for the cache line of an element that is used later.
#[inline(always)]
pub fn prefetch<T>(element: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address is allowed.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(element.cast())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = element;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_set_in_use_is_one_that_the_machine_has() {
        assert!(isa().is_available());
        assert_eq!(Isa::available().next(), Some(Isa::Portable));
        for isa in Isa::available() {
            assert_eq!(chosen(Some(isa.name())), Ok(isa));
        }
        assert_eq!(chosen(Some("")), chosen(None));
        let error = chosen(Some("mmx")).unwrap_err().to_string();
        assert!(error.ends_with("Received: RUSTNET_ISA=mmx"), "{error}");
    }
}
