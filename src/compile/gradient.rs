//! Reverse-mode differentiation: the gradient of a scalar becomes new nodes of the same graph.

use crate::error::{Error, Result};

use crate::graph::{Differentiated, Graph, Origin, Source, Value};
use crate::ops::elementwise::add;
use crate::tensor::Tensor;

/// d `loss` / d `wrt[i]` for each `i`, `None` where the loss does not depend on `wrt[i]`.
///
/// Gradients are ordinary values of the graph, so they can be differentiated again.
pub fn gradients(graph: &mut Graph, loss: Value, wrt: &[Value]) -> Result<Vec<Option<Value>>> {
    let ty = graph.ty(loss);
    if !ty.shape.is_empty() || !ty.dtype.is_float() {
        return Err(Error::Shape(format!("expected a scalar float to differentiate. Received: loss={ty}")));
    }
    let node_count = graph.nodes().len();
    let reachable = depends_on(graph, wrt);

    let mut gradient: Vec<Option<Value>> = vec![None; graph.value_count()];
    if reachable[loss.0 as usize] {
        let one = Tensor::scalar(graph.ty(loss).dtype, 1.0);
        gradient[loss.0 as usize] = Some(graph.constant(one));
    }
    let scope = graph.scope();
    for index in (0..node_count).rev() {
        let node = graph.nodes()[index].clone();
        let doutputs: Vec<Option<Value>> =
            node.outputs.iter().map(|value| gradient[value.0 as usize]).collect();
        let wanted: Vec<bool> = node
            .inputs
            .iter()
            .map(|&value| reachable[value.0 as usize] && graph.ty(value).dtype.is_float())
            .collect();
        let is_end = !node.op.passes_gradient();
        if is_end || doutputs.iter().all(Option::is_none) || !wanted.contains(&true) {
            continue;
        }
        graph.set_scope(&node.scope);
        graph.set_origin(Origin::Gradient(node.op.name()));
        let differentiated = Differentiated {
            inputs: &node.inputs,
            outputs: &node.outputs,
            doutputs: &doutputs,
            wanted: &wanted,
        };
        let dinputs = node.op.gradient(&differentiated, graph).map_err(|error| {
            graph.set_origin(Origin::Program);
            error.within(&node.scope)
        })?;
        for ((&input, dinput), wanted) in node.inputs.iter().zip(dinputs).zip(wanted) {
            let Some(dinput) = dinput.filter(|_| wanted) else { continue };
            debug_assert_eq!(graph.ty(dinput), graph.ty(input), "gradient of {}", node.op.name());
            let slot = input.0 as usize;
            gradient[slot] = Some(match gradient[slot] {
                None => dinput,
                Some(earlier) => add(graph, earlier, dinput)?,
            });
        }
    }
    graph.set_scope(&scope);
    graph.set_origin(Origin::Program);
    Ok(wrt.iter().map(|value| gradient[value.0 as usize]).collect())
}

/// For each value, whether it is one of `wrt` or is computed from one in a way that a gradient could go back.
fn depends_on(graph: &Graph, wrt: &[Value]) -> Vec<bool> {
    let mut depends = vec![false; graph.value_count()];
    for value in wrt {
        depends[value.0 as usize] = true;
    }
    for node in graph.nodes() {
        if node.op.passes_gradient() && node.inputs.iter().any(|input| depends[input.0 as usize]) {
            for output in &node.outputs {
                debug_assert!(matches!(graph.source(*output), Source::Output { .. }));
                depends[output.0 as usize] = graph.ty(*output).dtype.is_float();
            }
        }
    }
    depends
}
