//! The four kinds of arithmetic.

use super::binary::binary;
use super::negative;
use crate::graph::Properties;
use crate::kernels::elementwise::Arithmetic;

binary! {
    /// a + b
    add Add "add" {
        [f32 f64] |a, b| a + b;
        [i32] |a, b| a.wrapping_add(b);
        exact: |a, b| a + b,
        link: Some(Arithmetic::Add),
        da: |_, _, _, _, dy| Ok(Some(dy)),
        db: |_, _, _, _, dy| Ok(Some(dy)),
        properties: Properties {
            monotone: [true, true],
            keeps_zero: true,
            commutative: true,
            ..Properties::NONE
        },
    }

    /// a − b
    subtract Subtract "subtract" {
        [f32 f64] |a, b| a - b;
        [i32] |a, b| a.wrapping_sub(b);
        exact: |a, b| a - b,
        link: Some(Arithmetic::Subtract),
        da: |_, _, _, _, dy| Ok(Some(dy)),
        db: |graph, _, _, _, dy| negative(graph, dy).map(Some),
        properties: Properties { monotone: [true, false], keeps_zero: true, ..Properties::NONE },
    }

    /// a · b
    multiply Multiply "multiply" {
        [f32 f64] |a, b| a * b;
        [i32] |a, b| a.wrapping_mul(b);
        exact: |a, b| a * b,
        exact_int: Some(|a, b| a.wrapping_mul(b)),
        link: Some(Arithmetic::Multiply),
        da: |graph, _, b, _, dy| multiply(graph, dy, b).map(Some),
        db: |graph, a, _, _, dy| multiply(graph, dy, a).map(Some),
        properties: Properties {
            linear: [true, true],
            keeps_zero: true,
            commutative: true,
            ..Properties::NONE
        },
    }

    /// a / b
    divide Divide "divide" {
        [f32 f64] |a, b| a / b;
        exact: |a, b| a / b,
        link: Some(Arithmetic::Divide),
        picoseconds: Some([100, 200]),
        da: |graph, _, b, _, dy| divide(graph, dy, b).map(Some),
        // −dy · y / b
        db: |graph, _, b, y, dy| {
            let ratio = divide(graph, y, b)?;
            let slope = negative(graph, ratio)?;
            multiply(graph, dy, slope).map(Some)
        },
        properties: Properties { linear: [true, false], ..Properties::NONE },
    }
}
