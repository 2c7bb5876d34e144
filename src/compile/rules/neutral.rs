//! An operation with its neutral number leaves the other operand as it is: x·1, x/1, x−0, and of integers x+0. (A float
//! −0 + 0 is 0, which is another number: there the neutral one is −0.) The same bits.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};

pub struct Neutral;

/// The op, the operand, and the number that is neutral as that operand.
const NEUTRAL: [(&str, usize, f64); 6] = [
    ("add", 0, -0.0),
    ("add", 1, -0.0),
    ("subtract", 1, 0.0),
    ("multiply", 0, 1.0),
    ("multiply", 1, 1.0),
    ("divide", 1, 1.0),
];

impl Rule for Neutral {
    fn name(&self) -> &'static str {
        "neutral"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["add", "subtract", "multiply", "divide"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let output = rewriter.old().ty(node.outputs[0]);
        let is_float = output.dtype.is_float();
        let same = |number: f64, neutral: f64| {
            number == neutral && (!is_float || number.is_sign_negative() == neutral.is_sign_negative())
        };
        let other = NEUTRAL.iter().find_map(|&(name, operand, neutral)| {
            let other = inputs[1 - operand];
            let applies = node.op.name() == name
                && rewriter.constant(inputs[operand]).is_some_and(|number| same(number, neutral))
                && rewriter.ty(other) == output;
            applies.then_some(other)
        });
        Ok(other.map(|other| vec![other]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{add, divide, multiply, scalar_like, subtract};
    use crate::ops::shape::reshape;
    use crate::tensor::{DType, TensorType};

    #[test]
    fn operands_stay_as_they_are_beside_neutral_numbers_only() {
        for (dtype, name, operand, number, applies) in [
            (DType::F32, "multiply", 1, 1.0, true),
            (DType::F32, "multiply", 0, 1.0, true),
            (DType::I32, "multiply", 0, 1.0, true),
            (DType::F32, "divide", 1, 1.0, true),
            (DType::F32, "subtract", 1, 0.0, true),
            (DType::F32, "add", 0, -0.0, true),
            (DType::I32, "add", 1, 0.0, true),
            // 1 / x, 0 − x, and what turns −0 into 0.
            (DType::F32, "divide", 0, 1.0, false),
            (DType::F32, "subtract", 0, 0.0, false),
            (DType::F32, "subtract", 1, -0.0, false),
            (DType::F32, "add", 1, 0.0, false),
            (DType::F32, "multiply", 1, 2.0, false),
        ] {
            let mut graph = Graph::new();
            let x = graph.input(0, TensorType::new(dtype, [2, 3]));
            let number = scalar_like(&mut graph, x, number);
            let (a, b) = if operand == 1 { (x, number) } else { (number, x) };
            let build = match name {
                "add" => add,
                "subtract" => subtract,
                "multiply" => multiply,
                _ => divide,
            };
            let y = build(&mut graph, a, b).unwrap();
            let names = names_with(&Neutral, &graph, &[y]);
            assert_eq!(names.is_empty(), applies, "{dtype:?} {name} {operand} {number:?}");
        }
    }

    /// A number of another shape broadcasts the other operand.
    #[test]
    fn an_operand_that_is_broadcast_stays() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F32, []));
        let one = scalar_like(&mut graph, x, 1.0);
        let one = reshape(&mut graph, one, &[1, 1]).unwrap();
        let y = multiply(&mut graph, x, one).unwrap();
        assert_eq!(names_with(&Neutral, &graph, &[y]), ["reshape", "multiply"]);
    }

    #[test]
    fn random_graphs() {
        check_rule(&Neutral, 0.0, |random| {
            let x = random.pick();
            let one = scalar_like(&mut random.graph, x, 1.0);
            let y = multiply(&mut random.graph, one, x).unwrap();
            random.push(y);
        });
    }
}
