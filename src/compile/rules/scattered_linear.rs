//! Adding rows up commutes with what is linear in them: scatter_add(ids, f(d, c)) = f(scatter_add(ids, d), c) for f that
//! works on each row alone and is linear in it ([`Properties::linear`](crate::graph::Properties)). So the gradient of a table
//! by way of a dense layer is a product with the sums for each id, not with each of the many rows. The same to rounding. It
//! applies where that is less work.

use crate::compile::cost::cost;
use crate::compile::properties::{GatheredRows, share_of_cost};
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, OpRef, Value};
use crate::ops::gather::sliced_axis;
use crate::tensor::TensorType;

pub struct ScatteredLinear;

impl Rule for ScatteredLinear {
    fn name(&self) -> &'static str {
        "scattered_linear"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["scatter_add"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let [ids, updates] = *inputs else { unreachable!("a scatter_add has two inputs") };
        let size = rewriter.old().shape(node.outputs[0])[0];
        let f = linear_in_rows(rewriter, ids, updates, size).filter(|_| sliced_axis(&*node.op) == Some(0));
        let Some((op, mut operands, place)) = f else { return Ok(None) };
        let d = operands[place];
        let row = &rewriter.shape(d)[rewriter.shape(ids).len()..];
        let sums = TensorType::new(rewriter.ty(d).dtype, [&[size], row].concat());
        let types: Vec<&TensorType> = (0..operands.len())
            .map(|index| if index == place { &sums } else { rewriter.ty(operands[index]) })
            .collect();
        let is_same =
            op.output_types(&types).is_ok_and(|types| types[0] == *rewriter.old().ty(node.outputs[0]));
        let after = rewriter.cost(&node.op, &[ids, d])? + if is_same { cost(&*op, &types)? } else { 0 };
        let before = rewriter.cost(&node.op, inputs)? + share_of_cost(rewriter, node.inputs[1])?;
        if !is_same || after >= before {
            return Ok(None);
        }
        operands[place] = rewriter.add(&node.op, &[ids, d])?[0];
        rewriter.add(&op, &operands).map(Some)
    }
}

/// What computes `updates`: an op that works on each row alone and is linear in an operand's, its operands with tables for
/// what is gathered by the same ids, and the place of that operand.
fn linear_in_rows(
    rewriter: &Rewriter<'_>,
    ids: Value,
    updates: Value,
    size: usize,
) -> Option<(OpRef, Vec<Value>, usize)> {
    let f = rewriter.producer(updates)?;
    let types: Vec<&TensorType> = f.inputs.iter().map(|&input| rewriter.ty(input)).collect();
    let is_linear = |place: usize| f.op.properties().linear.get(place) == Some(&true);
    if f.op.instruction(&types).is_none() {
        let op = f.op.on_rows(&types).filter(|_| is_linear(0))?;
        let has_rows = types[0].rank() == rewriter.shape(ids).len() + 1;
        return has_rows.then(|| (op, f.inputs.clone(), 0));
    }
    let row_rank = rewriter.shape(updates).len() - rewriter.shape(ids).len();
    (0..types.len()).find_map(|place| {
        if !is_linear(place) || types[place] != rewriter.ty(updates) {
            return None;
        }
        let operand = |(index, &input): (usize, &Value)| {
            let rows = GatheredRows::of(rewriter, input).filter(|rows| rows.ids == ids);
            match rows.map(|rows| rows.table) {
                _ if index == place || types[index].rank() <= row_rank => Some(input),
                Some(table) if rewriter.shape(table)[0] == size => Some(table),
                _ => None,
            }
        };
        let operands = f.inputs.iter().enumerate().map(operand).collect::<Option<Vec<Value>>>()?;
        Some((f.op.clone(), operands, place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::gradients;
    use crate::compile::random_graphs::gather;
    use crate::compile::rules::testing::{check_rule, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{multiply, square};
    use crate::ops::matmul::matmul;
    use crate::ops::reduce::reduce_sum;
    use crate::tensor::DType;

    /// The last op of the gradient of a table of this many rows, of Σ weights · (gather(table, ids)·kernel).
    fn last_op(rows: usize) -> &'static str {
        let mut graph = Graph::new();
        let float = |shape: &[usize]| TensorType::new(DType::F64, shape);
        let (table, kernel) = (graph.input(0, float(&[rows, 20])), graph.input(1, float(&[20, 20])));
        let ids = graph.input(2, TensorType::new(DType::I32, [5, 6]));
        let weights = graph.input(3, float(&[5, 6, 20]));
        let x = gather(&mut graph, table, ids);
        let y = matmul(&mut graph, x, kernel, (false, false)).unwrap();
        let weighted = multiply(&mut graph, y, weights).unwrap();
        let loss = reduce_sum(&mut graph, weighted, &[0, 1, 2], false).unwrap();
        let dtable = gradients(&mut graph, loss, &[table]).unwrap()[0].unwrap();
        names_with(&ScatteredLinear, &graph, &[dtable]).pop().unwrap()
    }

    #[test]
    fn few_sums_are_multiplied_instead_of_many_rows() {
        assert_eq!(last_op(7), "matmul");
        assert_eq!(last_op(100), "scatter_add", "more rows than are added");
    }

    #[test]
    fn random_graphs() {
        check_rule(&ScatteredLinear, 1e-12, |random| {
            let (table, ids) = (random.leaf(&[2, 4]), random.ids(&[20], 2));
            let (scale, kernel) = (random.leaf(&[4]), random.leaf(&[4, 4]));
            let x = gather(&mut random.graph, table, ids);
            let x = multiply(&mut random.graph, x, scale).unwrap();
            let x = square(&mut random.graph, x).unwrap();
            let y = matmul(&mut random.graph, x, kernel, (false, false)).unwrap();
            random.push(y);
        });
    }
}
