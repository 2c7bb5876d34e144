//! Rewrites a graph into an equivalent one with fewer nodes: dead code, common subexpressions, identities.
//!
//! The result is also legal for fusion: every operand of an elementwise node is one that an instruction sequence can address.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::fuse::access;
use super::values::behind_views;
use crate::error::Result;
use crate::graph::{Attribute, Attributes, Effect, Graph, Node, NodeId, OpRef, Source, Value};
use crate::ops::registry;
use crate::tensor::{DType, Tensor, TensorType};

/// The part of `graph` that `roots` and nodes with effects need, simplified, and the roots as values of the new graph.
pub fn simplify(graph: &Graph, roots: &[Value]) -> Result<(Graph, Vec<Value>)> {
    let live = live_nodes(graph, roots);
    let mut rewriter = Rewriter {
        old: graph,
        new: Graph::new(),
        readers: Readers::of(graph, &live, roots),
        activated: HashMap::new(),
        scattered: HashSet::new(),
        mapped: HashMap::new(),
        known: HashMap::new(),
        leaves_unread: false,
    };
    for (index, node) in graph.nodes().iter().enumerate() {
        if live[index] {
            rewriter.rewrite(node)?;
        }
    }
    let roots: Vec<Value> = roots.iter().map(|&root| rewriter.map(root)).collect();
    if rewriter.leaves_unread {
        return simplify(&rewriter.new, &roots);
    }
    Ok((rewriter.new, roots))
}

fn live_nodes(graph: &Graph, roots: &[Value]) -> Vec<bool> {
    let mut live: Vec<bool> = graph.nodes().iter().map(|node| node.op.effect() != Effect::None).collect();
    let mark = |value: Value, live: &mut Vec<bool>| {
        if let Source::Output { node, .. } = graph.source(value) {
            live[node.0 as usize] = true;
        }
    };
    for &root in roots {
        mark(root, &mut live);
    }
    for index in (0..live.len()).rev() {
        if live[index] {
            for &input in &graph.nodes()[index].inputs {
                mark(input, &mut live);
            }
        }
    }
    live
}

/// Who reads the values of a graph.
pub(super) struct Readers {
    /// For each value, the live nodes that read it.
    nodes: Vec<Vec<NodeId>>,
    /// For each value, how often it is a root.
    roots: Vec<usize>,
}

impl Readers {
    fn of(graph: &Graph, live: &[bool], roots: &[Value]) -> Self {
        let mut readers =
            Self { nodes: vec![Vec::new(); graph.value_count()], roots: vec![0; graph.value_count()] };
        for (index, node) in graph.nodes().iter().enumerate().filter(|(index, _)| live[*index]) {
            for input in &node.inputs {
                readers.nodes[input.0 as usize].push(NodeId(index as u32));
            }
        }
        roots.iter().for_each(|root| readers.roots[root.0 as usize] += 1);
        readers
    }

    /// The live nodes that read a value, one that reads it twice twice.
    pub fn nodes(&self, value: Value) -> &[NodeId] {
        &self.nodes[value.0 as usize]
    }

    /// How often a value is read; a root once more.
    pub fn count(&self, value: Value) -> usize {
        self.nodes(value).len() + self.roots[value.0 as usize]
    }
}

/// What makes two values the same value.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Input(usize),
    Variable(usize),
    /// A scalar constant, by its dtype and bits.
    Scalar(TensorType, u64),
    /// A larger constant, by identity.
    Constant(*const Tensor),
    Node {
        name: &'static str,
        attributes: String,
        inputs: Vec<Value>,
    },
}

pub(super) struct Rewriter<'a> {
    pub old: &'a Graph,
    pub new: Graph,
    /// Of the old graph.
    pub readers: Readers,
    /// For the argmaxes of a pooling whose input was activated before, and is now activated after it: that input, as it was
    /// before, and the pooled activation.
    pub activated: HashMap<Value, (Value, Value)>,
    /// Values of the old graph that only a scatter_add reads, and whose new value is its result.
    pub scattered: HashSet<Value>,
    /// Old value → new value.
    mapped: HashMap<Value, Value>,
    known: HashMap<Key, Vec<Value>>,
    /// Whether a rewrite has made nodes superfluous that were appended before it.
    pub leaves_unread: bool,
}

impl Rewriter<'_> {
    pub fn map(&mut self, old: Value) -> Value {
        if let Some(&new) = self.mapped.get(&old) {
            return new;
        }
        let ty = self.old.ty(old).clone();
        let source = self.old.source(old).clone();
        let key = match &source {
            Source::Input(index) => Key::Input(*index),
            Source::Variable(index) => Key::Variable(*index),
            Source::Constant(tensor) => match scalar_of(tensor) {
                Some(value) => Key::Scalar(ty.clone(), value.to_bits()),
                None => Key::Constant(Arc::as_ptr(tensor)),
            },
            Source::Output { .. } => unreachable!("outputs are mapped when their node is rewritten"),
        };
        let new = match self.known.get(&key) {
            Some(values) => values[0],
            None => {
                let value = match source {
                    Source::Input(index) => self.new.input(index, ty),
                    Source::Variable(index) => self.new.variable(index, ty),
                    Source::Constant(tensor) => self.new.shared_constant(tensor),
                    Source::Output { .. } => unreachable!("matched above"),
                };
                self.known.insert(key, vec![value]);
                value
            }
        };
        self.mapped.insert(old, new);
        new
    }

    fn rewrite(&mut self, node: &Node) -> Result<()> {
        self.new.set_scope(&node.scope);
        let inputs: Vec<Value> = node.inputs.iter().map(|&input| self.map(input)).collect();
        let outputs = if node.op.effect() == Effect::None {
            self.simplified(node, inputs)?
        } else {
            // No two are the same, and nothing takes the place of one.
            self.new.apply(node.op.clone(), &inputs)?
        };
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.mapped.insert(old, new);
        }
        Ok(())
    }

    fn simplified(&mut self, node: &Node, inputs: Vec<Value>) -> Result<Vec<Value>> {
        let output = self.old.ty(node.outputs[0]);
        match self.identity(node, &inputs, output) {
            Some(same) => Ok(vec![same]),
            None if self.folds_nothing(node, &inputs, output) => {
                self.shaped("reshape", inputs[0], &output.shape)
            }
            None => self.by_rules(node, inputs),
        }
    }

    /// What the first rule that applies makes of the node, else the node itself.
    fn by_rules(&mut self, node: &Node, inputs: Vec<Value>) -> Result<Vec<Value>> {
        for rule in [Self::around_pooling, Self::over_embedding, Self::with_own_bias, Self::by_root] {
            if let Some(outputs) = rule(self, node, &inputs)? {
                return Ok(outputs);
            }
        }
        self.append(&node.op, inputs)
    }

    /// Appends a node whose operands an instruction sequence can address where it is elementwise.
    pub fn append(&mut self, op: &OpRef, mut inputs: Vec<Value>) -> Result<Vec<Value>> {
        let types: Vec<&TensorType> = inputs.iter().map(|&input| self.new.ty(input)).collect();
        if op.instruction(&types).is_some() {
            let output = op.output_types(&types)?.remove(0);
            self.skip_broadcasts(op, &mut inputs, &output);
            self.legalize(&mut inputs, &output)?;
        }
        self.apply(op, &inputs)
    }

    /// Appends the node unless the new graph already has the same one.
    pub fn apply(&mut self, op: &OpRef, inputs: &[Value]) -> Result<Vec<Value>> {
        let key = Key::Node { name: op.name(), attributes: format!("{op:?}"), inputs: inputs.to_vec() };
        if let Some(outputs) = self.known.get(&key) {
            return Ok(outputs.clone());
        }
        let outputs = self.new.apply(op.clone(), inputs)?;
        self.known.insert(key, outputs.clone());
        Ok(outputs)
    }

    /// The value that the node's only output equals without computing anything.
    fn identity(&self, node: &Node, inputs: &[Value], output: &TensorType) -> Option<Value> {
        let same_type = |index: usize| self.new.ty(inputs[index]) == output;
        let constant = |index: usize| self.constant(inputs[index]);
        let neutral = |right_only: bool, value: f64| {
            if constant(1) == Some(value) && same_type(0) {
                Some(inputs[0])
            } else if !right_only && constant(0) == Some(value) && same_type(1) {
                Some(inputs[1])
            } else {
                None
            }
        };
        match node.op.name() {
            "reshape" | "broadcast_to" | "cast" | "stop_gradient" if same_type(0) => Some(inputs[0]),
            "concatenate" if inputs.len() == 1 => Some(inputs[0]),
            "multiply" => neutral(false, 1.0),
            "divide" => neutral(true, 1.0),
            "subtract" => neutral(true, 0.0),
            "scatter_add" if self.scattered.contains(&node.inputs[1]) => Some(inputs[1]),
            _ => None,
        }
    }

    /// Whether the node reduces axes of size 1 only.
    fn folds_nothing(&self, node: &Node, inputs: &[Value], output: &TensorType) -> bool {
        node.op.name().starts_with("reduce_") && self.new.ty(inputs[0]).size() == output.size()
    }

    /// a / √x in float32 as a · 1/√x, which takes a quarter of the time and is as near to a few ulp.
    fn by_root(&mut self, node: &Node, inputs: &[Value]) -> Result<Option<Vec<Value>>> {
        let is_division = node.op.name() == "divide" && self.new.ty(inputs[1]).dtype == DType::F32;
        let only_reader = || self.readers.count(node.inputs[1]) == 1;
        let root = if is_division && only_reader() { self.produced_by(inputs[1], "sqrt") } else { None };
        let Some(x) = root.map(|root| root.inputs[0]) else { return Ok(None) };
        let none = Attributes::default();
        let reciprocal = self.append(&registry::build("rsqrt", &none)?, vec![x])?[0];
        self.leaves_unread = true;
        self.append(&registry::build("multiply", &none)?, vec![inputs[0], reciprocal]).map(Some)
    }

    /// The node that produced `value`, if it is one of this name.
    pub fn produced_by(&self, value: Value, name: &str) -> Option<&Node> {
        match self.new.source(value) {
            Source::Output { node, .. } => Some(self.new.node(*node)).filter(|node| node.op.name() == name),
            _ => None,
        }
    }

    /// The number that `value` is known to be.
    pub fn constant(&self, value: Value) -> Option<f64> {
        match self.new.source(value) {
            Source::Constant(tensor) => scalar_of(tensor),
            _ => None,
        }
    }

    /// Elementwise ops broadcast by themselves: an operand that was broadcast beforehand is read where it was. A single
    /// number that was broadcast has no shape to keep, whatever it was reshaped to.
    fn skip_broadcasts(&mut self, op: &OpRef, inputs: &mut [Value], output: &TensorType) {
        for index in 0..inputs.len() {
            let behind = behind_views(&self.new, inputs[index]);
            let single = self.produced_by(behind, "broadcast_to");
            let single = single.filter(|producer| self.new.ty(producer.inputs[0]).size() == 1);
            let producer = self.produced_by(inputs[index], "broadcast_to").or(single);
            let Some(producer) = producer else { continue };
            let broadcast = std::mem::replace(&mut inputs[index], producer.inputs[0]);
            let types: Vec<&TensorType> = inputs.iter().map(|&input| self.new.ty(input)).collect();
            let unchanged = op.output_types(&types).is_ok_and(|types| types[0] == *output);
            if !unchanged || access(&self.new.ty(inputs[index]).shape, &output.shape).is_none() {
                inputs[index] = broadcast;
            } else {
                self.leaves_unread = true;
            }
        }
    }

    /// Materialises the operands that an instruction sequence cannot address in place, such as (B, 1, C) within (B, T, C).
    fn legalize(&mut self, inputs: &mut [Value], output: &TensorType) -> Result<()> {
        for input in inputs {
            if access(self.new.shape(*input), &output.shape).is_none() {
                *input = self.shaped("broadcast_to", *input, &output.shape)?[0];
            }
        }
        Ok(())
    }

    /// `value` reshaped or broadcast.
    fn shaped(&mut self, op: &str, value: Value, shape: &[usize]) -> Result<Vec<Value>> {
        let shape = shape.iter().map(|&dim| dim as i64).collect();
        let attributes = Attributes::new([("shape".to_owned(), Attribute::Ints(shape))]);
        self.apply(&registry::build(op, &attributes)?, &[value])
    }
}

/// The value of a rank-0 constant.
fn scalar_of(tensor: &Tensor) -> Option<f64> {
    if !tensor.shape().is_empty() {
        return None;
    }
    match tensor {
        Tensor::F32(array) => array.first().map(|&value| f64::from(value)),
        Tensor::F64(array) => array.first().copied(),
        Tensor::I32(array) => array.first().map(|&value| f64::from(value)),
        Tensor::Bool(array) => array.first().map(|&value| f64::from(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::gradients;
    use crate::ops::elementwise::{add, divide, multiply, relu, sqrt};
    use crate::ops::reduce::reduce_sum;
    use crate::ops::shape::{broadcast_to, reshape};
    use crate::ops::testing::{elements, evaluate, tensor, uniform};

    /// d/dx Σ weights · max_pool2d(relu(x)).
    fn gradient_of_pooled_relu(pool: &[i64], strides: &[i64], shape: &[usize]) -> (Graph, Value, Vec<usize>) {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, shape));
        let active = relu(&mut graph, x).unwrap();
        let lists = [("pool", pool), ("strides", strides), ("padding", &[1, 0, 0, 1])];
        let attributes = lists.map(|(name, values)| (name.to_owned(), Attribute::Ints(values.to_vec())));
        let op = registry::build("max_pool2d", &Attributes::new(attributes)).unwrap();
        let y = graph.apply(op, &[active]).unwrap()[0];
        let y_shape = graph.shape(y).to_vec();
        let weights = graph.input(1, TensorType::new(DType::F64, y_shape.clone()));
        let weighted = multiply(&mut graph, y, weights).unwrap();
        let loss = reduce_sum(&mut graph, weighted, &[0, 1, 2, 3], false).unwrap();
        let dx = gradients(&mut graph, loss, &[x]).unwrap()[0].unwrap();
        (graph, dx, y_shape)
    }

    #[test]
    fn folds_of_single_elements_and_broadcast_numbers_cost_nothing() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [4, 1]));
        let number = graph.input(1, TensorType::new(DType::F64, [1]));
        let rows = reduce_sum(&mut graph, x, &[1], false).unwrap();
        let factors = broadcast_to(&mut graph, number, &[4]).unwrap();
        let factors = reshape(&mut graph, factors, &[4, 1]).unwrap();
        let rows = reshape(&mut graph, rows, &[4, 1]).unwrap();
        let y = multiply(&mut graph, rows, factors).unwrap();
        let feed = [uniform(&[4, 1], 0, -1.0, 1.0), uniform(&[1], 1, -1.0, 1.0)];
        let expected = elements(&evaluate(&graph, &feed, &[y]).unwrap()[0]);

        let (simplified, roots) = simplify(&graph, &[y]).unwrap();
        assert_eq!(elements(&evaluate(&simplified, &feed, &roots).unwrap()[0]), expected);
        let live = live_nodes(&simplified, &roots);
        let nodes = simplified.nodes().iter().zip(live).filter(|(node, live)| *live && !node.op.is_view());
        assert_eq!(nodes.map(|(node, _)| node.op.name()).collect::<Vec<_>>(), ["multiply"]);
    }

    #[test]
    fn a_division_by_a_root_is_a_product() {
        for (dtype, shares_root, expected) in [
            (DType::F32, false, &["rsqrt", "multiply"][..]),
            (DType::F32, true, &["sqrt", "divide", "add"]),
            (DType::F64, false, &["sqrt", "divide"]),
        ] {
            let mut graph = Graph::new();
            let a = graph.input(0, TensorType::new(dtype, [5, 3]));
            let x = graph.input(1, TensorType::new(dtype, [3]));
            let root = sqrt(&mut graph, x).unwrap();
            let mut y = divide(&mut graph, a, root).unwrap();
            if shares_root {
                y = add(&mut graph, y, root).unwrap();
            }
            let single = dtype == DType::F32;
            let feed = [uniform(&[5, 3], 0, -1.0, 1.0), uniform(&[3], 1, 0.1, 9.0)];
            let feed = feed.map(|tensor| match tensor {
                Tensor::F64(array) if single => Tensor::F32(array.mapv(|element| element as f32)),
                tensor => tensor,
            });
            let expected_y = elements(&evaluate(&graph, &feed, &[y]).unwrap()[0]);

            let (simplified, roots) = simplify(&graph, &[y]).unwrap();
            let names: Vec<_> = simplified.nodes().iter().map(|node| node.op.name()).collect();
            assert_eq!(names, expected, "{dtype:?}");
            let y = elements(&evaluate(&simplified, &feed, &roots).unwrap()[0]);
            for (y, expected) in y.iter().zip(&expected_y) {
                assert!((y - expected).abs() <= 3e-7 * expected.abs(), "{y}, expected {expected}");
            }
        }
    }

    #[test]
    fn a_relu_below_a_pooling_is_masked_where_there_are_fewer_elements() {
        for (pool, strides) in [([2, 2], [2, 2]), ([3, 2], [1, 2])] {
            let shape = [2, 6, 5, 3];
            let (graph, dx, y_shape) = gradient_of_pooled_relu(&pool, &strides, &shape);
            // Whole numbers, so that there are ties, many at zero; and a NaN.
            let noise = elements(&uniform(&shape, 1, -3.0, 2.0));
            let x = tensor(&shape, |i| if i == 40 { f64::NAN } else { noise[i].round() });
            let feed = [x, uniform(&y_shape, 2, -1.0, 1.0)];
            let expected = elements(&evaluate(&graph, &feed, &[dx]).unwrap()[0]);
            assert!(expected.iter().any(|dx| *dx != 0.0));

            let (simplified, roots) = simplify(&graph, &[dx]).unwrap();
            assert_eq!(elements(&evaluate(&simplified, &feed, &roots).unwrap()[0]), expected);
            let names: Vec<_> = simplified.nodes().iter().map(|node| node.op.name()).collect();
            assert_eq!(
                names,
                ["relu", "max_pool2d", "reshape", "multiply", "relu_backward", "max_pool2d_backward"]
            );
        }
    }
}
