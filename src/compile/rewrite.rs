//! The engine of the rewrites: it offers each node of a graph to the rules that may replace it, until no rule applies.
//!
//! A pass goes through a graph once, from its inputs to its outputs, and makes a new one. Each node is taken over as it is,
//! or a rule puts something else in its place. Nodes that nobody needs are left out, and equal nodes become one. The engine
//! knows no rule; they are listed in `rules/mod.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use super::cost::cost;
use crate::error::{Error, Result};
use crate::graph::{Attribute, Attributes, Effect, Graph, Node, NodeId, OpRef, Origin, Source, Value};
use crate::ops::registry;
use crate::tensor::{Tensor, TensorType};

/// Passes after which a graph is left as it is. What a rule makes is seen by other rules in the next pass, so a graph takes
/// as many passes as rules build on one another: a handful.
const MOST_PASSES: usize = 64;

/// A way to compute the same with less work.
pub trait Rule: Sync {
    /// What the rule is switched off by: the name of its file.
    fn name(&self) -> &'static str;

    /// The nodes that the rule is offered.
    fn starts_from(&self) -> Start;

    /// What takes the place of the outputs of `node`, or `None` where the rule does not apply.
    ///
    /// `node` is of the old graph. `inputs` are its inputs in the new graph, where what lies above has been rewritten
    /// already: [`Rewriter::producer`] looks there. Who reads a value is known of the old graph alone: [`Rewriter::readers`].
    /// New nodes come from [`Rewriter::add`]. The last outputs may be left out where nobody reads them.
    fn apply(&self, node: &Node, inputs: &[Value], rewriter: &mut Rewriter<'_>)
    -> Result<Option<Vec<Value>>>;
}

/// Whether a node of a graph has a property.
pub type Property = fn(&Graph, &Node) -> bool;

/// Which nodes a rule is offered: it sees no others, so that rules cost nothing where they cannot apply.
pub enum Start {
    /// The nodes of ops with one of these names.
    Ops(&'static [&'static str]),
    /// The nodes that have a property.
    Property(Property),
}

/// The part of `graph` that `roots` and nodes with effects need, rewritten until no rule applies, and the roots as values of the new graph.
pub fn rewrite(graph: &Graph, roots: &[Value], rules: &[&'static dyn Rule]) -> Result<(Graph, Vec<Value>)> {
    let mut rewritten = pass(graph, roots, rules)?;
    for _ in 1..MOST_PASSES {
        if !rewritten.changed {
            break;
        }
        rewritten = pass(&rewritten.graph, &rewritten.roots, rules)?;
    }
    Ok((rewritten.graph, rewritten.roots))
}

/// What a pass makes of a graph.
pub(super) struct Rewritten {
    pub graph: Graph,
    pub roots: Vec<Value>,
    /// Whether a rule has applied.
    pub changed: bool,
}

/// Offers each node that `roots` need to the rules, once.
pub(super) fn pass(graph: &Graph, roots: &[Value], rules: &[&'static dyn Rule]) -> Result<Rewritten> {
    let offers = Offers::new(rules);
    let live = live_nodes(graph, roots);
    let mut rewriter = Rewriter {
        old: graph,
        new: Graph::new(),
        readers: Readers::of(graph, &live, roots),
        mapped: vec![None; graph.value_count()],
        known: HashMap::new(),
    };
    let mut changed = false;
    for (index, node) in graph.nodes().iter().enumerate() {
        if live[index] {
            changed |= rewriter.rewrite(node, &offers)?;
        }
    }
    let roots = roots.iter().map(|&root| rewriter.map(root)).collect();
    Ok(Rewritten { graph: rewriter.new, roots, changed })
}

/// For each node, whether a root or an effect needs it.
pub(super) fn live_nodes(graph: &Graph, roots: &[Value]) -> Vec<bool> {
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

/// The rules, by what they start from: those that name ops come first.
struct Offers {
    by_op: HashMap<&'static str, Vec<&'static dyn Rule>>,
    by_property: Vec<(Property, &'static dyn Rule)>,
}

impl Offers {
    fn new(rules: &[&'static dyn Rule]) -> Self {
        let mut offers = Self { by_op: HashMap::new(), by_property: Vec::new() };
        for &rule in rules {
            match rule.starts_from() {
                Start::Ops(names) => {
                    for &name in names {
                        offers.by_op.entry(name).or_default().push(rule);
                    }
                }
                Start::Property(has) => offers.by_property.push((has, rule)),
            }
        }
        offers
    }

    fn of<'a>(&'a self, graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = &'static dyn Rule> + 'a {
        let named = self.by_op.get(node.op.name()).into_iter().flatten().copied();
        let general = self.by_property.iter().filter(|(has, _)| has(graph, node)).map(|&(_, rule)| rule);
        named.chain(general)
    }
}

/// Who reads the values of a graph.
pub struct Readers {
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

/// A pass under way: the old graph, and the new one as far as it is made.
pub struct Rewriter<'a> {
    old: &'a Graph,
    new: Graph,
    /// Of the old graph.
    readers: Readers,
    /// The new value of each old one, as far as it is known.
    mapped: Vec<Option<Value>>,
    known: HashMap<Key, Vec<Value>>,
}

impl<'a> Rewriter<'a> {
    pub fn old(&self) -> &'a Graph {
        self.old
    }

    pub fn new_graph(&self) -> &Graph {
        &self.new
    }

    /// Who reads the values of the old graph.
    pub fn readers(&self) -> &Readers {
        &self.readers
    }

    /// The type of a value of the new graph.
    pub fn ty(&self, value: Value) -> &TensorType {
        self.new.ty(value)
    }

    pub fn shape(&self, value: Value) -> &[usize] {
        self.new.shape(value)
    }

    /// The node of the new graph that computes `value`, if one does.
    pub fn producer(&self, value: Value) -> Option<&Node> {
        match self.new.source(value) {
            Source::Output { node, .. } => Some(self.new.node(*node)),
            _ => None,
        }
    }

    /// [`Rewriter::producer`], if its op has this name.
    pub fn produced_by(&self, value: Value, name: &str) -> Option<&Node> {
        self.producer(value).filter(|node| node.op.name() == name)
    }

    /// The number that a value of the new graph is known to be.
    pub fn constant(&self, value: Value) -> Option<f64> {
        match self.new.source(value) {
            Source::Constant(tensor) => scalar_of(tensor),
            _ => None,
        }
    }

    /// The estimated time of an op on values of the new graph.
    pub fn cost(&self, op: &OpRef, inputs: &[Value]) -> Result<u64> {
        let types: Vec<&TensorType> = inputs.iter().map(|&input| self.ty(input)).collect();
        cost(&**op, &types)
    }

    /// What a value of the old graph is in the new one.
    pub fn map(&mut self, old: Value) -> Value {
        if let Some(new) = self.mapped[old.0 as usize] {
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
        self.mapped[old.0 as usize] = Some(new);
        new
    }

    /// Appends a node to the new graph, unless it has the same one already.
    pub fn add(&mut self, op: &OpRef, inputs: &[Value]) -> Result<Vec<Value>> {
        let key = Key::Node { name: op.name(), attributes: format!("{op:?}"), inputs: inputs.to_vec() };
        if let Some(outputs) = self.known.get(&key) {
            return Ok(outputs.clone());
        }
        let outputs = self.new.apply(op.clone(), inputs)?;
        self.known.insert(key, outputs.clone());
        Ok(outputs)
    }

    /// [`Rewriter::add`] for an op with one output and without attributes.
    pub fn add_named(&mut self, name: &str, inputs: &[Value]) -> Result<Value> {
        Ok(self.add(&registry::build(name, &Attributes::default())?, inputs)?[0])
    }

    pub fn reshape(&mut self, value: Value, shape: &[usize]) -> Result<Value> {
        self.shaped("reshape", value, shape)
    }

    pub fn broadcast_to(&mut self, value: Value, shape: &[usize]) -> Result<Value> {
        self.shaped("broadcast_to", value, shape)
    }

    fn shaped(&mut self, op: &str, value: Value, shape: &[usize]) -> Result<Value> {
        if self.shape(value) == shape {
            return Ok(value);
        }
        let shape = shape.iter().map(|&dim| dim as i64).collect();
        let attributes = Attributes::new([("shape".to_owned(), Attribute::Ints(shape))]);
        Ok(self.add(&registry::build(op, &attributes)?, &[value])?[0])
    }

    /// Takes a node over, as it is or as a rule makes it, and returns whether a rule did.
    fn rewrite(&mut self, node: &Node, offers: &Offers) -> Result<bool> {
        self.new.set_scope(&node.scope);
        let inputs: Vec<Value> = node.inputs.iter().map(|&input| self.map(input)).collect();
        if node.op.effect() != Effect::None {
            // No two are the same, and nothing takes the place of one.
            self.new.set_origin(node.origin);
            let outputs = self.new.apply(node.op.clone(), &inputs)?;
            self.replace(node, &outputs)?;
            return Ok(false);
        }
        for rule in offers.of(self.old, node) {
            self.new.set_origin(Origin::Rule(rule.name()));
            if let Some(outputs) = rule.apply(node, &inputs, self)? {
                self.replace(node, &outputs).map_err(|error| error.within(rule.name()))?;
                return Ok(true);
            }
        }
        self.new.set_origin(node.origin);
        let outputs = self.add(&node.op, &inputs)?;
        self.replace(node, &outputs)?;
        Ok(false)
    }

    /// Puts `outputs` in the place of the outputs of `node`.
    fn replace(&mut self, node: &Node, outputs: &[Value]) -> Result<()> {
        for (index, &old) in node.outputs.iter().enumerate() {
            match outputs.get(index) {
                Some(&new) if self.new.ty(new) == self.old.ty(old) => self.mapped[old.0 as usize] = Some(new),
                None if self.readers.count(old) == 0 => {}
                other => {
                    return Err(Error::Internal(format!(
                        "expected a value of type {} in the place of output {index} of {}. Received: {:?}",
                        self.old.ty(old),
                        node.op.name(),
                        other.map(|&new| self.new.ty(new))
                    )));
                }
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
