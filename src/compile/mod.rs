//! From a graph to a program: gradient, rewrites, fusion, memory plan.

mod addressable;
mod cost;
mod fuse;
mod gradient;
mod plan;
mod properties;
#[cfg(test)]
mod random_graphs;
mod rewrite;
pub mod rules;
mod schedule;
mod values;

use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::tensor::TensorType;

pub use fuse::{Fused, WorkItem};
pub use gradient::gradients;
pub use plan::{Assignment, Location, Loop, Plan, Slot, Step, Work};
pub use rewrite::Rule;

/// What a program is made from: a graph, and which of its values go in and come out.
#[derive(Clone)]
pub struct Request<'a> {
    pub graph: &'a Graph,
    /// The types of the program's arguments, in order.
    pub inputs: Vec<TensorType>,
    pub outputs: Vec<Value>,
    /// What the graph is rewritten by.
    pub rules: &'a [&'static dyn Rule],
}

/// The part of a request's graph that its outputs, writes and effects need, rewritten.
pub struct Rewritten {
    pub graph: Graph,
    pub outputs: Vec<Value>,
    /// What the step leaves in the variables that it assigns to.
    pub updates: Vec<(usize, Value)>,
}

/// Rewrites the graph of a request.
pub fn rewritten(request: &Request<'_>) -> Result<Rewritten> {
    let updates = request.graph.updates();
    let mut roots = request.outputs.clone();
    roots.extend(updates.iter().map(|&(_, value)| value));
    let (graph, roots) = rewrite::rewrite(request.graph, &roots, request.rules)?;
    let (graph, roots) = addressable::make_addressable(graph, roots)?;
    let (outputs, updated) = roots.split_at(request.outputs.len());
    let updates = updates.into_iter().zip(updated).map(|((variable, _), &value)| (variable, value)).collect();
    Ok(Rewritten { graph, outputs: outputs.to_vec(), updates })
}

/// Fuses and plans a rewritten graph.
pub fn planned(rewritten: &Rewritten, inputs: &[TensorType]) -> Result<Plan> {
    let Rewritten { graph, outputs, updates } = rewritten;
    let roots: Vec<Value> = outputs.iter().copied().chain(updates.iter().map(|&(_, value)| value)).collect();
    let items = fuse::fuse(graph, &roots, updates);
    plan::plan(graph, items, inputs, outputs, updates)
}
