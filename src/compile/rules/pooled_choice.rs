//! What lies at the argmax of each window of a maximum pooling: of the pooled map itself that is the maximum, and of an
//! elementwise op of maps it is the op of what lies there of each: f(a, b) at the argmax = f(a at the argmax, b at the
//! argmax). So a slope is computed of the maxima alone, and the map below the pooling is no longer needed for it. The same
//! bits: the same numbers meet in the same op.

use super::pooled_gradient::at_argmax;
use crate::compile::properties::{is_same_for_all_pixels, share_of_cost};
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};

pub struct PooledChoice;

impl Rule for PooledChoice {
    fn name(&self) -> &'static str {
        "pooled_choice"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["max_pool2d_select"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let [argmax, map] = *inputs else { unreachable!("a selection has two operands") };
        let (chosen, cost) = at_argmax(rewriter, &node.op, argmax, map)?;
        if cost == 0 {
            return Ok(Some(vec![chosen]));
        }
        let Some((f, operands)) = rewriter.producer(map).map(|f| (f.op.clone(), f.inputs.clone())) else {
            return Ok(None);
        };
        let types: Vec<_> = operands.iter().map(|&operand| rewriter.ty(operand)).collect();
        let shape = rewriter.shape(map).to_vec();
        let is_elementwise = f.instruction(&types).is_some();
        let can_choose = |ty: &&crate::tensor::TensorType| {
            (ty.shape == shape && ty.dtype.is_float()) || is_same_for_all_pixels(&ty.shape)
        };
        if !is_elementwise || !types.iter().all(can_choose) {
            return Ok(None);
        }
        let before = cost + share_of_cost(rewriter, node.inputs[1])?;
        let mut after = 0;
        let mut chosen = operands;
        for operand in &mut chosen {
            if rewriter.shape(*operand) == shape {
                let (value, cost) = at_argmax(rewriter, &node.op, argmax, *operand)?;
                (*operand, after) = (value, after + cost);
            }
        }
        after += rewriter.cost(&f, &chosen)?;
        if after >= before {
            return Ok(None);
        }
        rewriter.add(&f, &chosen).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, max_pool_with_argmax, names_with, select_at};
    use crate::graph::Graph;
    use crate::ops::elementwise::{multiply, square, subtract};
    use crate::ops::shape::transpose;
    use crate::tensor::{DType, TensorType};

    #[test]
    fn a_function_of_the_pooled_map_is_one_of_the_maxima() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [2, 4, 6, 3]));
        let c = graph.input(1, TensorType::new(DType::F64, [3]));
        let (y, argmax) = max_pool_with_argmax(&mut graph, x, 2, 2);
        let squared = square(&mut graph, x).unwrap();
        let slope = subtract(&mut graph, c, squared).unwrap();
        let chosen = select_at(&mut graph, argmax, slope, 2, 2);
        let result = multiply(&mut graph, chosen, y).unwrap();
        assert_eq!(
            names_with(&PooledChoice, &graph, &[result]),
            ["max_pool2d", "square", "subtract", "multiply"]
        );
    }

    #[test]
    fn what_mixes_pixels_is_chosen_from_as_it_is() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [2, 4, 4, 3]));
        let (_, argmax) = max_pool_with_argmax(&mut graph, x, 2, 2);
        let transposed = transpose(&mut graph, x, &[0, 2, 1, 3]).unwrap();
        let chosen = select_at(&mut graph, argmax, transposed, 2, 2);
        let names = names_with(&PooledChoice, &graph, &[chosen]);
        assert_eq!(names, ["max_pool2d", "transpose", "max_pool2d_select"]);
    }

    #[test]
    fn random_graphs() {
        check_rule(&PooledChoice, 0.0, |random| {
            let x = random.image();
            let (y, argmax) = max_pool_with_argmax(&mut random.graph, x, 2, 2);
            let squared = square(&mut random.graph, x).unwrap();
            let chosen = select_at(&mut random.graph, argmax, squared, 2, 2);
            let y = multiply(&mut random.graph, chosen, y).unwrap();
            random.push(y);
        });
    }
}
