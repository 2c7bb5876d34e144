//! Where the values of a graph come from.

use crate::graph::{Graph, NodeId, Source, Value};

/// The node that computes `value`, if one does.
pub fn producer(graph: &Graph, value: Value) -> Option<NodeId> {
    match graph.source(value) {
        Source::Output { node, .. } => Some(*node),
        _ => None,
    }
}

/// The value whose memory `value` shares: views are looked through.
pub fn behind_views(graph: &Graph, mut value: Value) -> Value {
    while let Some(above) = producer(graph, value).map(|node| graph.node(node)) {
        if !above.op.is_view() {
            break;
        }
        value = above.inputs[0];
    }
    value
}
