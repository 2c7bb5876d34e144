//! The instructions of an instruction sequence.

use crate::tensor::DType;

/// One elementwise operation on registers. The dtype follows from the operands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Instruction {
    Unary(UnaryOp),
    Binary(BinaryOp),
    /// Two numbers → bool.
    Compare(CompareOp),
    /// Two bools → bool.
    Logical(LogicalOp),
    /// (bool, T, T) → T: the second operand where the first is true, else the third.
    Select,
    Cast(DType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    Negative,
    Abs,
    Sign,
    Square,
    Reciprocal,
    Sqrt,
    Rsqrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Relu,
    Erf,
    Floor,
    Ceil,
    Round,
    /// T → bool.
    IsNan,
    /// T → bool.
    IsFinite,
    /// bool → bool.
    LogicalNot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Maximum,
    Minimum,
    /// Python's `%`: the sign of the divisor.
    Mod,
    FloorDivide,
    /// The first where the second is above 0, else 0.
    ReluBackward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicalOp {
    And,
    Or,
}
