//! The last lines and columns of a map that no window of its maximum pooling covers are not computed: where the map comes
//! from a convolution and nothing else reads it, the convolution leaves them out, and so do its gradients, where they would
//! be zeros. The maxima are the same bits; the gradients are to rounding, being sums over fewer zeros.

use crate::compile::rewrite::{Rewriter, Rule, Start};
use crate::error::Result;
use crate::graph::{Node, Value};
use crate::ops::{conv, pool};

pub struct PooledWindow;

impl Rule for PooledWindow {
    fn name(&self) -> &'static str {
        "pooled_window"
    }

    fn starts_from(&self) -> Start {
        Start::Ops(&["max_pool2d", "conv2d_backward_input", "conv2d_backward_filter"])
    }

    fn apply(
        &self,
        node: &Node,
        inputs: &[Value],
        rewriter: &mut Rewriter<'_>,
    ) -> Result<Option<Vec<Value>>> {
        match node.op.name() {
            "max_pool2d" => forward(node, inputs, rewriter),
            "conv2d_backward_input" => gradient(node, inputs, 0, rewriter),
            _ => gradient(node, inputs, 1, rewriter),
        }
    }
}

/// max_pool2d(conv2d(x, kernel)), of a smaller convolution.
fn forward(node: &Node, inputs: &[Value], rewriter: &mut Rewriter<'_>) -> Result<Option<Vec<Value>>> {
    let is_read_once = rewriter.readers().count(node.inputs[0]) == 1;
    let Some(convolution) = rewriter.produced_by(inputs[0], "conv2d").filter(|_| is_read_once) else {
        return Ok(None);
    };
    let uncovered = match pool::uncovered(&*node.op, rewriter.ty(inputs[0])) {
        None | Some([0, 0]) => return Ok(None),
        Some(uncovered) => uncovered,
    };
    let smaller = conv::leaving_out(&*convolution.op, uncovered).expect("its name is that of a convolution");
    let operands = convolution.inputs.clone();
    let map = rewriter.add(&smaller, &operands)?[0];
    rewriter.add(&node.op, &[map]).map(Some)
}

/// The gradient of a convolution whose dy, `inputs[place]`, is that of a pooling.
fn gradient(
    node: &Node,
    inputs: &[Value],
    place: usize,
    rewriter: &mut Rewriter<'_>,
) -> Result<Option<Vec<Value>>> {
    let dy = inputs[place];
    let Some(spread) = rewriter.produced_by(dy, "max_pool2d_backward") else { return Ok(None) };
    let uncovered = match pool::uncovered(&*spread.op, rewriter.ty(dy)) {
        None | Some([0, 0]) => return Ok(None),
        Some(uncovered) => uncovered,
    };
    let (Some(smaller), Some(gradient)) =
        (pool::leaving_out(&*spread.op, uncovered), conv::leaving_out(&*node.op, uncovered))
    else {
        return Ok(None);
    };
    let pooled = spread.inputs.clone();
    let mut inputs = inputs.to_vec();
    inputs[place] = rewriter.add(&smaller, &pooled)?[0];
    rewriter.add(&gradient, &inputs).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::gradients;
    use crate::compile::rules::testing::{check_rule, conv, max_pool, rewritten_with};
    use crate::graph::Graph;
    use crate::ops::elementwise::square;
    use crate::ops::reduce::reduce_sum;
    use crate::tensor::{DType, TensorType};

    #[test]
    fn what_no_window_covers_is_left_out() {
        // Side of x, padding, window, stride, sides of the maps before and after.
        for (side, padding, window, stride, before, after) in
            [(7, 0, 2, 2, 5, 4), (7, 1, 3, 3, 7, 6), (6, 0, 2, 2, 4, 4), (7, 0, 2, 1, 5, 5)]
        {
            let mut graph = Graph::new();
            let x = graph.input(0, TensorType::new(DType::F64, [2, side, side, 2]));
            let kernel = graph.input(1, TensorType::new(DType::F64, [3, 3, 2, 3]));
            let map = conv(&mut graph, x, kernel, padding);
            assert_eq!(graph.shape(map)[1], before);
            let y = max_pool(&mut graph, map, window, stride);
            let squares = square(&mut graph, y).unwrap();
            let loss = reduce_sum(&mut graph, squares, &[0, 1, 2, 3], false).unwrap();
            let mut roots = vec![y];
            roots.extend(gradients(&mut graph, loss, &[x, kernel]).unwrap().into_iter().flatten());
            let (rewritten, _) = rewritten_with(&PooledWindow, &graph, &roots);
            let side_of = |name: &str, input: usize| {
                let mut nodes = rewritten.nodes().iter().filter(|node| node.op.name() == name);
                let side = nodes.next().map(|node| rewritten.shape(node.inputs[input])[1]);
                assert!(nodes.next().is_none(), "{name} is there once");
                side.unwrap()
            };
            assert_eq!(side_of("max_pool2d", 0), after);
            assert_eq!(side_of("conv2d_backward_input", 0), after);
            assert_eq!(side_of("conv2d_backward_filter", 1), after);
        }
    }

    #[test]
    fn a_map_that_is_read_elsewhere_stays_whole() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [1, 5, 5, 1]));
        let kernel = graph.input(1, TensorType::new(DType::F64, [1, 1, 1, 2]));
        let map = conv(&mut graph, x, kernel, 0);
        let y = max_pool(&mut graph, map, 2, 2);
        let (rewritten, _) = rewritten_with(&PooledWindow, &graph, &[map, y]);
        assert_eq!(rewritten.shape(rewritten.nodes()[1].inputs[0]), [1, 5, 5, 2]);
    }

    #[test]
    fn random_graphs() {
        check_rule(&PooledWindow, 1e-12, |random| {
            let x = random.image();
            let channels = random.graph.shape(x)[3];
            let kernel = random.leaf(&[2, 2, channels, 2]);
            let map = conv(&mut random.graph, x, kernel, 0);
            let y = max_pool(&mut random.graph, map, 2, 2);
            random.push(y);
        });
    }
}
