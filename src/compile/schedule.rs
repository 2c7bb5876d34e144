//! The order in which the work items of a program run.

use std::collections::{HashMap, HashSet};

use super::values::{behind_views, producer};
use crate::graph::{Effect, Graph, NodeId, Source, Value};

/// What effects make of the order of nodes: `(node, another that it comes after)`, sorted.
///
/// A node with an effect comes after the one before it in the program, and after the data checks between the two; a check
/// after the last effect before it. So what a program logs tells how far it came.
pub fn comes_after(graph: &Graph) -> Vec<(NodeId, NodeId)> {
    let mut pairs = Vec::new();
    let mut effect = None;
    let mut checks = Vec::new();
    for (id, node) in (0..).map(NodeId).zip(graph.nodes()) {
        if node.op.effect() != Effect::None {
            pairs.extend(effect.into_iter().chain(checks.drain(..)).map(|before| (id, before)));
            effect = Some(id);
        } else if node.op.checks_data() {
            pairs.extend(effect.map(|before| (id, before)));
            checks.push(id);
        }
    }
    pairs
}

/// Orders the work items: each as soon as what it reads is there, and otherwise as the graph was written; but what checks the
/// program's inputs runs first, since no variable may be written before the last check.
///
/// Where nothing speaks against it, the work item that computes a variable's new content runs after all readers of the
/// old content and after the last effect, so that it can write in place. `item_of` names the work item of each node, itself a
/// node; a view has none.
pub fn schedule(
    graph: &Graph,
    item_of: &[Option<NodeId>],
    updates: &[(usize, Value)],
    comes_after: &[(NodeId, NodeId)],
) -> Vec<NodeId> {
    let mut waits_for: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes().len()];
    let mut readers: HashMap<usize, Vec<NodeId>> = HashMap::new();
    let computed_by =
        |value: Value| producer(graph, behind_views(graph, value)).and_then(|node| item_of[node.0 as usize]);
    for (node, item) in graph.nodes().iter().zip(item_of) {
        let Some(item) = *item else { continue };
        for &input in &node.inputs {
            if let Source::Variable(variable) = graph.source(behind_views(graph, input)) {
                readers.entry(*variable).or_default().push(item);
            } else if let Some(above) = computed_by(input).filter(|&above| above != item) {
                waits_for[item.0 as usize].push(above);
            }
        }
    }
    // These have kernels of their own, and so are work items.
    for (node, before) in comes_after {
        waits_for[node.0 as usize].push(*before);
    }
    let nodes = (0..graph.nodes().len() as u32).map(NodeId);
    let mut items: Vec<NodeId> = nodes.filter(|&node| item_of[node.0 as usize] == Some(node)).collect();

    // (writer, reader) for each reader of the old content of what the writer computes; the last effect counts as one.
    let last_effect = graph.nodes().iter().rposition(|node| node.op.effect() != Effect::None);
    let last_effect = last_effect.map(|index| NodeId(index as u32));
    let soft_dependencies: Vec<(NodeId, NodeId)> = updates
        .iter()
        .filter_map(|&(variable, value)| Some((computed_by(value)?, readers.get(&variable))))
        .flat_map(|(writer, readers)| {
            readers.into_iter().flatten().copied().chain(last_effect).map(move |reader| (writer, reader))
        })
        .filter(|(writer, reader)| writer != reader)
        .collect();
    let mut with_soft = waits_for.clone();
    soft_dependencies.iter().for_each(|&(writer, reader)| with_soft[writer.0 as usize].push(reader));
    // A soft dependency is dropped where it would close a cycle. It can do so only within a component: searching there
    // alone keeps the time in proportion to the graph.
    let component = strongly_connected_components(&with_soft, &items);
    for (writer, reader) in soft_dependencies {
        let together = component[writer.0 as usize] == component[reader.0 as usize];
        if !(together && reaches(&waits_for, &component, reader, writer)) {
            waits_for[writer.0 as usize].push(reader);
        }
    }
    let follows = follows_from_inputs(graph);
    let checks_inputs = |item: &NodeId| follows[item.0 as usize] && graph.node(*item).op.checks_data();
    items.sort_by_key(|item| !checks_inputs(item));
    depth_first(&waits_for, &items)
}

/// For each node, whether it depends on the program's inputs and constants alone.
fn follows_from_inputs(graph: &Graph) -> Vec<bool> {
    let mut follows = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        follows.push(node.inputs.iter().all(|&input| match graph.source(input) {
            Source::Input(_) | Source::Constant(_) => true,
            Source::Variable(_) => false,
            Source::Output { node, .. } => follows[node.0 as usize],
        }));
    }
    follows
}

/// The work items, each after those that it waits for, as far as these do not wait for one another.
fn depth_first(waits_for: &[Vec<NodeId>], items: &[NodeId]) -> Vec<NodeId> {
    let mut order = Vec::with_capacity(items.len());
    let mut opened = vec![false; waits_for.len()];
    // An explicit stack: a graph may be thousands of nodes deep.
    let mut stack = Vec::new();
    for &item in items {
        stack.push((item, false));
        while let Some((item, is_done)) = stack.pop() {
            if is_done {
                order.push(item);
            } else if !std::mem::replace(&mut opened[item.0 as usize], true) {
                stack.push((item, true));
                stack.extend(waits_for[item.0 as usize].iter().rev().map(|&above| (above, false)));
            }
        }
    }
    order
}

/// For each work item the number of its strongly connected component: those that wait for one another, directly or
/// not, have the same.
///
/// S. R. Kosaraju's algorithm, as in Sharir, "A strong-connectivity algorithm and its applications in data flow analysis"
/// (1981).
fn strongly_connected_components(waits_for: &[Vec<NodeId>], items: &[NodeId]) -> Vec<usize> {
    let mut waiting: Vec<Vec<NodeId>> = vec![Vec::new(); waits_for.len()];
    for &item in items {
        for above in &waits_for[item.0 as usize] {
            waiting[above.0 as usize].push(item);
        }
    }
    let mut component = vec![usize::MAX; waits_for.len()];
    let mut stack = Vec::new();
    for (number, item) in depth_first(waits_for, items).into_iter().rev().enumerate() {
        stack.push(item);
        while let Some(item) = stack.pop() {
            if component[item.0 as usize] == usize::MAX {
                component[item.0 as usize] = number;
                stack.extend(&waiting[item.0 as usize]);
            }
        }
    }
    component
}

/// Whether `from` waits, directly or not, for `to`, which is in the same component.
fn reaches(waits_for: &[Vec<NodeId>], component: &[usize], from: NodeId, to: NodeId) -> bool {
    let mut seen = HashSet::new();
    let mut stack = vec![from];
    while let Some(item) = stack.pop() {
        if item == to {
            return true;
        }
        if component[item.0 as usize] == component[to.0 as usize] && seen.insert(item) {
            stack.extend(&waits_for[item.0 as usize]);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(count: usize, pairs: &[(u32, u32)]) -> (Vec<Vec<NodeId>>, Vec<NodeId>) {
        let mut waits_for = vec![Vec::new(); count];
        pairs.iter().for_each(|&(item, above)| waits_for[item as usize].push(NodeId(above)));
        (waits_for, (0..count as u32).map(NodeId).collect())
    }

    #[test]
    fn items_that_wait_for_one_another_make_a_component() {
        // 0 → 1 → 2 → 0 and 4 ⇄ 5; 3 waits for the first component, and the second for 3.
        let pairs = [(0, 1), (1, 2), (2, 0), (3, 0), (4, 3), (4, 5), (5, 4)];
        let (waits_for, items) = edges(7, &pairs);
        let component = strongly_connected_components(&waits_for, &items);
        for a in 0..7 {
            for b in 0..7 {
                let together = a == b || (a < 3 && b < 3) || ([4, 5].contains(&a) && [4, 5].contains(&b));
                assert_eq!(component[a] == component[b], together, "{a} and {b}");
            }
        }
    }

    #[test]
    fn items_come_after_what_they_wait_for() {
        let pairs = [(0, 4), (4, 2), (1, 0), (3, 1), (3, 2)];
        let (waits_for, items) = edges(5, &pairs);
        assert_eq!(depth_first(&waits_for, &items), [2, 4, 0, 1, 3].map(NodeId));
    }
}
