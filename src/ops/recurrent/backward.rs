//! The gradient of a recurrent layer with respect to all that it reads.

use super::{Kind, Recurrent, check_types};
use crate::error::Result;
use crate::graph::{Attributes, Call, Op};
use crate::kernels::recurrent::{
    Backward, Gradients, ProjectionGradient, Sizes, Smooth, Wanted, backward, backward_workspace,
};
use crate::tensor::{DType, TensorType};

/// Inputs: those of the layer but the bias; sequence, gates and saved, as the layer wrote them with `training`; the
/// gradients of its results that exist. Outputs: dkernel, or the gradient of table·kernel; drecurrent_kernel, dbias, dh0,
/// dc0 of an LSTM, and dx where it is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct RecurrentBackward {
    pub(super) layer: Recurrent,
    pub has_dsequence: bool,
    pub has_dlast_h: bool,
    pub has_dlast_c: bool,
    pub wants_dx: bool,
}

impl RecurrentBackward {
    fn input_types(&self, inputs: &[&TensorType]) -> Result<Vec<(&'static str, TensorType)>> {
        let layer = &self.layer;
        let mut types = layer.input_types(inputs)?;
        types.remove(3);
        let results = layer.all_output_types(layer.sizes(inputs[0], inputs[2]), inputs[1].dtype);
        let [sequence, state, .., gates, saved] = &results[..] else {
            unreachable!("a recurrent layer has at least four outputs")
        };
        types.extend([("sequence", sequence.clone()), ("gates", gates.clone()), ("saved", saved.clone())]);
        let gradients = [
            (self.has_dsequence, "dsequence", sequence),
            (self.has_dlast_h, "dlast_h", state),
            (self.has_dlast_c, "dlast_c", state),
        ];
        types.extend(gradients.into_iter().filter(|(has, ..)| *has).map(|(_, name, ty)| (name, ty.clone())));
        Ok(types)
    }

    fn run_as<T: Smooth>(&self, call: &mut Call<'_>) {
        let layer = &self.layer;
        let inputs = call.inputs;
        let sizes = layer.sizes(inputs[0].tensor_type(), inputs[2].tensor_type());
        let mut rest = inputs[3..].iter();
        let mut next =
            |present: bool| present.then(|| rest.next().expect("the shape rule counted the inputs"));
        let h0 = next(true).map_or(&[][..], |view| view.slice());
        let c0 = next(layer.kind.has_carry()).map_or(&[][..], |view| view.slice());
        let mask = next(layer.has_mask).map(|view| view.slice());
        let keep = next(layer.has_dropout()).map(|view| view.slice());
        let mut kept = || next(true).map_or(&[][..], |view| view.slice());
        let (sequence, gates, saved) = (kept(), kept(), kept());
        let problem = Backward {
            sizes,
            options: layer.options(mask, keep),
            projection: layer.projection(inputs),
            recurrent_kernel: inputs[2].slice(),
            h0,
            c0,
            sequence,
            gates,
            saved,
            dsequence: next(self.has_dsequence).map(|view| view.slice()),
            dlast_h: next(self.has_dlast_h).map(|view| view.slice()),
            dlast_c: next(self.has_dlast_c).map(|view| view.slice()),
        };

        let mut rest = call.outputs.iter_mut().map(|view| view.slice::<T>());
        let mut next = || rest.next().expect("the shape rule counted the outputs");
        let first = next();
        let (drecurrent_kernel, dbias, dh0) = (next(), next(), next());
        let dc0 = if layer.kind.has_carry() { next() } else { &mut [] };
        let projection = match layer.from_rows {
            true => ProjectionGradient::Rows { dtable: first },
            false => ProjectionGradient::Product { dkernel: first, dx: self.wants_dx.then(next) },
        };
        let gradients = Gradients { projection, drecurrent_kernel, dbias, dh0, dc0 };
        backward(layer.cell(&[]).get(), problem, gradients, call.workspace);
    }
}

impl Op for RecurrentBackward {
    fn name(&self) -> &'static str {
        match self.layer.kind {
            Kind::SimpleRnn => "simple_rnn_backward",
            Kind::Gru { .. } => "gru_backward",
            Kind::Lstm => "lstm_backward",
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = self.layer.listed_attributes();
        attributes.list("has_dsequence", &self.has_dsequence);
        attributes.list("has_dlast_h", &self.has_dlast_h);
        attributes.list("has_dlast_c", &self.has_dlast_c);
        attributes.list("wants_dx", &self.wants_dx);
        attributes
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        check_types(&self.input_types(inputs)?, inputs)?;
        let layer = &self.layer;
        let Sizes { batch, units, .. } = layer.sizes(inputs[0], inputs[2]);
        let state = TensorType::new(inputs[1].dtype, [batch, units]);
        let bias = TensorType::new(inputs[1].dtype, layer.kind.bias_shape(units));
        let mut types = vec![inputs[1].clone(), inputs[2].clone(), bias, state.clone()];
        if layer.kind.has_carry() {
            types.push(state);
        }
        if self.wants_dx {
            types.push(inputs[0].clone());
        }
        Ok(types)
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        let layer = &self.layer;
        let sizes = layer.sizes(inputs[0], inputs[2]);
        let wanted = match self.wants_dx {
            _ if layer.from_rows => Wanted::Table(inputs[1].shape[0]),
            true => Wanted::KernelAndInputs,
            false => Wanted::Kernel,
        };
        match inputs[1].dtype {
            DType::F64 => {
                backward_workspace::<f64>(layer.cell(&[]).get(), sizes, layer.has_dropout(), wanted)
            }
            _ => backward_workspace::<f32>(layer.cell(&[]).get(), sizes, layer.has_dropout(), wanted),
        }
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        match call.inputs[1].dtype() {
            DType::F64 => self.run_as::<f64>(call),
            _ => self.run_as::<f32>(call),
        }
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        let Sizes { batch, steps, inputs, units } = self.layer.sizes(inputs[0], inputs[2]);
        let products = if self.wants_dx { 2 } else { 1 };
        (2 * batch * steps * self.layer.kind.gates() * units * (products * inputs + 2 * units)) as u64
    }
}
