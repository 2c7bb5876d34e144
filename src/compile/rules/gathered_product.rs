//! A product over the rows that are gathered from a table is one over the rows of the table: gather(table, ids)ᵀ·d =
//! tableᵀ·S with S (V, N) = scatter_add(ids, d), the sum of the rows of d for each id. As in the gradient of a dense layer's
//! kernel over an embedding. The same to rounding: the rows are summed in another order. It applies where that is less work.

use crate::compile::cost::cost;
use crate::compile::properties::{GatheredRows, share_of_cost};
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::ops::gather::row_scatter;
use crate::ops::matmul::{product, transposes};
use crate::tensor::TensorType;

pub struct GatheredProduct;

impl Rule for GatheredProduct {
    fn name(&self) -> &'static str {
        "gathered_product"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["matmul"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        // aᵀ·b sums over the rows of both.
        if transposes(&*node.op) != Some((true, false))
            || inputs.iter().any(|&input| rewriter.shape(input).len() != 2)
        {
            return Ok(None);
        }
        for (gathered, other) in [(0, 1), (1, 0)] {
            let Some(rows) = GatheredRows::of_view(rewriter, inputs[gathered]) else { continue };
            let (table, ids) = (rewriter.ty(rows.table), rewriter.ty(rows.ids));
            let (size, columns) = (table.shape[0], rewriter.shape(inputs[other])[1]);
            let d = TensorType::new(table.dtype, [&ids.shape[..], &[columns]].concat());
            let scatter = row_scatter(size);
            let sums = TensorType::new(table.dtype, [size, columns]);
            let mut operands = [table, &sums];
            operands.rotate_left(gathered);
            let after = cost(&*scatter, &[ids, &d])? + cost(&*node.op, &operands)?;
            let before = rewriter.cost(&node.op, inputs)? + share_of_cost(rewriter, node.inputs[gathered])?;
            if after >= before {
                continue;
            }
            let d = rewriter.reshape(inputs[other], &d.shape)?;
            let sums = rewriter.add(&scatter, &[rows.ids, d])?[0];
            let mut operands = [rows.table, sums];
            operands.rotate_left(gathered);
            return rewriter.add(&product((true, false)), &operands).map(Some);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::random_graphs::gather;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::matmul::matmul;
    use crate::ops::shape::reshape;
    use crate::tensor::DType;

    /// What becomes of gather(table, ids)ᵀ·d for ids (5, 6) and this many rows of the table.
    fn names(rows: usize, transposed: (bool, bool), is_first: bool) -> Vec<&'static str> {
        let mut graph = Graph::new();
        let float = |shape: &[usize]| TensorType::new(DType::F64, shape);
        let table = graph.input(0, float(&[rows, 30]));
        let ids = graph.input(1, TensorType::new(DType::I32, [5, 6]));
        let d = graph.input(2, float(&[30, 30]));
        let x = gather(&mut graph, table, ids);
        let x = reshape(&mut graph, x, &[30, 30]).unwrap();
        let (a, b) = if is_first { (x, d) } else { (d, x) };
        let y = matmul(&mut graph, a, b, transposed).unwrap();
        names_with(&GatheredProduct, &graph, &[y])
    }

    #[test]
    fn a_product_over_gathered_rows_is_one_over_the_table() {
        for is_first in [true, false] {
            assert_eq!(names(7, (true, false), is_first), ["reshape", "scatter_add", "matmul"]);
        }
    }

    #[test]
    fn other_products_stay() {
        let before = ["gather", "reshape", "matmul"];
        assert_eq!(names(40, (true, false), true), before, "more rows than are gathered");
        assert_eq!(names(7, (false, false), true), before, "a sum over columns");
        assert_eq!(names(7, (true, true), true), before);
    }

    #[test]
    fn random_graphs() {
        check_rule(&GatheredProduct, 1e-12, |random| {
            let (table, ids) = (random.leaf(&[2, 8]), random.ids(&[20], 2));
            let x = gather(&mut random.graph, table, ids);
            let d = random.leaf(&[20, 8]);
            let y = matmul(&mut random.graph, x, d, (true, false)).unwrap();
            random.push(y);
        });
    }
}
