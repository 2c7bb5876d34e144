//! a / √x in float32 as a · 1/√x, for which an estimate and a series take a quarter of the time of the divider. The same to
//! 2 ulp. The root itself must be of no use to others, or it would be computed besides. In float64 there is no estimate that
//! is good enough.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::tensor::DType;

pub struct ReciprocalRoot;

impl Rule for ReciprocalRoot {
    fn name(&self) -> &'static str {
        "reciprocal_root"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["divide"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let [a, root] = *inputs else { unreachable!("a division has two operands") };
        let is_read_once = rewriter.readers().count(node.inputs[1]) == 1;
        let Some(root) = rewriter.produced_by(root, "sqrt").filter(|_| is_read_once) else {
            return Ok(None);
        };
        let x = root.inputs[0];
        if rewriter.ty(x).dtype != DType::F32 {
            return Ok(None);
        }
        let reciprocal = rewriter.add_named("rsqrt", &[x])?;
        Ok(Some(vec![rewriter.add_named("multiply", &[a, reciprocal])?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{add, divide, sqrt, square};
    use crate::tensor::TensorType;

    #[test]
    fn a_division_by_a_root_of_its_own_is_a_product_in_float32() {
        for (dtype, is_shared, expected) in [
            (DType::F32, false, &["rsqrt", "multiply"][..]),
            (DType::F32, true, &["sqrt", "divide", "add"]),
            (DType::F64, false, &["sqrt", "divide"]),
        ] {
            let mut graph = Graph::new();
            let a = graph.input(0, TensorType::new(dtype, [5, 3]));
            let x = graph.input(1, TensorType::new(dtype, [3]));
            let root = sqrt(&mut graph, x).unwrap();
            let mut y = divide(&mut graph, a, root).unwrap();
            if is_shared {
                y = add(&mut graph, y, root).unwrap();
            }
            assert_eq!(names_with(&ReciprocalRoot, &graph, &[y]), expected, "{dtype:?}");
        }
    }

    #[test]
    fn random_graphs() {
        check_rule(&ReciprocalRoot, 1e-5, |random| {
            let x = random.single();
            let y = square(&mut random.graph, x).unwrap();
            let root = sqrt(&mut random.graph, y).unwrap();
            let y = divide(&mut random.graph, x, root).unwrap();
            random.push(y);
        });
    }
}
