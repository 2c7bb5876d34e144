//! One body, compiled once for each instruction set.

/// Defines a function whose body the compiler vectorises for each instruction set that [`isa`](super::isa) can choose.
/// What it calls must be `#[inline(always)]` to be compiled along with it; closures passed to other functions are not.
///
/// ```ignore
/// per_isa! {
///     /// y += x
///     pub fn accumulate[T: Real][T](y: &mut [T], x: &[T]) {
///         for (y, &x) in y.iter_mut().zip(x) {
///             *y += x;
///         }
///     }
/// }
/// ```
///
/// The brackets hold the generic parameters with their bounds, and their bare names; both are empty for a function
/// without any. The body may ask the constant `FMA` whether there are fused multiply-add instructions.
macro_rules! per_isa {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident[$($generics:tt)*][$($names:tt)*](
        $($argument:ident: $type:ty),* $(,)?
    ) $(-> $output:ty)? $body:block) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name<$($generics)*>($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            fn body<const FMA: bool, $($generics)*>($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<$($generics)*>($($argument: $type),*) $(-> $output)? {
                body::<true, $($names)*>($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            fn avx512<$($generics)*>($($argument: $type),*) $(-> $output)? {
                body::<true, $($names)*>($($argument),*)
            }

            match $crate::kernels::simd::isa() {
                // SAFETY: `isa` returns instruction sets that the machine has.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Isa::Avx2 => unsafe { avx2::<$($names)*>($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::simd::Isa::Avx512 => unsafe { avx512::<$($names)*>($($argument),*) },
                _ => body::<false, $($names)*>($($argument),*),
            }
        }
    };
}

pub(crate) use per_isa;
