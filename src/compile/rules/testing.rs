//! What the tests of all rules share: a graph rewritten by one rule alone, and the contract that every rule keeps.

use crate::compile::random_graphs::RandomGraph;
pub use crate::compile::random_graphs::{conv, max_pool, max_pool_with_argmax, select_at};
use crate::compile::rewrite::{Rule, pass, rewrite};
use crate::graph::{Graph, Value};
use crate::ops::testing::{elements, evaluate};
use crate::tensor::Tensor;

/// Random graphs for each rule.
const GRAPHS: u64 = 200;

/// The graph that a rule alone makes.
pub fn rewritten_with(rule: &'static dyn Rule, graph: &Graph, roots: &[Value]) -> (Graph, Vec<Value>) {
    rewrite(graph, roots, &[rule]).unwrap()
}

/// The names of its ops, in order.
pub fn names_with(rule: &'static dyn Rule, graph: &Graph, roots: &[Value]) -> Vec<&'static str> {
    rewritten_with(rule, graph, roots).0.nodes().iter().map(|node| node.op.name()).collect()
}

/// What it computes.
pub fn tensors_with(rule: &'static dyn Rule, graph: &Graph, feed: &[Tensor], roots: &[Value]) -> Vec<Tensor> {
    let (graph, roots) = rewritten_with(rule, graph, roots);
    evaluate(&graph, feed, &roots).unwrap()
}

/// Fails unless all elements are the same bits where `tolerance` is 0, else the same to `tolerance` · (1 + |expected|).
pub fn assert_same(found: &[Tensor], expected: &[Tensor], tolerance: f64, what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.tensor_type(), expected.tensor_type(), "{what}");
        for (found, expected) in elements(found).into_iter().zip(elements(expected)) {
            let is_same = found.to_bits() == expected.to_bits()
                || found.is_nan() && expected.is_nan()
                || (found - expected).abs() <= tolerance * (1.0 + expected.abs()) && tolerance > 0.0;
            assert!(is_same, "{what}: {found:?} is not {expected:?}");
        }
    }
}

/// The contract of a rule: it applies to many random graphs that have a `pattern` in them, and changes no result by more
/// than `tolerance`, nor in any bit where that is 0.
pub fn check_rule(rule: &'static dyn Rule, tolerance: f64, pattern: impl Fn(&mut RandomGraph)) {
    let mut applied = 0;
    for seed in 0..GRAPHS {
        let mut random = RandomGraph::new(seed);
        let (before, after, with_gradients) = (random.below(6), random.below(4), random.below(2) == 0);
        random.grow(before);
        pattern(&mut random);
        random.grow(after);
        let roots = random.roots(with_gradients);
        applied += u64::from(pass(&random.graph, &roots, &[rule]).unwrap().changed);
        let expected = evaluate(&random.graph, &random.feed, &roots).unwrap();
        let found = tensors_with(rule, &random.graph, &random.feed, &roots);
        assert_same(&found, &expected, tolerance, &format!("{} on graph {seed}", rule.name()));
    }
    assert!(applied >= GRAPHS / 3, "{} applied to {applied} of {GRAPHS} graphs", rule.name());
}
