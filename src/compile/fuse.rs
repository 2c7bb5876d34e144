//! Fusion: elementwise nodes are gathered into instruction sequences, and instruction sequences into the epilogue of the kernel that feeds them.
//!
//! Every node gets a *level*: one more than its inputs' for a node with a kernel of its own, the highest of its inputs' for
//! an elementwise node. A path between two elementwise nodes of one level passes through elementwise nodes only,
//! and through ones of the same number of elements (broadcasting never shrinks), so joining
//! connected elementwise nodes of equal level and size, or all nodes of one element of a level, can never close a cycle.
//! A group that is too long, or whose operands would not fit in scratch memory, is cut along the topological order.

use std::collections::{BTreeMap, HashMap};

use super::schedule::{comes_after, schedule};
use super::values::{behind_views, producer};
use crate::graph::{Graph, NodeId, Value};
use crate::kernels::elementwise::{Access, InstructionSequence, Operand, Register, Step};
use crate::tensor::TensorType;

/// An instruction sequence holds at most this many steps, so that its registers stay in the L1 cache.
const MAX_STEPS: usize = 48;

/// One elementwise loop over `size` elements.
#[derive(Debug, Clone)]
pub struct Fused {
    pub sequence: InstructionSequence,
    pub inputs: Vec<Value>,
    pub outputs: Vec<Value>,
    pub size: usize,
    /// The nodes that it came from, in order.
    pub members: Vec<NodeId>,
}

impl Fused {
    /// The operand that is `value`, if it is the only one and is read where it lies.
    pub fn only_read(&self, value: Value) -> Option<usize> {
        let mut reads = (0..self.inputs.len()).filter(|&operand| self.inputs[operand] == value);
        let operand = reads.next()?;
        (reads.next().is_none() && self.sequence.operands[operand].access == Access::Full).then_some(operand)
    }
}

/// One thing to run.
#[derive(Debug, Clone)]
pub enum WorkItem {
    /// A node with a kernel of its own, and the loop that runs on each finished block of its output 0.
    Kernel {
        node: NodeId,
        epilogue: Option<Fused>,
    },
    Loop(Fused),
}

/// How an elementwise operand of `shape` is addressed within `output`, or `None` where it must be broadcast first.
pub fn access(shape: &[usize], output: &[usize]) -> Option<Access> {
    let size: usize = shape.iter().product();
    let output_size: usize = output.iter().product();
    if size == output_size {
        return Some(Access::Full);
    }
    if size == 1 {
        return Some(Access::Scalar);
    }
    let missing = output.len().checked_sub(shape.len())?;
    let dims: Vec<(usize, usize)> = output
        .iter()
        .enumerate()
        .map(|(axis, &dim)| (if axis < missing { 1 } else { shape[axis - missing] }, dim))
        .collect();
    let first_kept = dims.iter().position(|&(own, _)| own != 1)?;
    let last_kept = dims.iter().rposition(|&(own, _)| own != 1)?;
    if dims[first_kept..].iter().all(|&(own, dim)| own == dim) {
        Some(Access::Row { period: size })
    } else if dims[..=last_kept].iter().all(|&(own, dim)| own == dim) {
        Some(Access::Column { repeat: output_size / size })
    } else {
        None
    }
}

/// The work items of a simplified graph, in an order in which they can run.
///
/// `updates` are the `(variable, new content)` pairs of the step.
pub fn fuse(graph: &Graph, roots: &[Value], updates: &[(usize, Value)]) -> Vec<WorkItem> {
    let kinds = Kinds::of(graph, roots);
    let comes_after = comes_after(graph);
    let levels = levels(graph, &kinds, &comes_after);
    let mut groups = group(graph, &kinds, &levels);
    let producers = choose_producers(graph, &kinds, &levels, &groups);
    let mut epilogue_of = vec![None; graph.nodes().len()];
    for (group, producer) in producers.iter().enumerate() {
        if let Some(producer) = producer {
            epilogue_of[producer.0 as usize] = Some(group);
        }
    }
    // A work item is named by its kernel, or by the last node of its loop; a view has none.
    let item_of: Vec<Option<NodeId>> = (0..graph.nodes().len() as u32)
        .map(NodeId)
        .map(|node| match groups.of[node.0 as usize] {
            Some(group) => producers[group].or(groups.members[group].last().copied()),
            None => (!kinds.is(node, Kind::View)).then_some(node),
        })
        .collect();
    let mut take = |group: usize| groups.loops[group].take().expect("each loop is of one item");
    schedule(graph, &item_of, updates, &comes_after)
        .into_iter()
        .map(|item| match groups.of[item.0 as usize] {
            Some(group) => WorkItem::Loop(take(group)),
            None => WorkItem::Kernel { node: item, epilogue: epilogue_of[item.0 as usize].map(&mut take) },
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Elementwise,
    View,
    Kernel,
}

/// What each node is, who reads each value, and which values the program gives out or stores.
struct Kinds {
    kind: Vec<Kind>,
    readers: Vec<Vec<NodeId>>,
    is_root: Vec<bool>,
}

impl Kinds {
    fn of(graph: &Graph, roots: &[Value]) -> Self {
        let kind = graph
            .nodes()
            .iter()
            .map(|node| {
                let types: Vec<&TensorType> = node.inputs.iter().map(|&input| graph.ty(input)).collect();
                if node.op.instruction(&types).is_some() {
                    Kind::Elementwise
                } else if node.op.is_view() {
                    Kind::View
                } else {
                    Kind::Kernel
                }
            })
            .collect();
        let mut readers = vec![Vec::new(); graph.value_count()];
        for (index, node) in graph.nodes().iter().enumerate() {
            for input in &node.inputs {
                readers[input.0 as usize].push(NodeId(index as u32));
            }
        }
        let mut is_root = vec![false; graph.value_count()];
        roots.iter().for_each(|root| is_root[root.0 as usize] = true);
        Self { kind, readers, is_root }
    }

    fn is(&self, node: NodeId, kind: Kind) -> bool {
        self.kind[node.0 as usize] == kind
    }
}

fn size(graph: &Graph, node: NodeId) -> usize {
    graph.ty(graph.node(node).outputs[0]).size()
}

/// The level of each node. Elementwise nodes read only by elementwise nodes of one later level move there, so that
/// a mask is computed where it is used instead of being stored. A node that an effect orders has a level above those that it
/// comes after, as if it read them: so the order of effects closes no cycle either.
fn levels(graph: &Graph, kinds: &Kinds, comes_after: &[(NodeId, NodeId)]) -> Vec<usize> {
    let mut levels = vec![0; graph.nodes().len()];
    let mut ordered = comes_after.iter().copied().peekable();
    for (index, node) in graph.nodes().iter().enumerate() {
        let above = node.inputs.iter().filter_map(|&input| producer(graph, input));
        let mut highest = above.map(|producer| levels[producer.0 as usize]).max().unwrap_or(0);
        while let Some((_, before)) = ordered.next_if(|(node, _)| node.0 as usize == index) {
            highest = highest.max(levels[before.0 as usize]);
        }
        levels[index] = highest + usize::from(kinds.kind[index] == Kind::Kernel);
    }
    for index in (0..levels.len()).rev() {
        let id = NodeId(index as u32);
        if !kinds.is(id, Kind::Elementwise) {
            continue;
        }
        let output = graph.node(id).outputs[0];
        if kinds.is_root[output.0 as usize] {
            continue;
        }
        let readers = &kinds.readers[output.0 as usize];
        let Some(first) = readers.first() else { continue };
        let later = levels[first.0 as usize];
        let can_move = readers.iter().all(|&reader| {
            kinds.is(reader, Kind::Elementwise)
                && levels[reader.0 as usize] == later
                && size(graph, reader) == size(graph, id)
        });
        if can_move {
            levels[index] = later;
        }
    }
    gather_at_the_end(graph, kinds, &mut levels);
    levels
}

/// Moves what is computed of one element, and read by nothing else than such, to the last level that has a loop over one
/// element: there they are one loop.
fn gather_at_the_end(graph: &Graph, kinds: &Kinds, levels: &mut [usize]) {
    let is_single = |node: NodeId| kinds.is(node, Kind::Elementwise) && size(graph, node) == 1;
    let nodes = || (0..graph.nodes().len() as u32).map(NodeId).filter(|&node| is_single(node));
    let Some(last) = nodes().map(|node| levels[node.0 as usize]).max() else { return };
    for node in nodes().rev() {
        let readers = graph.node(node).outputs.iter().flat_map(|output| &kinds.readers[output.0 as usize]);
        if readers.into_iter().all(|&reader| is_single(reader) && levels[reader.0 as usize] == last) {
            levels[node.0 as usize] = last;
        }
    }
}

/// Elementwise nodes that run as one loop: for each node its group, and for each group its nodes in order and its loop.
struct Groups {
    of: Vec<Option<usize>>,
    members: Vec<Vec<NodeId>>,
    loops: Vec<Option<Fused>>,
}

fn group(graph: &Graph, kinds: &Kinds, levels: &[usize]) -> Groups {
    let count = graph.nodes().len();
    let mut parent: Vec<usize> = (0..count).collect();
    fn root(parent: &mut [usize], mut node: usize) -> usize {
        while parent[node] != node {
            parent[node] = parent[parent[node]];
            node = parent[node];
        }
        node
    }
    for index in 0..count {
        let id = NodeId(index as u32);
        if !kinds.is(id, Kind::Elementwise) {
            continue;
        }
        for &input in &graph.node(id).inputs {
            let Some(above) = producer(graph, behind_views(graph, input)) else { continue };
            let joined = kinds.is(above, Kind::Elementwise)
                && levels[above.0 as usize] == levels[index]
                && size(graph, above) == size(graph, id);
            if joined {
                let (a, b) = (root(&mut parent, above.0 as usize), root(&mut parent, index));
                parent[a] = b;
            }
        }
    }
    // A loop over one element costs little more than its start: all of a level are one, connected or not.
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, &level) in levels.iter().enumerate() {
        let id = NodeId(index as u32);
        if kinds.is(id, Kind::Elementwise) && size(graph, id) == 1 {
            let first = *numbers.entry(level).or_insert(index);
            let (a, b) = (root(&mut parent, first), root(&mut parent, index));
            parent[a] = b;
        }
    }
    let mut components: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    for index in 0..count {
        if kinds.kind[index] == Kind::Elementwise {
            components.entry(root(&mut parent, index)).or_default().push(NodeId(index as u32));
        }
    }
    let mut groups = Groups { of: vec![None; count], members: Vec::new(), loops: Vec::new() };
    for nodes in components.into_values() {
        let mut pieces: Vec<&[NodeId]> = nodes.chunks(MAX_STEPS).rev().collect();
        while let Some(members) = pieces.pop() {
            let body = fused(graph, kinds, members);
            if members.len() == 1 || body.sequence.fits() {
                members.iter().for_each(|node| groups.of[node.0 as usize] = Some(groups.members.len()));
                groups.members.push(members.to_vec());
                groups.loops.push(Some(body));
            } else {
                let (first, second) = members.split_at(members.len() / 2);
                pieces.extend([second, first]);
            }
        }
    }
    groups
}

/// For each group, the kernel in whose epilogue it runs, if any.
///
/// This producer is the last of all kernels of the group's level that the group depends on. So a group that runs as an
/// epilogue waits only for work items with an earlier producer, and closes no cycle either.
fn choose_producers(graph: &Graph, kinds: &Kinds, levels: &[usize], groups: &Groups) -> Vec<Option<NodeId>> {
    // For each elementwise node, the last kernel of its level that it depends on.
    let mut last: Vec<Option<NodeId>> = vec![None; graph.nodes().len()];
    for (index, node) in graph.nodes().iter().enumerate() {
        if kinds.kind[index] == Kind::Kernel {
            continue;
        }
        let above = node.inputs.iter().filter_map(|&input| producer(graph, input));
        last[index] = above
            .filter(|above| levels[above.0 as usize] == levels[index])
            .filter_map(
                |above| if kinds.is(above, Kind::Kernel) { Some(above) } else { last[above.0 as usize] },
            )
            .max();
    }
    let mut taken = vec![false; graph.nodes().len()];
    let feeds = |group: usize, producer: NodeId| {
        groups.members[group].iter().any(|&member| {
            let inputs = &graph.node(member).inputs;
            inputs.iter().any(|&input| behind_views(graph, input) == graph.node(producer).outputs[0])
        })
    };
    // The later piece of a cut chain would wait for the earlier one, which may have the same producer.
    let is_later_piece = |group: usize| {
        let members = &groups.members[group];
        members.iter().flat_map(|&member| &graph.node(member).inputs).any(|&input| {
            producer(graph, behind_views(graph, input)).is_some_and(|above| {
                kinds.is(above, Kind::Elementwise)
                    && groups.of[above.0 as usize] != Some(group)
                    && levels[above.0 as usize] == levels[members[0].0 as usize]
                    && size(graph, above) == size(graph, members[0])
            })
        })
    };
    (0..groups.members.len())
        .map(|group| {
            let members = &groups.members[group];
            let producer = members.iter().filter_map(|member| last[member.0 as usize]).max()?;
            let takes_it = graph.node(producer).op.accepts_epilogue()
                && size(graph, producer) == size(graph, members[0])
                && !taken[producer.0 as usize]
                && feeds(group, producer)
                && !is_later_piece(group);
            taken[producer.0 as usize] |= takes_it;
            takes_it.then_some(producer)
        })
        .collect()
}

/// The loop of elementwise nodes, which are in order.
fn fused(graph: &Graph, kinds: &Kinds, members: &[NodeId]) -> Fused {
    let is_member = |node: NodeId| members.binary_search(&node).is_ok();
    let operand = |input: Value, member: NodeId| {
        let output = graph.shape(graph.node(member).outputs[0]);
        let access = access(graph.shape(input), output).expect("operands were made addressable");
        (behind_views(graph, input), access)
    };
    let mut inputs: Vec<(Value, Access)> = Vec::new();
    for &member in members {
        for &input in &graph.node(member).inputs {
            let operand = operand(input, member);
            if !producer(graph, operand.0).is_some_and(is_member) && !inputs.contains(&operand) {
                inputs.push(operand);
            }
        }
    }
    let mut computed: HashMap<Value, Register> = HashMap::new();
    let mut steps = Vec::with_capacity(members.len());
    for &member in members {
        let node = graph.node(member);
        let types: Vec<&TensorType> = node.inputs.iter().map(|&input| graph.ty(input)).collect();
        let register_of = |&input: &Value| {
            let operand = operand(input, member);
            let read = || inputs.iter().position(|&known| known == operand).map(|index| index as Register);
            computed.get(&operand.0).copied().or_else(read).expect("every operand was collected")
        };
        let output = (inputs.len() + steps.len()) as Register;
        steps.push(Step {
            instruction: node.op.instruction(&types).expect("members are elementwise"),
            inputs: node.inputs.iter().map(register_of).collect(),
            output,
            dtype: graph.ty(node.outputs[0]).dtype,
        });
        computed.insert(node.outputs[0], output);
    }
    let is_read_outside =
        |value: Value| kinds.readers[value.0 as usize].iter().any(|&reader| !is_member(reader));
    let outputs: Vec<Value> = members
        .iter()
        .map(|&member| graph.node(member).outputs[0])
        .filter(|&value| kinds.is_root[value.0 as usize] || is_read_outside(value))
        .collect();
    let operands =
        inputs.iter().map(|&(value, access)| Operand { dtype: graph.ty(value).dtype, access }).collect();
    Fused {
        sequence: InstructionSequence {
            operands,
            steps,
            outputs: outputs.iter().map(|value| computed[value]).collect(),
        },
        inputs: inputs.into_iter().map(|(value, _)| value).collect(),
        outputs,
        size: size(graph, members[0]),
        members: members.to_vec(),
    }
}
