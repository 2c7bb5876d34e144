//! A compiled program and how it runs: no allocation and no Python in a step.

use std::iter::once;
use std::ops::Range;
use std::ptr::null;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::buffer::CACHE_LINE;
use super::feed::Argument;
use super::locks::{Guard, Locks};
use super::profile::Profile;
use super::{Arenas, Buffer, Column, Order, Rows, Variable};
use crate::compile::{Assignment, Location, Loop, Plan, Request, Slot, Work, planned, rewritten};
use crate::error::{Error, Result};
use crate::graph::{Call, Effect, TensorView, TensorViewMut};
use crate::kernels::Epilogue;
use crate::kernels::elementwise::Addresses;
use crate::kernels::prefetch::Prefetch;
use crate::kernels::sparse::SparseRows;
use crate::tensor::TensorType;
use crate::threads::{self, PerProcess, whole};
use crate::with_array;

/// A compiled step: from arguments and variables to outputs and updated variables.
///
/// Any number of threads may run it at the same time; each run takes a buffer of its own from the arenas. Variables are
/// locked for the length of a run, so a prediction sees the weights before or after a training step, never within one.
#[derive(Debug)]
pub struct Program {
    pub(super) plan: Plan,
    variables: Vec<Arc<Variable>>,
    locks: Locks,
    /// The steps whose loops read arguments.
    over_arguments: Vec<usize>,
    layout: Layout,
    arenas: Arc<Arenas>,
    /// Where values lie in the buffers of runs that are over, for those that take the same buffers.
    bindings: PerProcess<Mutex<Vec<Binding>>>,
    profile: Option<Profile>,
}

/// Where things lie in the buffer of a run, in bytes: first the arena, then, for the batches of columns, each argument
/// that must be gathered or cast, and room for the nonzero elements of those whose rows are read wherever they lie.
#[derive(Debug, Default)]
struct Layout {
    staged: Vec<usize>,
    sparse: Vec<Range<usize>>,
    bytes: usize,
}

impl Layout {
    fn of(plan: &Plan) -> Result<Self> {
        let mut layout = Self { bytes: plan.arena_bytes, ..Self::default() };
        for (ty, &listed) in plan.inputs.iter().zip(&plan.listed) {
            let staged = layout.add(ty.bytes())?.start;
            layout.staged.push(staged);
            let sparse = if listed { SparseRows::bytes(ty.shape[0], ty.shape[1]) } else { 0 };
            let sparse = layout.add(sparse)?;
            layout.sparse.push(sparse);
        }
        Ok(layout)
    }

    fn add(&mut self, bytes: usize) -> Result<Range<usize>> {
        let start = self.bytes.checked_next_multiple_of(CACHE_LINE);
        let range = start.and_then(|start| Some(start..start.checked_add(bytes)?));
        let range = range.ok_or(Error::OutOfMemory(usize::MAX))?;
        self.bytes = range.end;
        Ok(range)
    }
}

/// What one run has: a buffer, and where values lie in it.
#[derive(Debug)]
struct Workspace {
    buffer: Buffer,
    binding: Binding,
}

/// Where values lie in a buffer.
#[derive(Debug)]
struct Binding {
    /// The buffer's address.
    buffer: *mut u8,
    /// For each step, where its values lie. Those of arguments are found for each run.
    steps: Vec<Bound>,
}

// SAFETY: the addresses are those of the buffer of the run that has the binding, of variables and constants that the
// program keeps, and of arguments, which are found again before they are read.
unsafe impl Send for Binding {}

/// Where what a step reads and writes lies.
#[derive(Debug, Default)]
struct Bound {
    /// The kernel's; null for arguments, which may be lists of rows.
    inputs: Vec<*const u8>,
    outputs: Vec<*mut u8>,
    /// The loop's, or that of the loop in the kernel's epilogue.
    operands: Vec<*const u8>,
    results: Vec<*mut u8>,
}

impl Bound {
    fn bind(&mut self, work: &Work, address: impl Fn(Location) -> *const u8) {
        let body = match work {
            Work::Loop(body) => Some(body),
            Work::Kernel { inputs, outputs, epilogue, .. } => {
                self.inputs.clear();
                self.inputs.extend(inputs.iter().map(|slot| match slot.location {
                    Location::Input(_) => null(),
                    location => address(location),
                }));
                self.outputs.clear();
                self.outputs.extend(outputs.iter().map(|slot| address(slot.location).cast_mut()));
                epilogue.as_ref()
            }
        };
        if let Some(body) = body {
            self.operands.clear();
            self.operands.extend(body.inputs.iter().map(|&location| address(location)));
            self.results.clear();
            self.results.extend(body.outputs.iter().map(|&location| address(location).cast_mut()));
        }
    }
}

/// Whether the step's loop, or the loop in its epilogue, reads an argument.
fn loops_over_argument(work: &Work) -> bool {
    let body = match work {
        Work::Loop(body) => Some(body),
        Work::Kernel { epilogue, .. } => epilogue.as_ref(),
    };
    body.is_some_and(|body| body.inputs.iter().any(|location| matches!(location, Location::Input(_))))
}

/// The batches of one call: consecutive groups of as many rows as the program is for, in the given order. Where all
/// columns are whole, there is one batch.
pub struct Batches<'a> {
    pub columns: &'a [Column],
    /// The order of the rows; `None` for as they lie.
    pub order: Option<&'a Order>,
    pub start: usize,
    pub stop: usize,
    /// Returns after the batch that ends later than this.
    pub time_limit: Duration,
    /// Whether the outputs of all batches are kept, one after the other, or those of the last.
    pub keeps_all: bool,
}

impl Program {
    /// Its runs take their memory from `arenas`.
    pub fn new(request: &Request<'_>, variables: Vec<Arc<Variable>>, arenas: Arc<Arenas>) -> Result<Self> {
        let rewritten = rewritten(request)?;
        let mut plan = planned(&rewritten, &request.inputs)?;
        plan.constants.iter_mut().for_each(|constant| *constant = arenas.shared(constant.clone()));
        let copied = plan.copies.iter().map(|copy| copy.variable);
        let locks = Locks::new(&variables, plan.written.iter().copied().chain(copied));
        let over_arguments =
            (0..plan.steps.len()).filter(|&step| loops_over_argument(&plan.steps[step].work)).collect();
        let profile = Profile::requested(&rewritten.graph, &plan.steps);
        let layout = Layout::of(&plan)?;
        let bindings = PerProcess::new();
        Ok(Self { plan, variables, locks, over_arguments, layout, arenas, bindings, profile })
    }

    pub fn input_types(&self) -> &[TensorType] {
        &self.plan.inputs
    }

    pub fn output_types(&self) -> impl Iterator<Item = &TensorType> {
        self.plan.outputs.iter().map(|slot| &slot.ty)
    }

    pub fn arena_bytes(&self) -> usize {
        self.plan.arena_bytes
    }

    /// Runs once on whole arguments.
    ///
    /// # Safety
    /// `arguments` and `outputs` point to contiguous tensors of [`Program::input_types`] and
    /// [`Program::output_types`], aligned, initialised and untouched by others meanwhile.
    pub unsafe fn run(&self, arguments: &[*const u8], outputs: &[*mut u8]) -> Result<()> {
        assert_eq!((arguments.len(), outputs.len()), (self.plan.inputs.len(), self.plan.outputs.len()));
        let guards = self.lock()?;
        let mut workspace = self.take_workspace(self.plan.arena_bytes)?;
        let _flushed = threads::FlushDenormals::new();
        let arguments: Vec<Argument<'_>> = arguments.iter().copied().map(Argument::whole).collect();
        let outputs = outputs.iter().copied();
        // SAFETY: arguments and outputs are as the caller promises, the variables are locked.
        let result = unsafe { self.run_step(&arguments, &mut workspace, &mut Vec::new(), None, outputs) };
        drop(guards);
        self.put_workspace(workspace);
        result
    }

    /// Runs every whole batch between `start` and `stop` until `time_limit` is over, and returns the next row.
    ///
    /// `outputs` may be empty where only the updates matter. On an error the variables are as of the last whole batch.
    ///
    /// # Safety
    /// The columns are readable; each of `outputs` points to writable memory for as many of the program's outputs as there
    /// are batches to keep them of.
    pub unsafe fn run_batches(&self, batches: &Batches<'_>, outputs: &[*mut u8]) -> Result<usize> {
        let size = self.batch_size(batches)?;
        let began = Instant::now();
        let guards = self.lock()?;
        let mut workspace = self.take_workspace(self.layout.bytes)?;
        let _flushed = threads::FlushDenormals::new();
        let mut views = Vec::new();
        let mut arguments = Vec::with_capacity(batches.columns.len());
        let far = self.far_column(batches, size);
        let order = batches.order.map(Order::rows);
        let mut row = batches.start;
        let mut result = Ok(());
        while row + size <= batches.stop {
            let rows = match order {
                None => Rows::Range { first: row, count: size },
                Some(order) => Rows::Listed(&order[row..row + size]),
            };
            let prefetch = far.filter(|_| row + 2 * size <= batches.stop).zip(order);
            let prefetch =
                prefetch.map(|(column, order)| column.prefetch(&order[row + size..row + 2 * size]));
            // SAFETY: `batch_size` checked that all rows exist and fit the arguments.
            result = unsafe { self.assemble(batches.columns, rows, &workspace.buffer, &mut arguments) };
            if result.is_ok() {
                let kept = if batches.keeps_all { (row - batches.start) / size } else { 0 };
                // SAFETY: outputs have room for those of all whole batches up to `stop`, or of one.
                let target =
                    |(output, slot): (&*mut u8, &Slot)| unsafe { output.add(kept * slot.ty.bytes()) };
                let targets = outputs.iter().zip(&self.plan.outputs).map(target);
                let prefetch = prefetch.as_ref();
                // SAFETY: the arguments are assembled, the variables are locked, the outputs have room.
                result = unsafe { self.run_step(&arguments, &mut workspace, &mut views, prefetch, targets) };
            }
            if result.is_err() {
                break;
            }
            row += size;
            if began.elapsed() >= batches.time_limit {
                break;
            }
        }
        drop(guards);
        self.put_workspace(workspace);
        result.map(|()| row)
    }

    /// The number of rows of one batch, once columns and order are found to fit the program.
    pub fn batch_size(&self, batches: &Batches<'_>) -> Result<usize> {
        let wrong = |expected: &str, received: String| {
            Err(Error::Shape(format!("expected {expected}. Received: {received}")))
        };
        let Batches { columns, start, stop, .. } = *batches;
        let inputs = &self.plan.inputs;
        if columns.len() != inputs.len() {
            return wrong(&format!("{} columns", inputs.len()), columns.len().to_string());
        }
        if start > stop {
            return wrong("rows up to an end", format!("rows={start}..{stop}"));
        }
        for (column, ty) in columns.iter().zip(inputs) {
            if column.is_whole() && !column.fits(ty) {
                return wrong(
                    &format!("an argument of {ty}"),
                    format!("{} rows of shape {:?}", column.rows(), column.row_shape()),
                );
            }
            if !column.is_whole() && ty.shape.first().is_none_or(|&size| size == 0) {
                return wrong("a batch axis of 1 or more", format!("an input of {ty}"));
            }
            if !column.fits(ty) {
                return wrong(
                    &format!("rows of shape {:?}", &ty.shape[1..]),
                    format!("{:?}", column.row_shape()),
                );
            }
        }
        let of_rows = || columns.iter().zip(inputs).filter(|(column, _)| !column.is_whole());
        let size = of_rows().next().map_or(stop - start, |(_, ty)| ty.shape[0]);
        if size == 0 {
            return wrong("a batch", format!("rows={start}..{stop}"));
        }
        let needed = match batches.order {
            None => stop,
            Some(order) if stop > order.rows().len() => {
                return wrong("an order of all rows", format!("{} rows", order.rows().len()));
            }
            Some(order) => order.needed(),
        };
        for (column, ty) in of_rows() {
            if ty.shape[0] != size {
                return wrong(&format!("{size} rows everywhere"), ty.to_string());
            }
            if needed > column.rows() {
                return wrong(&format!("a column of {needed} rows"), format!("{} rows", column.rows()));
            }
        }
        Ok(size)
    }

    /// The column of which batches of `size` rows are worth asking for before they are gathered: the widest that is.
    fn far_column<'a>(&self, batches: &Batches<'a>, size: usize) -> Option<&'a Column> {
        let columns = batches.columns.iter().zip(&self.plan.listed).filter(|(_, listed)| !**listed);
        columns
            .map(|(column, _)| column)
            .filter(|column| !column.is_whole())
            .max_by_key(|column| column.row_bytes())
            .filter(|column| column.is_far(size))
    }

    /// Makes the batch's arguments: pointers into the columns where the rows lie ready, else gathered copies.
    ///
    /// # Safety
    /// The rows exist in all the columns, which fit the program's arguments.
    unsafe fn assemble<'a>(
        &self,
        columns: &[Column],
        rows: Rows<'a>,
        buffer: &Buffer,
        arguments: &mut Vec<Argument<'a>>,
    ) -> Result<()> {
        arguments.clear();
        for (index, (column, ty)) in columns.iter().zip(&self.plan.inputs).enumerate() {
            let rows = column.rows_of(rows);
            let listed = self.plan.listed[index];
            let in_place = || column.in_place(rows, ty).map(Argument::whole);
            let argument = in_place().or_else(|| if listed { column.listed(rows, ty) } else { None });
            let mut argument = match argument {
                Some(argument) => argument,
                None => {
                    // SAFETY: the buffer is this run's, and the layout leaves the argument's size there.
                    let target = unsafe {
                        let target = buffer.as_ptr().add(self.layout.staged[index]);
                        column.gather(rows, ty, target)?;
                        target
                    };
                    Argument::whole(target)
                }
            };
            if listed {
                let Range { start, end } = self.layout.sparse[index];
                // SAFETY: as above; the memory changes only when the next arguments are made.
                let memory =
                    unsafe { std::slice::from_raw_parts_mut(buffer.as_ptr().add(start), end - start) };
                argument.sparse = column.collect_sparse(rows, ty, memory);
            }
            arguments.push(argument);
        }
        Ok(())
    }

    /// Runs all steps, copies each output to its target, and leaves the variables with their new content; or as they were,
    /// where it fails. `views` is memory for those of the kernel that runs, kept from step to step.
    ///
    /// # Safety
    /// The arguments are as in [`Program::run`], each target has room for its output, and [`Program::lock`] keeps the
    /// variables.
    unsafe fn run_step<'a>(
        &'a self,
        arguments: &[Argument<'a>],
        workspace: &mut Workspace,
        views: &mut Vec<TensorView<'a>>,
        prefetch: Option<&Prefetch<'_>>,
        targets: impl Iterator<Item = *mut u8>,
    ) -> Result<()> {
        let Workspace { buffer, binding } = workspace;
        for &index in &self.over_arguments {
            binding.steps[index]
                .bind(&self.plan.steps[index].work, |location| self.address(location, buffer, arguments));
        }
        let (calling_out, all) = (self.plan.calling_out, self.plan.steps.len());
        // SAFETY: as the caller promises. These write no variable, and what they call may fork.
        unsafe { self.run_range(0..calling_out, arguments, workspace, views, prefetch)? };
        let _guards = self.lock_end();
        whole(|| {
            // SAFETY: as the caller promises.
            unsafe { self.run_range(calling_out..all, arguments, workspace, views, prefetch)? };
            for (slot, target) in self.plan.outputs.iter().zip(targets) {
                let source = self.address(slot.location, &workspace.buffer, arguments);
                // SAFETY: both hold a tensor of the slot's type.
                unsafe { std::ptr::copy_nonoverlapping(source, target, slot.ty.bytes()) };
            }
            // SAFETY: all steps have run.
            unsafe { self.commit(arguments, &workspace.buffer) };
            Ok(())
        })
    }

    /// Runs some of the steps. The last ones write variables; [`Program::commit`] writes the rest.
    ///
    /// # Safety
    /// As [`Program::run_step`], which has bound the arguments; the steps before have run.
    unsafe fn run_range<'a>(
        &'a self,
        range: Range<usize>,
        arguments: &[Argument<'a>],
        workspace: &Workspace,
        views: &mut Vec<TensorView<'a>>,
        prefetch: Option<&Prefetch<'_>>,
    ) -> Result<()> {
        let Workspace { buffer, binding } = workspace;
        for index in range {
            let (step, bound) = (&self.plan.steps[index], &binding.steps[index]);
            let began = self.profile.as_ref().map(|_| Instant::now());
            match &step.work {
                Work::Loop(body) => run_loop(body, &bound.operands, &bound.results),
                Work::Kernel { op, inputs, outputs, workspace, workspace_bytes, epilogue, read_last } => {
                    views.clear();
                    for (Slot { location, ty }, &address) in inputs.iter().zip(&bound.inputs) {
                        match *location {
                            Location::Input(index) => {
                                let Argument { data, rows, sparse } = arguments[index];
                                // SAFETY: an argument is of its type; a list is of rows of its column.
                                views.push(unsafe { TensorView::of_rows(data, ty, rows, sparse) });
                            }
                            // SAFETY: the plan gives every value memory of its type while it lives.
                            _ => views.push(unsafe { TensorView::new(address, ty) }),
                        }
                    }
                    // SAFETY: the plan reserves these bytes of the arena for this step.
                    let workspace = unsafe {
                        std::slice::from_raw_parts_mut(buffer.as_ptr().add(*workspace), *workspace_bytes)
                    };
                    let pointers = Pointers { operands: bound.operands[..].into(), results: &bound.results };
                    let tail = epilogue.as_ref().map(|body| {
                        let columns = outputs[0].ty.shape.last().copied().unwrap_or(1);
                        Tail { body, pointers, columns, read_last: *read_last }
                    });
                    let view = |index: usize| {
                        let last = index.min(outputs.len() - 1);
                        // SAFETY: as above, and a kernel's outputs share memory with nothing that is alive; views
                        // past the last one are not handed to the kernel.
                        unsafe { TensorViewMut::new(bound.outputs[last], &outputs[last].ty) }
                    };
                    // Plain arrays, which need no allocation, but for ops that call out: these may have more outputs.
                    let (mut one, mut several, mut any): ([_; 1], [_; MAX_OUTPUTS], Vec<_>);
                    let views_mut = match outputs.len() {
                        1 => {
                            one = [view(0)];
                            &mut one[..]
                        }
                        count @ 2..=MAX_OUTPUTS => {
                            several = std::array::from_fn(view);
                            &mut several[..count]
                        }
                        count => {
                            any = (0..count).map(view).collect();
                            &mut any[..]
                        }
                    };
                    let mut call = Call {
                        inputs: views,
                        outputs: views_mut,
                        workspace,
                        epilogue: tail.as_ref().map(|tail| tail as &dyn Epilogue),
                        prefetch,
                    };
                    let result = match op.effect() {
                        Effect::None => op.run(&mut call),
                        Effect::CallsOut => threads::call_out(|| op.run(&mut call)),
                    };
                    result.map_err(|error| error.within(&step.scope))?;
                }
            }
            if let (Some(profile), Some(began)) = (&self.profile, began) {
                profile.add(index, began.elapsed());
            }
        }
        Ok(())
    }

    /// Writes to the variables what no step wrote in place: the end of the step.
    ///
    /// # Safety
    /// As [`Program::run_range`], which has run all steps.
    unsafe fn commit(&self, arguments: &[Argument<'_>], buffer: &Buffer) {
        let copy = |from: Location, to: Location, bytes: usize| {
            let source = self.address(from, buffer, arguments);
            let target = self.address(to, buffer, arguments).cast_mut();
            // SAFETY: the plan gives both places the same size; a variable may be assigned to itself.
            unsafe { std::ptr::copy(source, target, bytes) };
        };
        for Assignment { from, kept, .. } in &self.plan.copies {
            if let Some(offset) = kept {
                copy(from.location, Location::Arena(*offset), from.ty.bytes());
            }
        }
        for Assignment { from, variable, kept } in &self.plan.copies {
            let source = kept.map_or(from.location, Location::Arena);
            copy(source, Location::Variable(*variable), from.ty.bytes());
        }
    }

    fn address(&self, location: Location, buffer: &Buffer, arguments: &[Argument<'_>]) -> *const u8 {
        match location {
            // SAFETY: the plan's offsets lie within the arena, with which the buffer starts.
            Location::Arena(offset) => unsafe { buffer.as_ptr().add(offset) },
            Location::Input(index) => {
                let Argument { data, rows, .. } = arguments[index];
                assert!(rows.is_none(), "the plan lists rows only for ops that accept lists");
                data
            }
            Location::Variable(index) => self.variables[index].address(),
            Location::Constant(index) => {
                with_array!(&*self.plan.constants[index], array => array.as_ptr().cast())
            }
        }
    }

    /// What keeps the variables for a run.
    fn lock(&self) -> Result<Vec<Guard<'_>>> {
        if self.plan.calling_out == 0 { self.locks.lock() } else { self.locks.hold() }
    }

    /// What keeps them for the end of a step, once it calls out no more.
    fn lock_end(&self) -> Vec<Guard<'_>> {
        if self.plan.calling_out == 0 { Vec::new() } else { self.locks.lock_held() }
    }

    /// A buffer of at least so many bytes, with the addresses of values in it.
    fn take_workspace(&self, bytes: usize) -> Result<Workspace> {
        let buffer = self.arenas.take(bytes)?;
        let kept = {
            let mut kept = self.bindings.get().lock().unwrap_or_else(PoisonError::into_inner);
            let same = kept.iter().position(|binding| binding.buffer == buffer.as_ptr());
            same.or(kept.len().checked_sub(1)).map(|index| kept.swap_remove(index))
        };
        let steps = match kept {
            Some(binding) if binding.buffer == buffer.as_ptr() => return Ok(Workspace { buffer, binding }),
            Some(binding) => binding.steps,
            None => self.plan.steps.iter().map(|_| Bound::default()).collect(),
        };
        let mut binding = Binding { buffer: buffer.as_ptr(), steps };
        let nowhere = vec![Argument::whole(null()); self.plan.inputs.len()];
        for (step, bound) in self.plan.steps.iter().zip(&mut binding.steps) {
            bound.bind(&step.work, |location| self.address(location, &buffer, &nowhere));
        }
        Ok(Workspace { buffer, binding })
    }

    /// The addresses of the buffers that idle bindings are for.
    #[cfg(test)]
    pub(super) fn bound_to(&self) -> Vec<usize> {
        let kept = self.bindings.get().lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|binding| binding.buffer.addr()).collect()
    }

    fn put_workspace(&self, workspace: Workspace) {
        self.bindings.get().lock().unwrap_or_else(PoisonError::into_inner).push(workspace.binding);
        self.arenas.put(workspace.buffer);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(profile) = &self.profile {
            profile.print(&self.plan.steps);
        }
    }
}

/// What a loop reads and writes.
#[derive(Clone, Copy)]
struct Pointers<'a> {
    operands: Addresses<'a>,
    results: &'a [*mut u8],
}

// SAFETY: threads run disjoint ranges of the loop, and the instruction sequence's contract covers the rest.
unsafe impl Sync for Pointers<'_> {}

impl Pointers<'_> {
    fn run(&self, body: &Loop, ranges: impl Iterator<Item = Range<usize>>) {
        // SAFETY: the plan places operands and results of the loop's size, and a result over an operand only
        // where that is addressed element by element.
        unsafe { body.sequence.run(self.operands, self.results, ranges) }
    }
}

/// The loop that follows a kernel, block by block.
struct Tail<'a> {
    body: &'a Loop,
    pointers: Pointers<'a>,
    /// Of the matrix that the kernel's output, and the loop's elements, are seen as.
    columns: usize,
    read_last: Option<usize>,
}

impl Tail<'_> {
    fn run(&self, pointers: Pointers<'_>, rows: Range<usize>, columns: Range<usize>) {
        if columns.len() == self.columns {
            pointers.run(self.body, once(rows.start * self.columns..rows.end * self.columns));
        } else {
            let of_row = |row| row * self.columns + columns.start..row * self.columns + columns.end;
            pointers.run(self.body, rows.map(of_row));
        }
    }
}

impl Epilogue for Tail<'_> {
    fn finish(&self, rows: Range<usize>, columns: Range<usize>) {
        self.run(self.pointers, rows, columns);
    }

    fn reads_last(&self) -> bool {
        self.read_last.is_some()
    }

    unsafe fn finish_elsewhere(&self, output: *const u8, rows: Range<usize>, columns: Range<usize>) {
        let moved = self.read_last.map(|operand| (operand, output));
        let operands = Addresses { moved, ..self.pointers.operands };
        self.run(Pointers { operands, ..self.pointers }, rows, columns);
    }
}

/// Ops of the engine's own have no more outputs.
const MAX_OUTPUTS: usize = 8;

/// Elements that one part of a loop handles: enough to pay for handing it out.
const LOOP_PART: usize = 1 << 14;

fn run_loop(body: &Loop, operands: &[*const u8], results: &[*mut u8]) {
    let pointers = Pointers { operands: operands.into(), results };
    threads::for_each_part(body.size.div_ceil(LOOP_PART), body.sequence.work(body.size), &|part| {
        pointers.run(body, once(part * LOOP_PART..((part + 1) * LOOP_PART).min(body.size)));
    });
}
