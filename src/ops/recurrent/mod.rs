//! Recurrent layers: `simple_rnn`, `gru` and `lstm` over whole sequences, and their gradients.
//!
//! Inputs: x (B, T, I), kernel (I, G·H), recurrent_kernel (H, G·H), bias, h0 (B, H), for an LSTM also c0 (B, H); then,
//! where `has_mask`, mask (B, T) bool, false where a timestep is skipped; then, where `recurrent_dropout` is above 0,
//! keep (B, G, H) bool, false where a gate does not see a unit of h_{t-1}. G is 1, 3 or 4, with the gates in Keras's
//! order. bias is (G·H), or (2, G·H) for a GRU whose reset gate comes after the product.
//!
//! Where sequences are made of rows of a table, `compile/rules/gathered_recurrence.rs` gives the op ids (B, T) int32 in 0..V instead of x,
//! and table·kernel (V, G·H) instead of kernel.
//!
//! Outputs: sequence (B, T, H) in the order of processing, last_h (B, H), for an LSTM also last_c (B, H); then, where
//! `training`, what the gradient needs: gates (B·T, G·H) and saved (B·T, S·H), laid out as the kernel likes.

mod backward;
mod forward;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Attributes, Op, OpRef, TensorView};
use crate::kernels::recurrent::{
    Activation, Cell, Dropout, Gru, Lstm, Options, Projection, SimpleRnn, Sizes, Smooth, divides_units,
};
use crate::ops::entry::Entry;
use crate::tensor::{DType, TensorType};
use backward::RecurrentBackward;

pub const OPS: &[Entry] = &[
    Entry { name: "simple_rnn", build: |attributes| build(Kind::SimpleRnn, attributes) },
    Entry { name: "gru", build: |attributes| build(Kind::gru(attributes)?, attributes) },
    Entry { name: "lstm", build: |attributes| build(Kind::Lstm, attributes) },
    Entry { name: "simple_rnn_backward", build: |attributes| build_backward(Kind::SimpleRnn, attributes) },
    Entry { name: "gru_backward", build: |attributes| build_backward(Kind::gru(attributes)?, attributes) },
    Entry { name: "lstm_backward", build: |attributes| build_backward(Kind::Lstm, attributes) },
];

/// Which cell runs over the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SimpleRnn,
    Gru { reset_after: bool },
    Lstm,
}

impl Kind {
    fn gru(attributes: &Attributes) -> Result<Self> {
        Ok(Self::Gru { reset_after: attributes.bool("reset_after")? })
    }

    fn gates(self) -> usize {
        match self {
            Self::SimpleRnn => 1,
            Self::Gru { .. } => 3,
            Self::Lstm => 4,
        }
    }

    fn saved(self) -> usize {
        match self {
            Self::SimpleRnn | Self::Gru { reset_after: false } => 0,
            Self::Gru { reset_after: true } | Self::Lstm => 1,
        }
    }

    fn has_carry(self) -> bool {
        self == Self::Lstm
    }

    fn bias_shape(self, units: usize) -> Vec<usize> {
        match self {
            Self::Gru { reset_after: true } => vec![2, self.gates() * units],
            _ => vec![self.gates() * units],
        }
    }
}

/// A recurrent layer.
#[derive(Debug, Clone, PartialEq)]
struct Recurrent {
    kind: Kind,
    activation: Activation,
    /// The gates' activation; a simple RNN has none.
    recurrent_activation: Activation,
    go_backwards: bool,
    /// Keep what the gradient needs.
    training: bool,
    has_mask: bool,
    /// The rate, 0 for none.
    recurrent_dropout: f64,
    /// Ids and rows of table·kernel instead of x and kernel.
    from_rows: bool,
}

const ATTRIBUTES: &[&str] = &[
    "activation",
    "recurrent_activation",
    "reset_after",
    "go_backwards",
    "training",
    "has_mask",
    "recurrent_dropout",
];
const BACKWARD_ATTRIBUTES: &[&str] = &["has_dsequence", "has_dlast_h", "has_dlast_c", "wants_dx"];

fn build(kind: Kind, attributes: &Attributes) -> Result<OpRef> {
    attributes.only(ATTRIBUTES)?;
    Ok(Arc::new(Recurrent::from_attributes(kind, attributes)?))
}

fn build_backward(kind: Kind, attributes: &Attributes) -> Result<OpRef> {
    attributes.only(&[ATTRIBUTES, BACKWARD_ATTRIBUTES].concat())?;
    Ok(Arc::new(RecurrentBackward {
        layer: Recurrent::from_attributes(kind, attributes)?,
        has_dsequence: attributes.bool("has_dsequence")?,
        has_dlast_h: attributes.bool("has_dlast_h")?,
        has_dlast_c: attributes.bool("has_dlast_c")?,
        wants_dx: attributes.bool("wants_dx")?,
    }))
}

/// The same layer, or gradient of one, of sequences that are given as ids and rows of table·kernel, if `op` is one of x
/// and kernel. Predictions for a few sequences are divided by units, for which there is no such form.
pub fn from_rows(op: &dyn Op, inputs: &[&TensorType]) -> Option<OpRef> {
    let op = op as &dyn Any;
    let of_rows =
        |layer: &Recurrent| (!layer.from_rows).then(|| Recurrent { from_rows: true, ..layer.clone() });
    if let Some(layer) = op.downcast_ref::<Recurrent>() {
        let sizes = layer.sizes(inputs[0], inputs[2]);
        let (cell, dropout) = (layer.cell::<f32>(&[]), layer.has_dropout());
        let is_divided = divides_units(cell.get(), sizes, dropout, layer.training);
        return if is_divided { None } else { Some(Arc::new(of_rows(layer)?)) };
    }
    let backward = op.downcast_ref::<RecurrentBackward>()?;
    Some(Arc::new(RecurrentBackward {
        layer: of_rows(&backward.layer)?,
        wants_dx: false,
        ..backward.clone()
    }))
}

/// Whether `op` gives dx, as its last output, if it is the gradient of a recurrent layer.
pub fn wants_dx(op: &dyn Op) -> Option<bool> {
    (op as &dyn Any).downcast_ref::<RecurrentBackward>().map(|backward| backward.wants_dx)
}

impl Recurrent {
    /// What [`Recurrent::from_attributes`] reads, and what rewrites add.
    fn listed_attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.list("activation", &self.activation.name().to_owned());
        match self.kind {
            Kind::SimpleRnn => {}
            Kind::Gru { reset_after } => attributes.list("reset_after", &reset_after),
            Kind::Lstm => {}
        }
        if self.kind != Kind::SimpleRnn {
            attributes.list("recurrent_activation", &self.recurrent_activation.name().to_owned());
        }
        attributes.list("go_backwards", &self.go_backwards);
        attributes.list("training", &self.training);
        attributes.list("has_mask", &self.has_mask);
        attributes.list("recurrent_dropout", &self.recurrent_dropout);
        if self.from_rows {
            attributes.list("from_rows", &true);
        }
        attributes
    }

    fn from_attributes(kind: Kind, attributes: &Attributes) -> Result<Self> {
        let recurrent_dropout = attributes.float("recurrent_dropout")?;
        if !(0.0..1.0).contains(&recurrent_dropout) {
            return Err(Error::Configuration(format!(
                "expected a rate of 0 or more and less than 1. Received: recurrent_dropout={recurrent_dropout}"
            )));
        }
        Ok(Self {
            kind,
            activation: Activation::from_name(attributes.string("activation")?)?,
            recurrent_activation: match kind {
                Kind::SimpleRnn => Activation::Linear,
                _ => Activation::from_name(attributes.string("recurrent_activation")?)?,
            },
            go_backwards: attributes.bool("go_backwards")?,
            training: attributes.bool("training")?,
            has_mask: attributes.bool("has_mask")?,
            recurrent_dropout,
            from_rows: false,
        })
    }

    fn has_dropout(&self) -> bool {
        self.recurrent_dropout > 0.0
    }

    /// The cell; `recurrent_bias` is the second row of a GRU's bias.
    fn cell<'a, T: Smooth>(&self, recurrent_bias: &'a [T]) -> AnyCell<'a, T> {
        let Self { activation, recurrent_activation, .. } = *self;
        match self.kind {
            Kind::SimpleRnn => AnyCell::SimpleRnn(SimpleRnn { activation }),
            Kind::Gru { reset_after } => AnyCell::Gru(Gru {
                activation,
                recurrent_activation,
                reset_after: reset_after.then_some(recurrent_bias),
            }),
            Kind::Lstm => AnyCell::Lstm(Lstm { activation, recurrent_activation }),
        }
    }

    /// The options, given the mask and keep where the layer has them.
    fn options<'a>(&self, mask: Option<&'a [u8]>, keep: Option<&'a [u8]>) -> Options<'a> {
        Options {
            go_backwards: self.go_backwards,
            mask,
            recurrent_dropout: keep.map(|keep| Dropout { keep, rate: self.recurrent_dropout }),
        }
    }

    /// Names and types of the inputs, which follow from x or the ids, the recurrent kernel, and the rows of a table.
    fn input_types(&self, inputs: &[&TensorType]) -> Result<Vec<(&'static str, TensorType)>> {
        let x_rank = if self.from_rows { 2 } else { 3 };
        let (x, kernel, recurrent_kernel) = match inputs {
            [x, kernel, recurrent_kernel, ..]
                if x.rank() == x_rank && kernel.rank() == 2 && recurrent_kernel.rank() == 2 =>
            {
                (x, kernel, recurrent_kernel)
            }
            _ => {
                let received: Vec<String> = inputs.iter().map(ToString::to_string).collect();
                return Err(Error::Shape(format!(
                    "expected x (batch, timesteps, features), kernel (features, columns), recurrent_kernel \
                     (units, columns), bias and states. Received: {}",
                    received.join(", ")
                )));
            }
        };
        let dtype = if self.from_rows { kernel.dtype } else { x.dtype };
        if !dtype.is_float() {
            return Err(Error::Shape(format!("expected x to be float32 or float64. Received: x={x}")));
        }
        let sizes = self.sizes(x, recurrent_kernel);
        let Sizes { batch, steps, inputs, units } = sizes;
        if steps == 0 || units == 0 {
            return Err(Error::Shape(format!(
                "expected at least one timestep and one unit. Received: x={x}, recurrent_kernel={recurrent_kernel}"
            )));
        }
        let gates = self.kind.gates();
        let columns = gates * units;
        let float = |shape: &[usize]| TensorType::new(dtype, shape);
        let [x, kernel] = match self.from_rows {
            true => [
                ("ids", TensorType::new(DType::I32, &*x.shape)),
                ("table", float(&[kernel.shape[0], columns])),
            ],
            false => [("x", (*x).clone()), ("kernel", float(&[inputs, columns]))],
        };
        let mut types = vec![
            x,
            kernel,
            ("recurrent_kernel", float(&[units, columns])),
            ("bias", float(&self.kind.bias_shape(units))),
            ("h0", float(&[batch, units])),
        ];
        if self.kind.has_carry() {
            types.push(("c0", float(&[batch, units])));
        }
        if self.has_mask {
            types.push(("mask", TensorType::new(DType::Bool, [batch, steps])));
        }
        if self.has_dropout() {
            types.push(("keep", TensorType::new(DType::Bool, [batch, gates, units])));
        }
        Ok(types)
    }

    fn sizes(&self, x: &TensorType, recurrent_kernel: &TensorType) -> Sizes {
        let inputs = if self.from_rows { 0 } else { x.shape[2] };
        Sizes { batch: x.shape[0], steps: x.shape[1], inputs, units: recurrent_kernel.shape[0] }
    }

    /// The first two inputs, as the kernels want them.
    fn projection<'a, T: Smooth>(&self, inputs: &[TensorView<'a>]) -> Projection<'a, T> {
        match self.from_rows {
            true => Projection::Rows { table: inputs[1].slice(), ids: inputs[0].slice() },
            false => Projection::Product { x: inputs[0].slice(), kernel: inputs[1].slice() },
        }
    }

    /// Types of the outputs with `training`; without it the last two are left out.
    fn all_output_types(&self, sizes: Sizes, dtype: DType) -> Vec<TensorType> {
        let Sizes { batch, steps, units, .. } = sizes;
        let float = |shape: &[usize]| TensorType::new(dtype, shape);
        let mut types = vec![float(&[batch, steps, units]), float(&[batch, units])];
        if self.kind.has_carry() {
            types.push(float(&[batch, units]));
        }
        types.push(float(&[batch * steps, self.kind.gates() * units]));
        types.push(float(&[batch * steps, self.kind.saved() * units]));
        types
    }
}

/// Fails where `received` differs from the named types.
fn check_types(expected: &[(&'static str, TensorType)], received: &[&TensorType]) -> Result<()> {
    if expected.len() != received.len() {
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        return Err(Error::Shape(format!(
            "expected {} inputs: {}. Received: {}",
            expected.len(),
            names.join(", "),
            received.len()
        )));
    }
    match expected.iter().zip(received).find(|((_, expected), received)| expected != **received) {
        None => Ok(()),
        Some(((name, expected), received)) => {
            Err(Error::Shape(format!("expected {name} to be {expected}. Received: {name}={received}")))
        }
    }
}

enum AnyCell<'a, T> {
    SimpleRnn(SimpleRnn),
    Gru(Gru<'a, T>),
    Lstm(Lstm),
}

impl<'a, T: Smooth> AnyCell<'a, T> {
    fn get(&self) -> &(dyn Cell<T> + 'a) {
        match self {
            Self::SimpleRnn(cell) => cell,
            Self::Gru(cell) => cell,
            Self::Lstm(cell) => cell,
        }
    }
}
