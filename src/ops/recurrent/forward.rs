//! The forward op, and its gradient rule.

use std::sync::Arc;

use super::backward::RecurrentBackward;
use super::{Kind, Recurrent, check_types};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, Value};
use crate::kernels::recurrent::{Forward, Outputs, Smooth, Training, forward, forward_workspace};
use crate::ops::gather::checked_indices;
use crate::tensor::{DType, TensorType};

impl Op for Recurrent {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::SimpleRnn => "simple_rnn",
            Kind::Gru { .. } => "gru",
            Kind::Lstm => "lstm",
        }
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        check_types(&self.input_types(inputs)?, inputs)?;
        let mut types = self.all_output_types(self.sizes(inputs[0], inputs[2]), inputs[1].dtype);
        if !self.training {
            types.truncate(types.len() - 2);
        }
        Ok(types)
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        if self.from_rows {
            return Err(Error::Internal(format!(
                "{}: rows of a table come after differentiation",
                self.name()
            )));
        }
        let results = if self.kind.has_carry() { 3 } else { 2 };
        if node.doutputs[results..].iter().any(Option::is_some) {
            return Err(Error::Internal(format!("{}: no gradient of what training keeps", self.name())));
        }
        let layer = Self { training: true, ..self.clone() };
        // Without `training` the forward pass kept nothing: it runs again.
        let outputs = match self.training {
            true => node.outputs.to_vec(),
            false => graph.apply(Arc::new(layer.clone()), node.inputs)?,
        };
        let wants_dx = node.wanted[0];
        let op = RecurrentBackward {
            layer,
            has_dsequence: node.doutputs[0].is_some(),
            has_dlast_h: node.doutputs[1].is_some(),
            has_dlast_c: self.kind.has_carry() && node.doutputs[2].is_some(),
            wants_dx,
        };
        // As `RecurrentBackward::input_types`: all but the bias, what the forward pass kept, the gradients.
        let (x, states) = (&node.inputs[..3], &node.inputs[4..]);
        let mut inputs = [x, states, &outputs[..1], &outputs[results..]].concat();
        inputs.extend(node.doutputs[..results].iter().flatten());

        let gradients = graph.apply(Arc::new(op), &inputs)?;
        let mut dinputs = vec![wants_dx.then(|| gradients[gradients.len() - 1])];
        // dkernel, drecurrent_kernel, dbias, dh0 and dc0 are in the order of the inputs.
        let weights_and_states = gradients.len() - usize::from(wants_dx);
        dinputs.extend(gradients[..weights_and_states].iter().copied().map(Some));
        dinputs.resize(node.inputs.len(), None);
        Ok(dinputs)
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        let sizes = self.sizes(inputs[0], inputs[2]);
        match inputs[1].dtype {
            DType::F64 => {
                forward_workspace::<f64>(self.cell(&[]).get(), sizes, self.has_dropout(), self.training)
            }
            _ => forward_workspace::<f32>(self.cell(&[]).get(), sizes, self.has_dropout(), self.training),
        }
    }

    fn checks_data(&self) -> bool {
        self.from_rows
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        if self.from_rows {
            checked_indices(&call.inputs[0], call.inputs[1].shape()[0])?;
        }
        match call.inputs[1].dtype() {
            DType::F64 => self.run_as::<f64>(call),
            _ => self.run_as::<f32>(call),
        }
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], _: &[&TensorType]) -> u64 {
        let sizes = self.sizes(inputs[0], inputs[2]);
        let columns = self.kind.gates() * sizes.units;
        (2 * sizes.batch * sizes.steps * columns * (sizes.inputs + sizes.units)) as u64
    }
}

impl Recurrent {
    fn run_as<T: Smooth>(&self, call: &mut Call<'_>) {
        let inputs = call.inputs;
        let sizes = self.sizes(inputs[0].tensor_type(), inputs[2].tensor_type());
        let (bias, recurrent_bias) = inputs[3].slice::<T>().split_at(self.kind.gates() * sizes.units);
        let mut rest = inputs[4..].iter();
        let mut next =
            |present: bool| present.then(|| rest.next().expect("the shape rule counted the inputs"));
        let h0 = next(true).map_or(&[][..], |view| view.slice());
        let c0 = next(self.kind.has_carry()).map_or(&[][..], |view| view.slice());
        let mask = next(self.has_mask).map(|view| view.slice());
        let keep = next(self.has_dropout()).map(|view| view.slice());

        let mut rest = call.outputs.iter_mut().map(|view| view.slice::<T>());
        let mut next = || rest.next().expect("the shape rule counted the outputs");
        let outputs = Outputs {
            sequence: next(),
            last_h: next(),
            last_c: if self.kind.has_carry() { next() } else { &mut [] },
            training: self.training.then(|| Training { gates: next(), saved: next() }),
        };
        let layer = Forward {
            sizes,
            options: self.options(mask, keep),
            projection: self.projection(inputs),
            recurrent_kernel: inputs[2].slice(),
            bias,
            h0,
            c0,
        };
        forward(self.cell(recurrent_bias).get(), layer, outputs, call.workspace);
    }
}
