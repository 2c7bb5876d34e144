//! Rewrites a graph into an equivalent one with fewer nodes: dead code, common subexpressions, identities.
//!
//! The result is also legal for fusion: every operand of an elementwise node is one that a tape can address.

use std::collections::HashMap;
use std::sync::Arc;

use super::fuse::access;
use crate::error::Result;
use crate::graph::{Attribute, Attributes, Graph, Node, OpRef, Source, Value};
use crate::ops::registry;
use crate::tensor::{Tensor, TensorType};

/// The part of `graph` that `roots` need, simplified, and the roots as values of the new graph.
pub fn simplify(graph: &Graph, roots: &[Value]) -> Result<(Graph, Vec<Value>)> {
    let live = live_nodes(graph, roots);
    let mut rewriter =
        Rewriter { old: graph, new: Graph::new(), mapped: HashMap::new(), known: HashMap::new() };
    for (index, node) in graph.nodes().iter().enumerate() {
        if live[index] {
            rewriter.rewrite(node)?;
        }
    }
    let roots = roots.iter().map(|&root| rewriter.map(root)).collect();
    Ok((rewriter.new, roots))
}

fn live_nodes(graph: &Graph, roots: &[Value]) -> Vec<bool> {
    let mut live = vec![false; graph.nodes().len()];
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

struct Rewriter<'a> {
    old: &'a Graph,
    new: Graph,
    /// Old value → new value.
    mapped: HashMap<Value, Value>,
    known: HashMap<Key, Vec<Value>>,
}

impl Rewriter<'_> {
    fn map(&mut self, old: Value) -> Value {
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
        let mut inputs: Vec<Value> = node.inputs.iter().map(|&input| self.map(input)).collect();
        let output = self.old.ty(node.outputs[0]).clone();
        let outputs = match self.identity(node, &inputs, &output) {
            Some(same) => vec![same],
            None => {
                if self.is_elementwise(&node.op, &inputs) {
                    self.skip_broadcasts(node, &mut inputs, &output);
                    self.legalize(&mut inputs, &output)?;
                }
                self.apply(&node.op, &inputs)?
            }
        };
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.mapped.insert(old, new);
        }
        Ok(())
    }

    /// Appends the node unless the new graph already has the same one.
    fn apply(&mut self, op: &OpRef, inputs: &[Value]) -> Result<Vec<Value>> {
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
        let constant = |index: usize| match self.new.source(inputs[index]) {
            Source::Constant(tensor) => scalar_of(tensor),
            _ => None,
        };
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
            _ => None,
        }
    }

    fn is_elementwise(&self, op: &OpRef, inputs: &[Value]) -> bool {
        let types: Vec<&TensorType> = inputs.iter().map(|&input| self.new.ty(input)).collect();
        op.instruction(&types).is_some()
    }

    /// Elementwise ops broadcast by themselves: an operand that was broadcast beforehand is read where it was.
    fn skip_broadcasts(&self, node: &Node, inputs: &mut [Value], output: &TensorType) {
        for index in 0..inputs.len() {
            let Source::Output { node: producer, .. } = self.new.source(inputs[index]) else { continue };
            let producer = self.new.node(*producer);
            if producer.op.name() != "broadcast_to" {
                continue;
            }
            let broadcast = std::mem::replace(&mut inputs[index], producer.inputs[0]);
            let types: Vec<&TensorType> = inputs.iter().map(|&input| self.new.ty(input)).collect();
            let unchanged = node.op.output_types(&types).is_ok_and(|types| types[0] == *output);
            if !unchanged || access(&self.new.ty(inputs[index]).shape, &output.shape).is_none() {
                inputs[index] = broadcast;
            }
        }
    }

    /// Materialises the operands that a tape cannot address in place, such as (B, 1, C) within (B, T, C).
    fn legalize(&mut self, inputs: &mut [Value], output: &TensorType) -> Result<()> {
        for input in inputs {
            if access(self.new.shape(*input), &output.shape).is_none() {
                let shape = output.shape.iter().map(|&dim| dim as i64).collect();
                let attributes = Attributes::new([("shape".to_owned(), Attribute::Ints(shape))]);
                *input = self.apply(&registry::build("broadcast_to", &attributes)?, &[*input])?[0];
            }
        }
        Ok(())
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
