//! What is computed of each row on its own is computed of the rows of a table once, instead of the many more rows that are
//! gathered from it: f(gather(table, ids), c) = gather(f(table, c), ids). For elementwise ops, and for every op that works on
//! rows ([`Op::on_rows`](crate::graph::Op::on_rows)): a dense layer over an embedding, its bias and its activation. The same
//! bits, but for products that are divided in another way for another number of rows: those to rounding.

use crate::compile::cost::cost;
use crate::compile::properties::{GatheredRows, share_of_cost};
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, OpRef, Value};
use crate::ops::gather::row_gather;
use crate::tensor::TensorType;

pub struct RowsOfTable;

impl Rule for RowsOfTable {
    fn name(&self) -> &'static str {
        "gathered_rows"
    }

    fn starts_from(&self) -> Start {
        Start::Property(|graph, node| {
            let types: Vec<&TensorType> = node.inputs.iter().map(|&input| graph.ty(input)).collect();
            node.outputs.len() == 1
                && (node.op.instruction(&types).is_some() || node.op.on_rows(&types).is_some())
        })
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let Some((op, operands, ids)) = on_table(node, inputs, rewriter) else { return Ok(None) };
        let types: Vec<&TensorType> = operands.iter().map(|&operand| rewriter.ty(operand)).collect();
        let Ok(rows) = op.output_types(&types) else { return Ok(None) };
        let after = cost(&*op, &types)? + cost(&*row_gather(), &[&rows[0], rewriter.ty(ids)])?;
        let mut before = rewriter.cost(&node.op, inputs)?;
        for (&old, &operand) in node.inputs.iter().zip(inputs) {
            if GatheredRows::of(rewriter, operand).is_some() {
                before += share_of_cost(rewriter, old)?;
            }
        }
        if after >= before {
            return Ok(None);
        }
        let rows = rewriter.add(&op, &operands)?[0];
        rewriter.add(&row_gather(), &[rows, ids]).map(Some)
    }
}

/// The op of tables in the place of what is gathered from them by the same ids, and these.
fn on_table(node: &Node, inputs: &[Value], rewriter: &Rewriter<'_>) -> Option<(OpRef, Vec<Value>, Value)> {
    let gathered: Vec<_> = inputs.iter().map(|&input| GatheredRows::of(rewriter, input)).collect();
    let first = gathered.iter().flatten().next().copied()?;
    let row_rank = rewriter.shape(first.table).len() - 1;
    let types: Vec<&TensorType> = inputs.iter().map(|&input| rewriter.ty(input)).collect();
    let is_elementwise = node.op.instruction(&types).is_some();
    let op = if is_elementwise { node.op.clone() } else { node.op.on_rows(&types)? };
    let mut operands = Vec::new();
    for (index, (&input, rows)) in inputs.iter().zip(&gathered).enumerate() {
        let table = rows.filter(|rows| {
            let is_like_first = rows.ids == first.ids && rewriter.shape(rows.table).len() == row_rank + 1;
            is_like_first && rewriter.shape(rows.table)[0] == rewriter.shape(first.table)[0]
        });
        // What has no rows is the same for all of them.
        let is_shared = if is_elementwise { types[index].rank() <= row_rank } else { index > 0 };
        match table {
            Some(rows) if is_elementwise || (index == 0 && row_rank == 1) => operands.push(rows.table),
            _ if is_shared => operands.push(input),
            _ => return None,
        }
    }
    Some((op, operands, first.ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::random_graphs::gather;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{add, multiply, relu};
    use crate::ops::matmul::matmul;
    use crate::tensor::DType;

    fn float(shape: &[usize]) -> TensorType {
        TensorType::new(DType::F64, shape)
    }

    /// What becomes of relu(gather(table, ids)·kernel + bias) for this many rows.
    fn dense(rows: usize, bias: &[usize]) -> Vec<&'static str> {
        let mut graph = Graph::new();
        let (table, kernel) = (graph.input(0, float(&[rows, 4])), graph.input(1, float(&[4, 3])));
        let ids = graph.input(2, TensorType::new(DType::I32, [5, 6]));
        let bias = graph.input(3, float(bias));
        let x = gather(&mut graph, table, ids);
        let product = matmul(&mut graph, x, kernel, (false, false)).unwrap();
        let biased = add(&mut graph, product, bias).unwrap();
        let y = relu(&mut graph, biased).unwrap();
        names_with(&RowsOfTable, &graph, &[y])
    }

    #[test]
    fn a_dense_layer_over_few_rows_is_one_of_the_table() {
        assert_eq!(dense(7, &[3]), ["matmul", "add", "relu", "gather"]);
    }

    #[test]
    fn what_needs_more_than_the_row_comes_after_the_gather() {
        assert_eq!(dense(7, &[6, 3]), ["matmul", "gather", "add", "relu"], "a bias for each position");
        assert_eq!(dense(40, &[3]), ["gather", "matmul", "add", "relu"], "more rows than are gathered");
    }

    #[test]
    fn random_graphs() {
        check_rule(&RowsOfTable, 1e-12, |random| {
            let (table, ids) = (random.leaf(&[4, 3]), random.ids(&[5, 3], 4));
            let x = gather(&mut random.graph, table, ids);
            let (kernel, scale) = (random.leaf(&[3, 3]), random.leaf(&[3]));
            let x = multiply(&mut random.graph, x, scale).unwrap();
            let y = matmul(&mut random.graph, x, kernel, (false, false)).unwrap();
            random.push(y);
        });
    }
}
