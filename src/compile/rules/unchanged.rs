//! A node whose output is its input, of the same shape and dtype, is that input: a reshape, broadcast or cast to what the
//! value is already, a concatenation of one part, a gradient's end where no gradient is asked for any more. The same bits.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};

pub struct Unchanged;

impl Rule for Unchanged {
    fn name(&self) -> &'static str {
        "unchanged"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["reshape", "stop_gradient", "broadcast_to", "cast", "concatenate"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let output = rewriter.old().ty(node.outputs[0]);
        let is_same = inputs.len() == 1 && rewriter.ty(inputs[0]) == output;
        Ok(is_same.then(|| vec![inputs[0]]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::cast;
    use crate::ops::shape::concatenate;
    use crate::tensor::{DType, TensorType};

    #[test]
    fn only_what_changes_nothing_is_left_out() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F32, [2, 3]));
        let same = cast(&mut graph, x, DType::F32).unwrap();
        let alone = concatenate(&mut graph, &[same], 1).unwrap();
        let twice = concatenate(&mut graph, &[alone, x], 0).unwrap();
        let wide = cast(&mut graph, twice, DType::F64).unwrap();
        assert_eq!(names_with(&Unchanged, &graph, &[wide]), ["concatenate", "cast"]);
    }

    #[test]
    fn random_graphs() {
        check_rule(&Unchanged, 0.0, |random| {
            let x = random.pick_of_rank(2);
            let y = concatenate(&mut random.graph, &[x], 1).unwrap();
            random.push(y);
        });
    }
}
