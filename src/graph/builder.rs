//! Values and nodes, and the graph that they are appended to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::{Effect, OpRef};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, TensorType};

/// A value of a graph: an input, a variable's content, a constant, or an output of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// Where a value comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The `n`-th argument of the program.
    Input(usize),
    /// The content, at the start of the step, of the program's `n`-th variable.
    Variable(usize),
    Constant(Arc<Tensor>),
    Output {
        node: NodeId,
        index: usize,
    },
}

/// Why a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// The program asked for it.
    #[default]
    Program,
    /// It is part of the gradient of a node of the op of this name.
    Gradient(&'static str),
    /// The rule of this name made it.
    Rule(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program => Ok(()),
            Self::Gradient(op) => write!(f, "gradient of {op}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}

/// One application of an op.
#[derive(Debug, Clone)]
pub struct Node {
    pub op: OpRef,
    pub inputs: Vec<Value>,
    pub outputs: Vec<Value>,
    /// Which layer, loss or metric asked for it; shown in errors and in the profile.
    pub scope: Arc<str>,
    pub origin: Origin,
}

/// One assignment to a variable.
#[derive(Debug, Clone)]
pub struct Write {
    pub variable: usize,
    /// The new content.
    pub value: Value,
    /// How many nodes the program had recorded before.
    pub position: usize,
    pub scope: Arc<str>,
}

/// A directed acyclic graph in the making.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    values: Vec<(Source, TensorType)>,
    /// In the program's order. What a node reads is decided when it is recorded, and the step writes each variable's last
    /// one when it ends; so they bind nobody else to an order.
    writes: Vec<Write>,
    /// For each variable its content at the start of the step, and as of the last write.
    contents: BTreeMap<usize, (Value, Value)>,
    scope: Arc<str>,
    origin: Origin,
}

impl Graph {
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the layer, loss or metric that the next nodes belong to.
    pub fn set_scope(&mut self, scope: &str) {
        if &*self.scope != scope {
            self.scope = scope.into();
        }
    }

    /// Says why the next nodes are there.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// A name for each node, in order: where it belongs and its op, with a number from the second of the same name on.
    pub fn names(&self) -> Vec<String> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let name = |node: &Node| {
            let base = match &*node.scope {
                "" => node.op.name().to_owned(),
                scope => format!("{scope}/{}", node.op.name()),
            };
            let count = counts.entry(base.clone()).or_default();
            *count += 1;
            if *count == 1 { base } else { format!("{base}_{}", *count - 1) }
        };
        self.nodes.iter().map(name).collect()
    }

    pub fn scope(&self) -> Arc<str> {
        self.scope.clone()
    }

    pub fn input(&mut self, index: usize, ty: TensorType) -> Value {
        self.push(Source::Input(index), ty)
    }

    /// The content of the program's `index`-th variable when the step starts.
    pub fn variable(&mut self, index: usize, ty: TensorType) -> Value {
        if let Some(&(start, _)) = self.contents.get(&index) {
            return start;
        }
        let start = self.push(Source::Variable(index), ty);
        self.contents.insert(index, (start, start));
        start
    }

    /// The content of a variable at this point of the program: that of the last write, if there is one.
    pub fn read(&self, variable: usize) -> Value {
        self.contents[&variable].1
    }

    /// Gives a variable a new content, which later reads of this graph see.
    pub fn assign(&mut self, variable: usize, value: Value) -> Result<()> {
        let (start, _) = self.contents[&variable];
        let (expected, received) = (self.ty(start), self.ty(value));
        if expected != received {
            let message = format!("expected {expected} to assign to a variable. Received: {received}");
            return Err(Error::Shape(message).within(&self.scope));
        }
        self.contents.insert(variable, (start, value));
        let position = self.nodes.len();
        self.writes.push(Write { variable, value, position, scope: self.scope.clone() });
        Ok(())
    }

    /// All assignments, in the program's order.
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// What the step leaves in the variables that it assigns to: `(variable, content)`.
    pub fn updates(&self) -> Vec<(usize, Value)> {
        let written: BTreeSet<usize> = self.writes.iter().map(|write| write.variable).collect();
        written.into_iter().map(|variable| (variable, self.read(variable))).collect()
    }

    /// Whether a run does more than compute outputs.
    pub fn has_effects(&self) -> bool {
        !self.writes.is_empty() || self.nodes.iter().any(|node| node.op.effect() != Effect::None)
    }

    pub fn constant(&mut self, tensor: Tensor) -> Value {
        self.shared_constant(Arc::new(tensor))
    }

    pub fn shared_constant(&mut self, tensor: Arc<Tensor>) -> Value {
        let ty = tensor.tensor_type();
        self.push(Source::Constant(tensor), ty)
    }

    /// Appends a node; fails with the scope's name where the inputs do not fit the op.
    pub fn apply(&mut self, op: OpRef, inputs: &[Value]) -> Result<Vec<Value>> {
        let types: Vec<&TensorType> = inputs.iter().map(|&input| self.ty(input)).collect();
        let output_types = op
            .output_types(&types)
            .and_then(|types| types.into_iter().map(TensorType::checked).collect::<Result<Vec<_>>>())
            .map_err(|error| error.within(&self.scope))?;
        let node = NodeId(self.nodes.len() as u32);
        let outputs = output_types
            .into_iter()
            .enumerate()
            .map(|(index, ty)| self.push(Source::Output { node, index }, ty))
            .collect::<Vec<_>>();
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: outputs.clone(),
            scope: self.scope.clone(),
            origin: self.origin,
        });
        Ok(outputs)
    }

    /// [`Graph::apply`] for an op with one output.
    pub fn apply1(&mut self, op: OpRef, inputs: &[Value]) -> Result<Value> {
        Ok(self.apply(op, inputs)?[0])
    }

    pub fn ty(&self, value: Value) -> &TensorType {
        &self.values[value.0 as usize].1
    }

    pub fn shape(&self, value: Value) -> &[usize] {
        &self.ty(value).shape
    }

    pub fn source(&self, value: Value) -> &Source {
        &self.values[value.0 as usize].0
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    fn push(&mut self, source: Source, ty: TensorType) -> Value {
        self.values.push((source, ty));
        Value(self.values.len() as u32 - 1)
    }
}
