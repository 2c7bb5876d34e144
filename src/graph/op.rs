//! What an op is: everything the engine knows about one kind of node, in one place.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use super::{Attributes, Call, Graph, Properties, Value};
use crate::error::{Error, Result};
use crate::kernels::elementwise::Instruction;
use crate::tensor::TensorType;

pub type OpRef = Arc<dyn Op>;

/// What a run of a node does beside computing its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: where nobody reads the outputs the node is left out, and equal nodes are one.
    None,
    /// It calls code outside the engine, such as a function of Python or an exchange with other machines, which sees the
    /// order of the calls and may fail. Such a node runs exactly once in a step, in the order in which the program
    /// recorded it among its like and among nodes that check data, and before the step writes a variable.
    CallsOut,
}

/// One kind of node with its attributes filled in.
///
/// The `Debug` form must show every attribute: two ops with the same name and the same `Debug` form compute the same
/// thing, and common subexpressions are found by it.
pub trait Op: Any + Debug + Send + Sync {
    /// The name in the registry and in `rustnet.ops`' tables.
    fn name(&self) -> &'static str;

    /// The attributes from which the registry builds this op: [`registry::build`](crate::ops::registry::build) of the name
    /// and these makes an op that computes the same. [`attributes!`](crate::graph::attributes) writes both.
    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    /// The shape rule: the types of the outputs, or why the inputs do not fit.
    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>>;

    /// The gradient rule: one entry an input, `None` where the input has no gradient (an int, a mask).
    /// New nodes are appended to `graph`. Only called where at least one output has a gradient.
    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let _ = (node, graph);
        Err(Error::Configuration(format!("{} has no gradient", self.name())))
    }

    /// False where the outputs count as constants for every gradient, which then is not followed to the inputs.
    fn passes_gradient(&self) -> bool {
        true
    }

    /// Scratch memory that `run` needs, in bytes. It arrives 64-byte aligned and is not cleared.
    fn workspace_bytes(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> usize {
        let _ = (inputs, outputs);
        0
    }

    /// Computes the outputs. Inputs and outputs are contiguous and row-major; outputs are not cleared.
    /// The only errors left at this point are [`Error::Data`], a value out of its domain, and those of an [`Effect`].
    fn run(&self, call: &mut Call<'_>) -> Result<()>;

    /// The instruction that computes one element of output 0 from one element of each (broadcast) input,
    /// for ops that are elementwise. `run` of such an op is never called: it always becomes part of a
    /// fused loop.
    fn instruction(&self, inputs: &[&TensorType]) -> Option<Instruction> {
        let _ = inputs;
        None
    }

    /// What rewrites may know of an op.
    fn properties(&self) -> Properties {
        Properties::NONE
    }

    /// The same op with one more operand, a row (N) that it adds to each row of output 0 (…, N), if there is such an op.
    fn with_bias(&self, inputs: &[&TensorType]) -> Option<OpRef> {
        let _ = inputs;
        None
    }

    /// The same op for an input 0 of shape (rows, N), if each row of output 0, its only output, follows from that row of
    /// input 0 (…, N) and from the other inputs, which are the same for all rows.
    fn on_rows(&self, inputs: &[&TensorType]) -> Option<OpRef> {
        let _ = inputs;
        None
    }

    /// True where output 0 is input 0 under another shape: no kernel runs, the memory is shared.
    fn is_view(&self) -> bool {
        false
    }

    /// True where `run` calls [`Call::epilogue`] on each finished block of output 0, so that an
    /// elementwise chain can run while the block is in cache.
    fn accepts_epilogue(&self) -> bool {
        false
    }

    /// True where `run` reads the rows of this input wherever they lie ([`TensorView::row_list`](super::TensorView)), so
    /// that a batch in shuffled order need not be gathered first.
    fn accepts_row_list(&self, input: usize) -> bool {
        let _ = input;
        false
    }

    /// True where `run` can fail on a value out of its domain.
    fn checks_data(&self) -> bool {
        false
    }

    /// What a run does beside computing the outputs.
    fn effect(&self) -> Effect {
        Effect::None
    }

    /// Whether a run can fail. What can runs before the step writes a variable.
    fn can_fail(&self) -> bool {
        self.checks_data() || self.effect() != Effect::None
    }

    /// Floating-point operations of one run, for the profile.
    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let _ = inputs;
        outputs.iter().map(|ty| ty.size() as u64).sum()
    }
}

/// A node under differentiation.
pub struct Differentiated<'a> {
    pub inputs: &'a [Value],
    pub outputs: &'a [Value],
    /// d loss / d output, one an output; `None` where the loss does not depend on it.
    pub doutputs: &'a [Option<Value>],
    /// Which inputs a gradient is wanted for; the others may be left `None` without computing them.
    pub wanted: &'a [bool],
}

impl Differentiated<'_> {
    /// The gradient of output 0, for ops with a single differentiable output.
    pub fn doutput(&self) -> Value {
        self.doutputs[0].expect("gradient rules run only where an output has a gradient")
    }
}
