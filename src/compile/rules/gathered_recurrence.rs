//! A recurrent layer over rows of a table multiplies the table (V, I) by its kernel once, instead of the many more rows
//! (B, T, I) that are gathered from it: gather(table, ids)·kernel = gather(table·kernel, ids), to the bit, since every element
//! of a product is summed in one order. Backward, with S (V, G·H) the sum of the gradient of x·kernel over the timesteps of
//! each id, dkernel = tableᵀ·S, and the gradient of the table is S·kernelᵀ instead of scatter_add(ids, dx): the same to
//! rounding. Where the table has too many rows for that to be less work, the layer stays as it is.

use crate::compile::cost::cost;
use crate::compile::properties::GatheredRows;
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, OpRef, Value};
use crate::ops::gather::sliced_axis;
use crate::ops::matmul::product;
use crate::ops::recurrent;
use crate::tensor::TensorType;

pub struct GatheredRecurrence;

impl Rule for GatheredRecurrence {
    fn name(&self) -> &'static str {
        "gathered_recurrence"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&[
            "simple_rnn",
            "gru",
            "lstm",
            "simple_rnn_backward",
            "gru_backward",
            "lstm_backward",
            "scatter_add",
        ])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        match node.op.name() {
            "scatter_add" => table_gradient(node, inputs, rewriter),
            _ => layer(node, inputs, rewriter),
        }
    }
}

/// The outputs of a layer, or of its gradient where nobody wants that of x.
fn layer(node: &Node, inputs: &[Value], rewriter: &mut Rewriter<'_>) -> Result<Option<Vec<Value>>> {
    let wants_dx = recurrent::wants_dx(&*node.op);
    let dx = node.outputs.last().filter(|_| wants_dx == Some(true));
    if dx.is_some_and(|&dx| rewriter.readers().count(dx) > 0) {
        return Ok(None);
    }
    let Some(mut rows) = OverTable::of(&node.op, inputs, rewriter)? else { return Ok(None) };
    let mut outputs = rows.apply(rewriter)?;
    if wants_dx.is_some() {
        outputs[0] = rewriter.add(&product((true, false)), &[rows.table, outputs[0]])?[0];
    }
    Ok(Some(outputs))
}

/// The gradient of the table: scatter_add(ids, dx) of the layer's gradient, where nothing else reads dx.
fn table_gradient(node: &Node, inputs: &[Value], rewriter: &mut Rewriter<'_>) -> Result<Option<Vec<Value>>> {
    let [ids, dx] = *inputs else { unreachable!("a scatter_add has two inputs") };
    let is_read_once = rewriter.readers().count(node.inputs[1]) == 1;
    let Some(backward) = rewriter.producer(dx).filter(|_| is_read_once) else { return Ok(None) };
    if recurrent::wants_dx(&*backward.op) != Some(true) || backward.outputs.last() != Some(&dx) {
        return Ok(None);
    }
    let (op, operands) = (backward.op.clone(), backward.inputs.clone());
    let kernel = operands[1];
    let Some(mut rows) = OverTable::of(&op, &operands, rewriter)? else { return Ok(None) };
    let is_table =
        rows.operands[0] == ids && rewriter.shape(rows.table) == rewriter.old().shape(node.outputs[0]);
    if sliced_axis(&*node.op) != Some(0) || !is_table {
        return Ok(None);
    }
    let sums = rows.apply(rewriter)?[0];
    rewriter.add(&product((false, true)), &[sums, kernel]).map(Some)
}

/// A layer, or its gradient, of the ids and the rows of table·kernel.
struct OverTable {
    op: OpRef,
    table: Value,
    kernel: Value,
    /// Ids, a place for table·kernel, and what the op reads besides.
    operands: Vec<Value>,
}

impl OverTable {
    /// What `op` on these inputs becomes, if its x is gathered and that is less work.
    fn of(op: &OpRef, inputs: &[Value], rewriter: &Rewriter<'_>) -> Result<Option<Self>> {
        let Some(GatheredRows { table, ids }) = GatheredRows::of(rewriter, inputs[0]) else {
            return Ok(None);
        };
        let types: Vec<&TensorType> = inputs.iter().map(|&input| rewriter.ty(input)).collect();
        let Some(of_rows) = recurrent::from_rows(&**op, &types) else { return Ok(None) };
        let (table_type, kernel_type, ids_type) = (rewriter.ty(table), types[1], rewriter.ty(ids));
        if table_type.rank() != 2 || ids_type.rank() != 2 {
            return Ok(None);
        }
        let projected = TensorType::new(table_type.dtype, [table_type.shape[0], kernel_type.shape[1]]);
        let of_rows_types = [&[ids_type, &projected], &types[2..]].concat();
        let mut after =
            cost(&*of_rows, &of_rows_types)? + cost(&*product((false, false)), &[table_type, kernel_type])?;
        if let Some(wants_dx) = recurrent::wants_dx(&**op) {
            after += cost(&*product((true, false)), &[table_type, &projected])?;
            if wants_dx {
                after += cost(&*product((false, true)), &[&projected, kernel_type])?;
            }
        }
        if after >= cost(&**op, &types)? {
            return Ok(None);
        }
        let operands = [&[ids, ids], &inputs[2..]].concat();
        Ok(Some(Self { op: of_rows, table, kernel: inputs[1], operands }))
    }

    fn apply(&mut self, rewriter: &mut Rewriter<'_>) -> Result<Vec<Value>> {
        self.operands[1] = rewriter.add(&product((false, false)), &[self.table, self.kernel])?[0];
        rewriter.add(&self.op, &self.operands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::gradients;
    use crate::compile::rules::testing::rewritten_with;
    use crate::error::Error;
    use crate::graph::{Attribute, Attributes, Graph, Value};
    use crate::ops::elementwise::{add, multiply};
    use crate::ops::reduce::reduce_sum;
    use crate::ops::registry;
    use crate::ops::testing::{bools, elements, evaluate, ints, uniform};
    use crate::tensor::{DType, Tensor, TensorType};
    use crate::threads::set_num_threads;

    /// Three shards of unequal sizes, several blocks of timesteps, rows that fill no vector.
    const BATCH: usize = 37;
    const STEPS: usize = 43;
    const VECTORS: usize = 90;
    const FEATURES: usize = 6;
    const UNITS: usize = 37;

    fn attributes(entries: &[(&str, Attribute)]) -> Attributes {
        Attributes::new(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
    }

    /// A recurrent layer over an embedding, and Σ weights · outputs.
    struct Model {
        graph: Graph,
        feed: Vec<Tensor>,
        inputs: Vec<Value>,
        x: Value,
        outputs: Vec<Value>,
        loss: Value,
    }

    impl Model {
        /// `name` is that of the cell, `option` chooses mask, direction and dropout; `reset_after` is a GRU's.
        fn new(name: &str, reset_after: bool, option: bool, dtype: DType) -> Self {
            let (gates, has_carry) = match name {
                "lstm" => (4, true),
                "gru" => (3, false),
                _ => (1, false),
            };
            let columns = gates * UNITS;
            let reach = 1.0 / (UNITS as f64).sqrt();
            let float = |shape: &[usize], seed, reach: f64| match (dtype, uniform(shape, seed, -reach, reach))
            {
                (DType::F32, Tensor::F64(array)) => Tensor::F32(array.mapv(|element| element as f32)),
                (_, tensor) => tensor,
            };
            let bias = if name == "gru" && reset_after { vec![2, columns] } else { vec![columns] };
            // Some rows are never seen, others often.
            let ids: Vec<i32> =
                (0..BATCH * STEPS).map(|at| (at * at % 127 % VECTORS.min(71 + at % 9)) as i32).collect();
            let mut feed = vec![
                float(&[VECTORS, FEATURES], 1, 1.0),
                ints(&[BATCH, STEPS], &ids),
                float(&[FEATURES, columns], 2, 1.0),
                float(&[UNITS, columns], 3, reach),
                float(&bias, 4, 0.5),
                float(&[BATCH, UNITS], 5, 1.0),
            ];
            if has_carry {
                feed.push(float(&[BATCH, UNITS], 6, 1.0));
            }
            if option {
                let mask: Vec<bool> = (0..BATCH * STEPS).map(|at| at / STEPS != 1 && at % 3 != 0).collect();
                feed.push(bools(&[BATCH, STEPS], &mask));
                let keep: Vec<bool> = (0..BATCH * columns).map(|at| at % 7 != 2).collect();
                feed.push(bools(&[BATCH, gates, UNITS], &keep));
            }
            let mut graph = Graph::new();
            let inputs: Vec<Value> =
                (0..feed.len()).map(|index| graph.input(index, feed[index].tensor_type())).collect();
            let gather = registry::build("gather", &attributes(&[("axis", Attribute::Int(0))])).unwrap();
            let x = graph.apply(gather, &inputs[..2]).unwrap()[0];
            let mut entries = vec![
                ("activation", Attribute::String("tanh".into())),
                ("go_backwards", Attribute::Bool(option)),
                ("training", Attribute::Bool(true)),
                ("has_mask", Attribute::Bool(option)),
                ("recurrent_dropout", Attribute::Float(if option { 0.25 } else { 0.0 })),
            ];
            if name != "simple_rnn" {
                entries.push(("recurrent_activation", Attribute::String("sigmoid".into())));
            }
            if name == "gru" {
                entries.push(("reset_after", Attribute::Bool(reset_after)));
            }
            let layer = registry::build(name, &attributes(&entries)).unwrap();
            let mut outputs = graph.apply(layer, &[&[x], &inputs[2..]].concat()).unwrap();
            outputs.truncate(if has_carry { 3 } else { 2 });
            let mut losses = Vec::new();
            for (index, &output) in outputs.iter().enumerate() {
                let shape = graph.shape(output).to_vec();
                feed.push(float(&shape, 20 + index as u64, 1.0));
                let weights = graph.input(feed.len() - 1, TensorType::new(dtype, &*shape));
                let weighted = multiply(&mut graph, output, weights).unwrap();
                let axes: Vec<usize> = (0..shape.len()).collect();
                losses.push(reduce_sum(&mut graph, weighted, &axes, false).unwrap());
            }
            let loss = losses.into_iter().reduce(|a, b| add(&mut graph, a, b).unwrap()).unwrap();
            Self { graph, feed, inputs, x, outputs, loss }
        }

        /// The outputs, and the gradients by all float inputs but the states.
        fn roots(&mut self) -> Vec<Value> {
            let wrt = [0, 2, 3, 4].map(|index| self.inputs[index]);
            let gradients = gradients(&mut self.graph, self.loss, &wrt).unwrap();
            self.outputs.iter().copied().chain(gradients.into_iter().flatten()).collect()
        }
    }

    fn names(graph: &Graph) -> Vec<&'static str> {
        graph.nodes().iter().map(|node| node.op.name()).collect()
    }

    #[test]
    fn a_table_is_multiplied_once_to_the_same_results_and_gradients() {
        for (name, reset_after) in [("lstm", false), ("gru", true), ("gru", false), ("simple_rnn", false)] {
            for option in [false, true] {
                for (dtype, tolerance) in [(DType::F64, 1e-11), (DType::F32, 1e-3)] {
                    let mut model = Model::new(name, reset_after, option, dtype);
                    let roots = model.roots();
                    assert_eq!(roots.len(), model.outputs.len() + 4);
                    let expected = evaluate(&model.graph, &model.feed, &roots).unwrap();
                    let (rewritten, roots) = rewritten_with(&GatheredRecurrence, &model.graph, &roots);
                    let names = names(&rewritten);
                    assert!(!names.contains(&"gather") && !names.contains(&"scatter_add"), "{names:?}");
                    let found = evaluate(&rewritten, &model.feed, &roots).unwrap();
                    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                        let what = format!("{name}, options {option}, {dtype:?}: result {index}");
                        assert_eq!(found.tensor_type(), expected.tensor_type(), "{what}");
                        if index < model.outputs.len() {
                            assert_eq!(found, expected, "{what}: the same bits");
                        }
                        for (found, expected) in elements(found).iter().zip(&elements(expected)) {
                            let error = (found - expected).abs();
                            assert!(error <= tolerance * (1.0 + expected.abs()), "{what}: {error}");
                        }
                        assert!(elements(expected).iter().any(|element| *element != 0.0), "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_sum_of_each_row_is_the_same_bits_at_any_number_of_threads() {
        let mut model = Model::new("lstm", false, true, DType::F32);
        let roots = model.roots();
        let (rewritten, roots) = rewritten_with(&GatheredRecurrence, &model.graph, &roots);
        let with_threads = |threads| {
            set_num_threads(threads);
            evaluate(&rewritten, &model.feed, &roots).unwrap()
        };
        let alone = with_threads(1);
        assert_eq!(with_threads(2), alone);
        assert_eq!(with_threads(4), alone);
    }

    #[test]
    fn sequences_that_are_read_by_others_stay_beside_the_table() {
        let mut model = Model::new("lstm", false, false, DType::F64);
        let wrt = [model.x, model.inputs[0], model.inputs[2]];
        let gradients = gradients(&mut model.graph, model.loss, &wrt).unwrap();
        let mut roots = vec![model.x, model.outputs[0]];
        roots.extend(gradients.into_iter().flatten());
        let expected = evaluate(&model.graph, &model.feed, &roots).unwrap();
        let (rewritten, roots) = rewritten_with(&GatheredRecurrence, &model.graph, &roots);
        assert_eq!(evaluate(&rewritten, &model.feed, &roots).unwrap(), expected);
        let names = names(&rewritten);
        // The layer reads table·kernel; its gradient, of which dx is wanted, does not.
        let count = |name: &str| names.iter().filter(|other| **other == name).count();
        assert_eq!([count("gather"), count("scatter_add"), count("matmul")], [1, 1, 1], "{names:?}");
    }

    #[test]
    fn a_table_of_more_vectors_than_are_gathered_is_left_alone() {
        let mut graph = Graph::new();
        let float = |shape: &[usize]| TensorType::new(DType::F32, shape);
        let types = [
            float(&[33, 2]),
            TensorType::new(DType::I32, [16, 4]),
            float(&[2, 3]),
            float(&[3, 3]),
            float(&[3]),
            float(&[16, 3]),
        ];
        let inputs: Vec<Value> = types.into_iter().enumerate().map(|(i, ty)| graph.input(i, ty)).collect();
        let gather = registry::build("gather", &attributes(&[("axis", Attribute::Int(0))])).unwrap();
        let x = graph.apply(gather, &inputs[..2]).unwrap()[0];
        let entries = [
            ("activation", Attribute::String("tanh".into())),
            ("go_backwards", Attribute::Bool(false)),
            ("training", Attribute::Bool(false)),
            ("has_mask", Attribute::Bool(false)),
            ("recurrent_dropout", Attribute::Float(0.0)),
        ];
        let layer = registry::build("simple_rnn", &attributes(&entries)).unwrap();
        let outputs = graph.apply(layer, &[&[x], &inputs[2..]].concat()).unwrap();
        let (rewritten, _) = rewritten_with(&GatheredRecurrence, &graph, &outputs);
        assert_eq!(names(&rewritten), ["gather", "simple_rnn"]);
    }

    #[test]
    fn an_id_that_the_table_does_not_have_is_named() {
        let mut model = Model::new("gru", true, false, DType::F32);
        let roots = model.roots();
        let (rewritten, roots) = rewritten_with(&GatheredRecurrence, &model.graph, &roots);
        for bad in [-1, VECTORS as i32] {
            let Tensor::I32(ids) = &mut model.feed[1] else { unreachable!("ids are int32") };
            ids[[2, 5]] = bad;
            let error = evaluate(&rewritten, &model.feed, &roots).unwrap_err();
            let expected = format!("index {bad} at position [2, 5]; expected 0 <= index < {VECTORS}");
            assert_eq!(error, Error::Data(expected));
            // Where a program orders its steps, this one comes before the first variable is written.
            let layer = rewritten.nodes().iter().find(|node| node.op.name() == "gru").unwrap();
            assert!(layer.op.checks_data());
        }
    }
}
