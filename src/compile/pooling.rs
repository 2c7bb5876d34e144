//! Rewrites around a maximum pooling: what comes before it in the graph is done after it, where there is less of it.
//!
//! A maximum commutes with whatever grows with its operand: adding the bias of a channel, a ReLU. So these are applied to
//! the pooled map. A convolution leaves out the lines and columns that no window covers, forward and in its gradients, where
//! they would be zeros. A gradient that passes a pooling goes to the argmax of each window whole, so its sum is known before
//! it is spread, and a mask can be applied before it is.
//!
//! The maxima are the same numbers. Where several elements of a window differ by less than the rounding of the bias, so that
//! they were equal with it, the largest of them wins now, and the first of them before.

use super::simplify::Rewriter;
use crate::error::Result;
use crate::graph::{Node, NodeId, OpRef, Source, Value};
use crate::ops::{conv, pool, reduce};

/// A maximum pooling of an activated convolution.
struct PooledConvolution {
    op: OpRef,
    inputs: Vec<Value>,
    /// What is done to the convolution's output before it is pooled, in the old graph: the ops, their inputs, and which of
    /// these is the map.
    activation: Vec<(OpRef, Vec<Value>, usize)>,
}

impl Rewriter<'_> {
    /// The outputs of the node, computed with less work, where it stands before or behind a maximum pooling.
    pub fn around_pooling(&mut self, node: &Node, inputs: &[Value]) -> Result<Option<Vec<Value>>> {
        match node.op.name() {
            "max_pool2d" => self.pooling(node),
            "relu_backward" => self.mask(node, inputs),
            "reduce_sum" => self.sum(node, inputs),
            "conv2d_backward_input" => self.gradient(node, inputs, 0),
            "conv2d_backward_filter" => self.gradient(node, inputs, 1),
            _ => Ok(None),
        }
    }

    /// max_pool2d(activation(conv2d(x, kernel))) → activation(max_pool2d(conv2d(x, kernel))), of a smaller convolution where
    /// windows do not reach the last lines or columns.
    fn pooling(&mut self, node: &Node) -> Result<Option<Vec<Value>>> {
        let Some(uncovered) = pool::uncovered(&*node.op, self.old.ty(node.inputs[0])) else {
            return Ok(None);
        };
        let Some(pooled) = self.pooled_convolution(node) else { return Ok(None) };
        if pooled.activation.is_empty() && uncovered == [0, 0] {
            return Ok(None);
        }
        self.leaves_unread = true;
        let before = self.map(node.inputs[0]);
        let convolution =
            conv::leaving_out(&*pooled.op, uncovered).expect("its name is that of a convolution");
        let inputs: Vec<Value> = pooled.inputs.iter().map(|&input| self.map(input)).collect();
        let map = self.append(&convolution, inputs)?[0];
        let [mut y, argmax] = self.append(&node.op, vec![map])?[..] else {
            unreachable!("a maximum pooling has two outputs");
        };
        for (op, inputs, place) in pooled.activation.into_iter().rev() {
            let mut inputs: Vec<Value> = inputs.iter().map(|&input| self.map(input)).collect();
            inputs[place] = y;
            y = self.append(&op, inputs)?[0];
        }
        self.activated.insert(argmax, (before, y));
        Ok(Some(vec![y, argmax]))
    }

    /// The convolution below a pooling, if what lies between can change places with it, and is read by nothing else but the
    /// mask of a gradient, which [`Rewriter::mask`] will do without.
    fn pooled_convolution(&self, node: &Node) -> Option<PooledConvolution> {
        let channels = *self.old.shape(node.inputs[0]).last()?;
        let mut value = node.inputs[0];
        let mut activation = Vec::new();
        loop {
            let masks = if value == node.inputs[0] { self.masks_of(value) } else { 0 };
            if self.readers.count(value) != 1 + masks {
                return None;
            }
            let Source::Output { node: below, .. } = self.old.source(value) else { return None };
            let below = self.old.node(*below);
            // The same number for all pixels of a channel.
            let is_flat = |input: Value| {
                let shape = self.old.shape(input);
                let size: usize = shape.iter().product();
                size == 1 || (size == channels && shape.last() == Some(&channels))
            };
            let place = match below.op.name() {
                "conv2d" => {
                    let (op, inputs) = (below.op.clone(), below.inputs.clone());
                    return Some(PooledConvolution { op, inputs, activation });
                }
                "relu" => 0,
                "add" => (0..2).find(|&place| {
                    self.old.shape(below.inputs[place]) == self.old.shape(value)
                        && is_flat(below.inputs[1 - place])
                })?,
                _ => return None,
            };
            activation.push((below.op.clone(), below.inputs.clone(), place));
            value = below.inputs[place];
        }
    }

    /// How many live nodes of the old graph mask something by `value`.
    fn masks_of(&self, value: Value) -> usize {
        let masks = |node: &&NodeId| {
            let node = self.old.node(**node);
            node.op.name() == "relu_backward" && node.inputs[1] == value && node.inputs[0] != value
        };
        self.readers.nodes(value).iter().filter(masks).count()
    }

    /// The mask of a ReLU below a pooling: relu_backward(max_pool2d_backward(argmax, dy), x) with y, argmax = max_pool2d(x)
    /// → max_pool2d_backward(argmax, relu_backward(dy, y)). An argmax is as large as y, so the mask can be applied where there
    /// are fewer elements, and where the kernel that computes dy can do it.
    fn mask(&mut self, node: &Node, inputs: &[Value]) -> Result<Option<Vec<Value>>> {
        let [dx, above] = *inputs else { return Ok(None) };
        let Some(backward) = self.produced_by(dx, "max_pool2d_backward") else { return Ok(None) };
        let [argmax, dy] = backward.inputs[..] else { return Ok(None) };
        let Some(pooling) = self.produced_by(argmax, "max_pool2d") else { return Ok(None) };
        let (x, y) = self.activated.get(&argmax).copied().unwrap_or((pooling.inputs[0], pooling.outputs[0]));
        if above != x {
            return Ok(None);
        }
        let backward = backward.op.clone();
        self.leaves_unread = true;
        let masked = self.append(&node.op, vec![dy, y])?[0];
        self.append(&backward, vec![argmax, masked]).map(Some)
    }

    /// The gradient of a bias: reduce_sum(max_pool2d_backward(argmax, dy)) over the images → reduce_sum(dy).
    fn sum(&mut self, node: &Node, inputs: &[Value]) -> Result<Option<Vec<Value>>> {
        let axes = reduce::summed_axes(&*node.op).unwrap_or_default();
        let Some(backward) = self.produced_by(inputs[0], "max_pool2d_backward") else { return Ok(None) };
        if !axes.contains(&1) || !axes.contains(&2) {
            return Ok(None);
        }
        let dy = backward.inputs[1];
        self.leaves_unread = true;
        self.append(&node.op, vec![dy]).map(Some)
    }

    /// The gradient of a convolution whose dy, `inputs[place]`, is that of a pooling: without what no window covers.
    fn gradient(&mut self, node: &Node, inputs: &[Value], place: usize) -> Result<Option<Vec<Value>>> {
        let dy = inputs[place];
        let Some(backward) = self.produced_by(dy, "max_pool2d_backward") else { return Ok(None) };
        let uncovered = match pool::uncovered(&*backward.op, self.new.ty(dy)) {
            None | Some([0, 0]) => return Ok(None),
            Some(uncovered) => uncovered,
        };
        let (Some(spread), Some(gradient)) =
            (pool::leaving_out(&*backward.op, uncovered), conv::leaving_out(&*node.op, uncovered))
        else {
            return Ok(None);
        };
        let pooled = backward.inputs.clone();
        self.leaves_unread = true;
        let mut inputs = inputs.to_vec();
        inputs[place] = self.append(&spread, pooled)?[0];
        self.append(&gradient, inputs).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::super::gradients;
    use super::super::simplify::simplify;
    use crate::graph::{Attribute, Attributes, Graph, OpRef};
    use crate::ops::elementwise::{add, multiply, relu};
    use crate::ops::reduce::reduce_sum;
    use crate::ops::registry;
    use crate::ops::testing::{elements, evaluate, uniform};
    use crate::tensor::{DType, TensorType};

    fn op(name: &str, lists: &[(&str, &[i64])], groups: Option<i64>) -> OpRef {
        let lists = lists.iter().map(|(name, list)| (name.to_string(), Attribute::Ints(list.to_vec())));
        let groups = groups.map(|groups| ("groups".to_owned(), Attribute::Int(groups)));
        registry::build(name, &Attributes::new(lists.chain(groups).collect::<Vec<_>>())).unwrap()
    }

    /// y = max_pool2d(relu(conv2d(x, kernel) + bias)), and the gradients of Σ weights · y: the same as in the graph as it was
    /// written, from a convolution of what the windows cover.
    #[test]
    fn an_activated_convolution_is_pooled_first() {
        // Side of x, padding of the convolution, window, stride, sides of the maps before and after.
        for (side, padding, window, stride, before, after) in
            [(7, 0, 2, 2, 5, 4), (7, 1, 3, 3, 7, 6), (6, 0, 2, 2, 4, 4), (7, 0, 2, 1, 5, 5)]
        {
            let mut graph = Graph::new();
            let shapes = [vec![2, side, side, 2], vec![3, 3, 2, 3], vec![3]];
            let inputs: Vec<_> =
                shapes.iter().cloned().map(|shape| TensorType::new(DType::F64, shape)).collect();
            let [x, kernel, bias] = [0, 1, 2].map(|index| graph.input(index, inputs[index].clone()));
            let lists: [(&str, &[i64]); 3] =
                [("strides", &[1, 1]), ("padding", &[padding; 4]), ("dilation", &[1, 1])];
            let map = graph.apply(op("conv2d", &lists, Some(1)), &[x, kernel]).unwrap()[0];
            assert_eq!(graph.shape(map)[1], before);
            let biased = add(&mut graph, map, bias).unwrap();
            let active = relu(&mut graph, biased).unwrap();
            let lists: [(&str, &[i64]); 3] =
                [("pool", &[window; 2]), ("strides", &[stride; 2]), ("padding", &[0; 4])];
            let y = graph.apply(op("max_pool2d", &lists, None), &[active]).unwrap()[0];
            let weights_ty = graph.ty(y).clone();
            let weights = graph.input(3, weights_ty.clone());
            let weighted = multiply(&mut graph, y, weights).unwrap();
            let loss = reduce_sum(&mut graph, weighted, &[0, 1, 2, 3], false).unwrap();
            let mut roots = vec![y];
            roots.extend(gradients(&mut graph, loss, &[x, kernel, bias]).unwrap().into_iter().flatten());
            assert_eq!(roots.len(), 4);

            let mut feed: Vec<_> =
                (1..).zip(&shapes).map(|(i, shape)| uniform(shape, i, -1.0, 1.0)).collect();
            feed.push(uniform(&weights_ty.shape, 9, -1.0, 1.0));
            let expected = evaluate(&graph, &feed, &roots).unwrap();
            let (simplified, roots) = simplify(&graph, &roots).unwrap();
            let found = evaluate(&simplified, &feed, &roots).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                let (found, expected) = (elements(found), elements(expected));
                assert_eq!(found.len(), expected.len());
                // Sums over fewer zeros, in another order.
                let close = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12);
                assert!(close, "side {side}, padding {padding}: {found:?} is not {expected:?}");
                assert!(expected.iter().any(|element| *element != 0.0));
            }
            let shape_of = |name: &str, input: usize| {
                let mut nodes = simplified.nodes().iter().filter(|node| node.op.name() == name);
                let shape = nodes.next().map(|node| simplified.shape(node.inputs[input]).to_vec());
                assert!(nodes.next().is_none(), "{name} is there once");
                shape.unwrap()[1]
            };
            assert_eq!(shape_of("max_pool2d", 0), after);
            assert_eq!(shape_of("conv2d_backward_input", 0), after);
            assert_eq!(shape_of("conv2d_backward_filter", 1), after);
        }
    }

    /// What else reads the map keeps it as it is.
    #[test]
    fn a_map_that_is_an_output_is_pooled_as_it_is() {
        let mut graph = Graph::new();
        let x = graph.input(0, TensorType::new(DType::F64, [1, 5, 5, 1]));
        let kernel = graph.input(1, TensorType::new(DType::F64, [1, 1, 1, 2]));
        let lists: [(&str, &[i64]); 3] = [("strides", &[1, 1]), ("padding", &[0; 4]), ("dilation", &[1, 1])];
        let map = graph.apply(op("conv2d", &lists, Some(1)), &[x, kernel]).unwrap()[0];
        let active = relu(&mut graph, map).unwrap();
        let lists: [(&str, &[i64]); 3] = [("pool", &[2, 2]), ("strides", &[2, 2]), ("padding", &[0; 4])];
        let y = graph.apply(op("max_pool2d", &lists, None), &[active]).unwrap()[0];
        let (simplified, _) = simplify(&graph, &[active, y]).unwrap();
        let names: Vec<_> = simplified.nodes().iter().map(|node| node.op.name()).collect();
        assert_eq!(names, ["conv2d", "relu", "max_pool2d"]);
    }
}
