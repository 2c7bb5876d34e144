//! The memory plan: where every value of a program lies, decided once.
//!
//! Values live from the step that computes them to the last step that reads them; the arena is handed out by
//! best fit along the steps. A loop may write over an operand that dies in it, and the new content of
//! a variable is written straight into the variable where no later step reads the old one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::fuse::{Fused, WorkItem};
use super::values::behind_views;
use crate::error::Result;
use crate::graph::{Effect, Graph, Node, NodeId, OpRef, Source, Value};
use crate::kernels::elementwise::{Access, FusedKernel};
use crate::kernels::gemm::LISTED_ROW_BYTES;
use crate::tensor::{Tensor, TensorType};

/// Where a value lies while the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// At this offset of the arena, in bytes.
    Arena(usize),
    Input(usize),
    Variable(usize),
    Constant(usize),
}

/// A typed place.
#[derive(Debug, Clone)]
pub struct Slot {
    pub location: Location,
    pub ty: TensorType,
}

#[derive(Debug, Clone)]
pub struct Loop {
    pub sequence: FusedKernel,
    /// Steps of the instruction sequence, and bytes read and written in a run: for the profile.
    pub operations: usize,
    pub bytes: usize,
    pub inputs: Vec<Location>,
    pub outputs: Vec<Location>,
    pub size: usize,
}

#[derive(Debug, Clone)]
pub enum Work {
    Kernel {
        op: OpRef,
        inputs: Vec<Slot>,
        outputs: Vec<Slot>,
        workspace: usize,
        workspace_bytes: usize,
        epilogue: Option<Loop>,
        /// The epilogue's operand that is the kernel's first output, if nothing else reads that.
        read_last: Option<usize>,
    },
    Loop(Loop),
}

#[derive(Debug, Clone)]
pub struct Step {
    pub work: Work,
    pub scope: Arc<str>,
    /// The nodes of the rewritten graph that it computes: of a kernel its own first, then those of its epilogue.
    pub nodes: Vec<NodeId>,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub inputs: Vec<TensorType>,
    /// The inputs whose rows are read wherever they lie.
    pub listed: Vec<bool>,
    pub constants: Vec<Arc<Tensor>>,
    pub steps: Vec<Step>,
    /// How many of the first steps contain all that call out. They write no variable.
    pub calling_out: usize,
    pub arena_bytes: usize,
    pub outputs: Vec<Slot>,
    /// Variables that steps write in place.
    pub written: Vec<usize>,
    /// What remains to be copied into variables when all steps are done.
    pub copies: Vec<Assignment>,
}

/// A variable's new content that no step could write in place.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub from: Slot,
    pub variable: usize,
    /// The offset of a place to keep the content in first, where it is the old content of another variable.
    pub kept: Option<usize>,
}

pub fn plan(
    graph: &Graph,
    items: Vec<WorkItem>,
    inputs: &[TensorType],
    outputs: &[Value],
    updates: &[(usize, Value)],
) -> Result<Plan> {
    let in_place = in_place_updates(graph, &items, outputs, updates);
    let listed = listed_inputs(graph, &items, inputs, outputs, updates);
    let mut planner = Planner {
        graph,
        last_use: last_uses(graph, &items, outputs, updates),
        places: HashMap::new(),
        constants: Vec::new(),
        arena: Arena::default(),
    };
    for (&value, &variable) in &in_place {
        planner.places.insert(value, Location::Variable(variable));
    }
    let calls_out =
        |item: &WorkItem| kernel(graph, item).is_some_and(|node| node.op.effect() == Effect::CallsOut);
    let calling_out = items.iter().rposition(calls_out).map_or(0, |last| last + 1);
    let steps =
        items.into_iter().enumerate().map(|(time, item)| planner.step(time, item)).collect::<Result<_>>()?;
    let outputs = outputs.iter().map(|&value| planner.slot(value)).collect();
    let copies = updates
        .iter()
        .filter(|(variable, value)| in_place.get(&behind_views(graph, *value)) != Some(variable))
        .map(|&(variable, value)| {
            let from = planner.slot(value);
            let is_variable = matches!(from.location, Location::Variable(_));
            let kept = is_variable.then(|| planner.arena.allocate(from.ty.bytes()));
            Assignment { from, variable, kept }
        })
        .collect();
    let mut written: Vec<usize> = in_place.into_values().collect();
    written.sort_unstable();
    Ok(Plan {
        inputs: inputs.to_vec(),
        listed,
        constants: planner.constants,
        steps,
        calling_out,
        arena_bytes: planner.arena.bytes,
        outputs,
        written,
        copies,
    })
}

/// The node of a item that has a kernel.
fn kernel<'a>(graph: &'a Graph, item: &WorkItem) -> Option<&'a Node> {
    match item {
        WorkItem::Kernel { node, .. } => Some(graph.node(*node)),
        WorkItem::Loop(_) => None,
    }
}

/// What a item reads, behind views.
fn reads(graph: &Graph, item: &WorkItem) -> Vec<Value> {
    let fused = |fused: &Fused| fused.inputs.clone();
    match item {
        WorkItem::Loop(body) => fused(body),
        WorkItem::Kernel { node, epilogue } => {
            let own = graph.node(*node).inputs.iter().map(|&input| behind_views(graph, input));
            own.chain(epilogue.iter().flat_map(fused)).collect()
        }
    }
}

/// The inputs that are read by ops alone that accept a list of rows.
fn listed_inputs(
    graph: &Graph,
    items: &[WorkItem],
    inputs: &[TensorType],
    outputs: &[Value],
    updates: &[(usize, Value)],
) -> Vec<bool> {
    let is_large = |ty: &TensorType| ty.rank() == 2 && ty.shape[1] * ty.dtype.size() >= LISTED_ROW_BYTES;
    let mut listed: Vec<bool> = inputs.iter().map(is_large).collect();
    let mut exclude = |value: Value| {
        if let Source::Input(index) = graph.source(behind_views(graph, value)) {
            listed[*index] = false;
        }
    };
    for item in items {
        let body = match item {
            WorkItem::Loop(body) => Some(body),
            WorkItem::Kernel { node, epilogue } => {
                let node = graph.node(*node);
                for (index, &input) in node.inputs.iter().enumerate() {
                    let is_view = behind_views(graph, input) != input;
                    if is_view || !node.op.accepts_row_list(index) {
                        exclude(input);
                    }
                }
                epilogue.as_ref()
            }
        };
        body.iter().flat_map(|body| &body.inputs).for_each(|&input| exclude(input));
    }
    outputs.iter().chain(updates.iter().map(|(_, value)| value)).for_each(|&value| exclude(value));
    listed
}

/// For each value, the last work item that reads it; `usize::MAX` for what outlives the steps.
fn last_uses(
    graph: &Graph,
    items: &[WorkItem],
    outputs: &[Value],
    updates: &[(usize, Value)],
) -> HashMap<Value, usize> {
    let mut last_use = HashMap::new();
    for (time, item) in items.iter().enumerate() {
        for value in reads(graph, item) {
            last_use.insert(value, time);
        }
    }
    for &value in outputs.iter().chain(updates.iter().map(|(_, value)| value)) {
        last_use.insert(behind_views(graph, value), usize::MAX);
    }
    last_use
}

/// The updates whose value a loop can write straight into its variable: value → variable.
fn in_place_updates(
    graph: &Graph,
    items: &[WorkItem],
    outputs: &[Value],
    updates: &[(usize, Value)],
) -> HashMap<Value, usize> {
    let can_fail = |item: &WorkItem| kernel(graph, item).is_some_and(|node| node.op.can_fail());
    let last_failure = items.iter().rposition(can_fail);
    let mut last_read: HashMap<usize, usize> = HashMap::new();
    for (time, item) in items.iter().enumerate() {
        for value in reads(graph, item) {
            if let Source::Variable(variable) = graph.source(value) {
                last_read.insert(*variable, time);
            }
        }
    }
    // An output of the program, or another update, may be the old content of the variable.
    let kept: HashSet<usize> = outputs
        .iter()
        .chain(updates.iter().map(|(_, value)| value))
        .filter_map(|&value| match graph.source(behind_views(graph, value)) {
            Source::Variable(variable) => Some(*variable),
            _ => None,
        })
        .collect();
    let mut stored_in: HashMap<Value, Vec<usize>> = HashMap::new();
    for &(variable, value) in updates {
        stored_in.entry(behind_views(graph, value)).or_default().push(variable);
    }
    let mut in_place = HashMap::new();
    for (time, item) in items.iter().enumerate() {
        if last_failure.is_some_and(|last| time <= last) {
            continue;
        }
        let (body, kernel_inputs) = match item {
            WorkItem::Loop(body) => (body, &[][..]),
            WorkItem::Kernel { node, epilogue: Some(body) } => (body, &graph.node(*node).inputs[..]),
            WorkItem::Kernel { epilogue: None, .. } => continue,
        };
        let is_variable = |value: Value, variable: usize| matches!(graph.source(behind_views(graph, value)), Source::Variable(index) if *index == variable);
        for &value in &body.outputs {
            let fits = |variable: &&usize| {
                let read_later = last_read.get(variable).is_some_and(|&last| last > time);
                let read_elsewhere_now = kernel_inputs.iter().any(|&input| is_variable(input, **variable))
                    || body.inputs.iter().zip(&body.sequence.operands).any(|(&input, operand)| {
                        is_variable(input, **variable) && operand.access != Access::Full
                    });
                !read_later && !read_elsewhere_now && !kept.contains(variable)
            };
            if let Some(&variable) = stored_in.get(&value).and_then(|variables| variables.iter().find(fits)) {
                in_place.insert(value, variable);
            }
        }
    }
    in_place
}

struct Planner<'a> {
    graph: &'a Graph,
    last_use: HashMap<Value, usize>,
    /// Of values behind views.
    places: HashMap<Value, Location>,
    constants: Vec<Arc<Tensor>>,
    arena: Arena,
}

impl Planner<'_> {
    fn step(&mut self, time: usize, item: WorkItem) -> Result<Step> {
        let dying = self.dying(time, &item);
        let (work, scope, nodes, unread) = match item {
            WorkItem::Loop(fused) => {
                let scope = self.graph.node(fused.members[0]).scope.clone();
                let nodes = fused.members.clone();
                let reusable: Vec<Value> = dying.clone();
                let unread = self.unread(&fused.outputs);
                let body = self.body(fused, reusable)?;
                (Work::Loop(body), scope, nodes, unread)
            }
            WorkItem::Kernel { node, epilogue } => {
                let mut nodes = vec![node];
                nodes.extend(epilogue.iter().flat_map(|fused| &fused.members));
                let node = self.graph.node(node);
                let inputs: Vec<Slot> = node.inputs.iter().map(|&input| self.slot(input)).collect();
                for &output in &node.outputs {
                    self.allocate(output);
                }
                let outputs: Vec<Slot> = node.outputs.iter().map(|&output| self.slot(output)).collect();
                let types = |slots: &[Slot]| slots.iter().map(|slot| slot.ty.clone()).collect::<Vec<_>>();
                let (input_types, output_types) = (types(&inputs), types(&outputs));
                let workspace_bytes = node.op.workspace_bytes(
                    &input_types.iter().collect::<Vec<_>>(),
                    &output_types.iter().collect::<Vec<_>>(),
                );
                let workspace = self.arena.allocate(workspace_bytes);
                let mut unread = self.unread(&node.outputs);
                let mut read_last = None;
                let epilogue = epilogue
                    .map(|fused| {
                        let result = node.outputs[0];
                        let dies = self.last_use.get(&result) == Some(&time);
                        read_last = if dies { fused.only_read(result) } else { None };
                        unread.extend(self.unread(&fused.outputs));
                        self.body(fused, if dies { vec![result] } else { vec![] })
                    })
                    .transpose()?;
                self.arena.free(workspace, workspace_bytes);
                let work = Work::Kernel {
                    op: node.op.clone(),
                    inputs,
                    outputs,
                    workspace,
                    workspace_bytes,
                    epilogue,
                    read_last,
                };
                (work, node.scope.clone(), nodes, unread)
            }
        };
        for value in dying.into_iter().chain(unread) {
            self.release(value);
        }
        Ok(Step { work, scope, nodes })
    }

    /// Places the outputs of a loop, over one of the `reusable` operands where that is possible.
    fn body(&mut self, fused: Fused, mut reusable: Vec<Value>) -> Result<Loop> {
        let inputs: Vec<Location> = fused.inputs.iter().map(|&input| self.slot(input).location).collect();
        for &output in &fused.outputs {
            if self.places.contains_key(&output) {
                continue;
            }
            let bytes = self.graph.ty(output).bytes();
            let over = reusable.iter().position(|&operand| {
                let mut uses =
                    fused.inputs.iter().zip(&fused.sequence.operands).filter(|(input, _)| **input == operand);
                self.graph.ty(operand).bytes() == bytes
                    && self.graph.ty(operand).dtype.size() == self.graph.ty(output).dtype.size()
                    && matches!(self.places.get(&operand), Some(Location::Arena(_)))
                    && uses.all(|(_, operand)| operand.access == Access::Full)
            });
            match over {
                // The operand's place moves to the output, and is no longer the operand's to release.
                Some(index) => {
                    let place = self.places.remove(&reusable.swap_remove(index)).expect("found above");
                    self.places.insert(output, place);
                }
                None => self.allocate(output),
            }
        }
        let outputs = fused.outputs.iter().map(|output| self.places[output]).collect();
        let operations = fused.sequence.steps.len();
        let bytes =
            fused.inputs.iter().chain(&fused.outputs).map(|&value| self.graph.ty(value).bytes()).sum();
        Ok(Loop { sequence: fused.sequence.compile()?, operations, bytes, inputs, outputs, size: fused.size })
    }

    /// The values that this work item is the last to read.
    fn dying(&self, time: usize, item: &WorkItem) -> Vec<Value> {
        let mut values = reads(self.graph, item);
        values.sort_unstable();
        values.dedup();
        values.retain(|value| self.last_use.get(value) == Some(&time));
        values
    }

    /// The outputs that nothing reads: their memory is free again at once.
    fn unread(&self, outputs: &[Value]) -> Vec<Value> {
        outputs.iter().copied().filter(|output| !self.last_use.contains_key(output)).collect()
    }

    fn allocate(&mut self, value: Value) {
        let offset = self.arena.allocate(self.graph.ty(value).bytes());
        self.places.insert(value, Location::Arena(offset));
    }

    fn release(&mut self, value: Value) {
        if let Some(Location::Arena(offset)) = self.places.get(&value) {
            self.arena.free(*offset, self.graph.ty(value).bytes());
            self.places.remove(&value);
        }
    }

    fn slot(&mut self, value: Value) -> Slot {
        let ty = self.graph.ty(value).clone();
        let value = behind_views(self.graph, value);
        let location = match self.graph.source(value) {
            Source::Input(index) => Location::Input(*index),
            Source::Variable(index) => Location::Variable(*index),
            Source::Constant(tensor) => match self.places.get(&value) {
                Some(&place) => place,
                None => {
                    self.constants.push(tensor.clone());
                    let place = Location::Constant(self.constants.len() - 1);
                    self.places.insert(value, place);
                    place
                }
            },
            Source::Output { .. } => self.places[&value],
        };
        Slot { location, ty }
    }
}

/// Offsets are multiples of a cache line, which is also the widest vector.
const ALIGNMENT: usize = 64;

/// The free blocks of an arena that grows as needed. One too large to count is as large as can be: no run gets it.
#[derive(Default)]
struct Arena {
    bytes: usize,
    /// Offset → size; never empty, never adjacent.
    free: BTreeMap<usize, usize>,
    /// (size, offset) of the same blocks.
    by_size: BTreeSet<(usize, usize)>,
}

impl Arena {
    fn allocate(&mut self, bytes: usize) -> usize {
        let bytes = round_up(bytes);
        let best = self.by_size.range((bytes, 0)..).next().map(|&(size, offset)| (offset, size));
        let last = || self.free.last_key_value().map(|(&offset, &size)| (offset, size));
        let (offset, size) =
            match best.or_else(|| last().filter(|(offset, size)| offset + size == self.bytes)) {
                Some((offset, size)) => {
                    self.remove(offset, size);
                    (offset, size)
                }
                None => (self.bytes, 0),
            };
        if size > bytes {
            self.insert(offset + bytes, size - bytes);
        }
        self.bytes = self.bytes.max(offset.saturating_add(bytes));
        offset
    }

    fn free(&mut self, offset: usize, bytes: usize) {
        let (mut offset, mut bytes) = (offset, round_up(bytes));
        if let Some((&before, &size)) = self.free.range(..offset).next_back()
            && before + size == offset
        {
            self.remove(before, size);
            (offset, bytes) = (before, bytes + size);
        }
        if let Some(&size) = self.free.get(&(offset + bytes)) {
            self.remove(offset + bytes, size);
            bytes += size;
        }
        self.insert(offset, bytes);
    }

    fn insert(&mut self, offset: usize, size: usize) {
        self.free.insert(offset, size);
        self.by_size.insert((size, offset));
    }

    fn remove(&mut self, offset: usize, size: usize) {
        self.free.remove(&offset);
        self.by_size.remove(&(size, offset));
    }
}

/// Every block is at least one line, so that two live values never share an offset.
fn round_up(bytes: usize) -> usize {
    bytes.max(1).next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_blocks_merge_and_are_reused() {
        let mut arena = Arena::default();
        let blocks: Vec<usize> = (0..4).map(|_| arena.allocate(100)).collect();
        assert_eq!(blocks, [0, 128, 256, 384]);
        arena.free(128, 100);
        arena.free(256, 100);
        assert_eq!(arena.allocate(200), 128, "the two freed blocks are one");
        arena.free(384, 100);
        assert_eq!(arena.allocate(1000), 384, "the last block grows");
        assert_eq!(arena.bytes, 384 + 1024);
    }
}
