//! A maximum commutes with whatever never falls where its operand grows: max(f(x)) = f(max(x)). So a maximum pooling of an
//! elementwise op that is monotone in the map ([`Properties::monotone`](crate::graph::Properties)), and whose other operands
//! are the same for all pixels of a channel, is taken first, and the op is applied to the smaller map: a bias, a ReLU, a
//! clipping, a tanh.
//!
//! The maxima are the same bits where the op is exact (an addition is: rounding is monotone too), and the same to the error
//! of the op where it is a series (tanh). Where several elements of a window differ by less than the rounding of the op, so
//! that they were equal after it, the largest of them is the argmax now, and the first of them was before.

use crate::compile::properties::is_same_for_all_pixels;
use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Source, Value};
use crate::tensor::TensorType;

pub struct PooledMonotone;

impl Rule for PooledMonotone {
    fn name(&self) -> &'static str {
        "pooled_monotone"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["max_pool2d"])
    }

    /// max_pool2d(f(g(x))) → f(g(max_pool2d(x))), where nothing else reads f(g(x)) and g(x).
    fn apply(&self, node: &Node, _: &[Value], rewriter: &mut Rewriter<'_>) -> Result<Option<Vec<Value>>> {
        let old = rewriter.old();
        let mut map = node.inputs[0];
        let mut above = Vec::new();
        while let Some((f, operand)) = monotone(rewriter, map) {
            above.push((f, operand));
            map = f.inputs[operand];
        }
        let [is_smaller, is_moved] = [old.ty(node.outputs[0]).size() < old.ty(map).size(), !above.is_empty()];
        if !(is_smaller && is_moved) {
            return Ok(None);
        }
        let map = rewriter.map(map);
        let mut outputs = rewriter.add(&node.op, &[map])?;
        for (f, operand) in above.into_iter().rev() {
            let mut inputs: Vec<Value> = f.inputs.iter().map(|&input| rewriter.map(input)).collect();
            inputs[operand] = outputs[0];
            outputs[0] = rewriter.add(&f.op, &inputs)?[0];
        }
        Ok(Some(outputs))
    }
}

/// The node that computes `map`, of the old graph, and the operand in which it is monotone, if nothing else reads the map
/// and the other operands are the same for all pixels.
fn monotone<'a>(rewriter: &Rewriter<'a>, map: Value) -> Option<(&'a Node, usize)> {
    let old = rewriter.old();
    let Source::Output { node, .. } = old.source(map) else { return None };
    let node = old.node(*node);
    let types: Vec<&TensorType> = node.inputs.iter().map(|&input| old.ty(input)).collect();
    if rewriter.readers().count(map) != 1 || node.op.instruction(&types).is_none() {
        return None;
    }
    let operand = (0..types.len()).find(|&operand| {
        let mut others = types.iter().enumerate().filter(|(other, _)| *other != operand);
        node.op.properties().monotone.get(operand) == Some(&true)
            && types[operand] == old.ty(map)
            && others.all(|(_, ty)| is_same_for_all_pixels(&ty.shape))
    })?;
    Some((node, operand))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::rules::testing::{check_rule, max_pool, names_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::{add, maximum, multiply, relu, sqrt, tanh};
    use crate::tensor::DType;

    /// What becomes of max_pool2d(f(x, c)) for c of this shape.
    fn pooled(
        f: impl Fn(&mut Graph, Value, Value) -> Value,
        shape: &[usize],
        stride: usize,
        is_shared: bool,
    ) -> Vec<&'static str> {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [2, 4, 6, 3]));
        let c = graph.input(1, TensorType::new(DType::F64, shape));
        let map = f(&mut graph, x, c);
        let y = max_pool(&mut graph, map, 2, stride);
        let mut roots = vec![y];
        roots.extend(is_shared.then_some(map));
        names_with(&PooledMonotone, &graph, &roots)
    }

    #[test]
    fn what_is_monotone_comes_after_the_pooling() {
        for shape in [&[3][..], &[], &[1, 1, 3], &[2, 1, 1, 3]] {
            let f = |graph: &mut Graph, x, c| add(graph, c, x).unwrap();
            assert_eq!(pooled(f, shape, 2, false), ["max_pool2d", "add"], "{shape:?}");
        }
        let f = |graph: &mut Graph, x, c| {
            let biased = add(graph, x, c).unwrap();
            let clipped = maximum(graph, c, biased).unwrap();
            let active = relu(graph, clipped).unwrap();
            tanh(graph, active).unwrap()
        };
        assert_eq!(pooled(f, &[3], 1, false), ["max_pool2d", "add", "maximum", "relu", "tanh"]);
    }

    #[test]
    fn other_maps_are_pooled_as_they_are() {
        let before = |op: &'static str| vec![op, "max_pool2d"];
        let relu = |graph: &mut Graph, x, _| relu(graph, x).unwrap();
        assert_eq!(pooled(relu, &[3], 2, true), before("relu"), "a result too");
        // A NaN where x is negative; falling where c is; another number for each pixel.
        assert_eq!(pooled(|graph, x, _| sqrt(graph, x).unwrap(), &[3], 2, false), before("sqrt"));
        assert_eq!(pooled(|graph, x, c| multiply(graph, x, c).unwrap(), &[3], 2, false), before("multiply"));
        assert_eq!(pooled(|graph, x, c| add(graph, x, c).unwrap(), &[6, 1], 2, false), before("add"));
    }

    #[test]
    fn random_graphs() {
        check_rule(&PooledMonotone, 0.0, |random| {
            let x = random.image();
            let channels = random.graph.shape(x)[3];
            let bias = random.leaf(&[channels]);
            let biased = add(&mut random.graph, x, bias).unwrap();
            let active = relu(&mut random.graph, biased).unwrap();
            let y = max_pool(&mut random.graph, active, 2, 2);
            random.push(y);
        });
    }
}
