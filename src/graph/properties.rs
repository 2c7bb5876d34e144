//! What rewrites of a graph may know of an op without knowing which op it is.

/// Facts about an op of numbers, most of them about an elementwise one. Each holds for all inputs that are not NaN; false is always safe to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Properties {
    /// For each of the first two inputs: where it grows and the other stays, the output never falls, nor is it
    /// NaN anywhere (as a root or a logarithm is of negative numbers).
    pub monotone: [bool; 2],
    /// For each of the first two inputs: f(x + z) = f(x) + f(z) and f(c·x) = c·f(x), up to rounding, where the other stays.
    pub linear: [bool; 2],
    /// f(−x) = f(x)
    pub even: bool,
    /// f(−x) = −f(x)
    pub odd: bool,
    /// The output is 0 where all inputs are.
    pub keeps_zero: bool,
    /// f(f(x)) = f(x)
    pub idempotent: bool,
    /// f(a, b) = f(b, a)
    pub commutative: bool,
}

impl Properties {
    /// Nothing is known.
    pub const NONE: Self = Self {
        monotone: [false; 2],
        linear: [false; 2],
        even: false,
        odd: false,
        keeps_zero: false,
        idempotent: false,
        commutative: false,
    };
}
