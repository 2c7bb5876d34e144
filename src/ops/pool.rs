//! 2-D maximum and average pooling over channels-last images, and their gradients, which are ops of their own.

use std::sync::Arc;

use super::registry::Entry;
use super::window::{by_float, check_float, positive_pair, rank_4_shape, window_attributes};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::conv::Window;
use crate::kernels::pool::{self, Pooling};
use crate::tensor::TensorType;

pub const OPS: &[Entry] = &[
    Entry { name: "max_pool2d", build: |attributes| build(attributes, Kind::Max) },
    Entry { name: "max_pool2d_backward", build: |attributes| build(attributes, Kind::MaxBackward) },
    Entry { name: "max_pool2d_select", build: |attributes| build(attributes, Kind::MaxSelect) },
    Entry { name: "average_pool2d", build: |attributes| build(attributes, Kind::Average) },
    Entry { name: "average_pool2d_backward", build: |attributes| build(attributes, Kind::AverageBackward) },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// y = max_pool2d(x).
    Max,
    /// dx = max_pool2d_backward(x, dy).
    MaxBackward,
    /// y = max_pool2d_select(x, values): the values that lie where each window of x has its first maximum.
    MaxSelect,
    /// y = average_pool2d(x).
    Average,
    /// dx = average_pool2d_backward(dy).
    AverageBackward,
}

/// One of the five ops.
#[derive(Debug, Clone)]
struct Pool {
    kind: Kind,
    window: Window,
    /// The shape of x, for [`Kind::AverageBackward`], whose input does not tell it.
    input_shape: Option<[usize; 4]>,
}

fn build(attributes: &Attributes, kind: Kind) -> Result<OpRef> {
    let mut known = vec!["pool", "strides", "padding"];
    let shape = (kind == Kind::AverageBackward).then_some("input_shape");
    known.extend(shape);
    attributes.only(&known)?;
    let size = positive_pair("pool", &attributes.sizes("pool")?)?;
    let window = window_attributes(attributes, size, &[1, 1])?;
    if (0..2).any(|axis| window.before[axis].max(window.after[axis]) >= size[axis]) {
        return Err(Error::Configuration(format!(
            "expected padding smaller than the pool, so that every window covers data. \
             Received: pool={size:?}, padding before={:?}, after={:?}",
            window.before, window.after
        )));
    }
    let input_shape = shape.map(|name| rank_4_shape(attributes, name)).transpose()?;
    Ok(Arc::new(Pool { kind, window, input_shape }))
}

impl Pool {
    fn apply(
        &self,
        graph: &mut Graph,
        kind: Kind,
        input_shape: Option<[usize; 4]>,
        inputs: &[Value],
    ) -> Result<Value> {
        graph.apply1(Arc::new(Self { kind, input_shape, ..self.clone() }), inputs)
    }

    /// The sizes of the pooling of x.
    fn pooling(&self, x: &[usize]) -> Result<Pooling> {
        let &[batch, height, width, channels] = x else {
            return Err(Error::Shape(format!(
                "expected an input of shape (batch, height, width, channels). Received: shape={x:?}"
            )));
        };
        let output = [self.window.positions(0, height), self.window.positions(1, width)];
        if output.contains(&0) {
            return Err(Error::Shape(format!(
                "expected an input, padded, at least as large as the pool, else the output would be empty. \
                 Received: input shape={x:?}, pool={:?}",
                self.window.size
            )));
        }
        Ok(Pooling { batch, input: [height, width], channels, output, window: self.window })
    }

    /// The sizes of the pooling that this op is, or belongs to.
    fn pooling_of(&self, inputs: &[&[usize]]) -> Result<Pooling> {
        let pooling = self.pooling(self.input_shape.as_ref().map_or(inputs[0], |shape| &shape[..]))?;
        let last = inputs[inputs.len() - 1];
        let expected = match self.kind {
            Kind::Max | Kind::Average => return Ok(pooling),
            Kind::MaxBackward | Kind::AverageBackward => y_shape(&pooling),
            Kind::MaxSelect => x_shape(&pooling),
        };
        if last != expected {
            return Err(Error::Shape(format!(
                "expected a last input of shape {expected:?}. Received: shape={last:?}"
            )));
        }
        Ok(pooling)
    }
}

fn x_shape(p: &Pooling) -> [usize; 4] {
    [p.batch, p.input[0], p.input[1], p.channels]
}

fn y_shape(p: &Pooling) -> [usize; 4] {
    [p.batch, p.output[0], p.output[1], p.channels]
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Max => "max_pool2d",
            Kind::MaxBackward => "max_pool2d_backward",
            Kind::MaxSelect => "max_pool2d_select",
            Kind::Average => "average_pool2d",
            Kind::AverageBackward => "average_pool2d_backward",
        }
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let count = if matches!(self.kind, Kind::MaxBackward | Kind::MaxSelect) { 2 } else { 1 };
        let dtype = check_float(inputs, count)?;
        let shapes: Vec<&[usize]> = inputs.iter().map(|ty| &ty.shape[..]).collect();
        let pooling = self.pooling_of(&shapes)?;
        let shape = match self.kind {
            Kind::Max | Kind::MaxSelect | Kind::Average => y_shape(&pooling),
            Kind::MaxBackward | Kind::AverageBackward => x_shape(&pooling),
        };
        Ok(vec![TensorType::new(dtype, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (x, d) = (node.inputs[0], node.doutput());
        let kind = match self.kind {
            Kind::Max => Kind::MaxBackward,
            Kind::Average => {
                let shape = graph.shape(x).try_into().expect("the shape rule admits rank 4 only");
                return Ok(vec![Some(self.apply(graph, Kind::AverageBackward, Some(shape), &[d])?)]);
            }
            Kind::AverageBackward => return Ok(vec![Some(self.apply(graph, Kind::Average, None, &[d])?)]),
            // Where the maxima lie is constant around x: only the other input has a gradient.
            Kind::MaxBackward => Kind::MaxSelect,
            Kind::MaxSelect => Kind::MaxBackward,
        };
        let position = node.inputs.len() - 1;
        let mut dinputs = vec![None; node.inputs.len()];
        if node.wanted[position] {
            dinputs[position] = Some(self.apply(graph, kind, None, &[x, d])?);
        }
        Ok(dinputs)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let shapes: [&[usize]; 2] = [call.inputs[0].shape(), call.inputs[call.inputs.len() - 1].shape()];
        let pooling = &self.pooling_of(&shapes)?;
        by_float!(call.inputs[0].dtype(), T => {
            let (first, last) = (call.input::<T>(0), call.input::<T>(call.inputs.len() - 1));
            let output = call.outputs[0].slice();
            match self.kind {
                Kind::Max => pool::max_forward(pooling, first, output),
                Kind::MaxBackward => pool::max_backward(pooling, first, last, output),
                Kind::MaxSelect => pool::max_select(pooling, first, last, output),
                Kind::Average => pool::average_forward(pooling, first, output),
                Kind::AverageBackward => pool::average_backward(pooling, first, output),
            }
        });
        Ok(())
    }

    fn flops(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> u64 {
        let window = (self.window.size[0] * self.window.size[1]) as u64;
        match self.kind {
            Kind::Max | Kind::MaxSelect | Kind::Average => outputs[0].size() as u64 * window,
            Kind::MaxBackward | Kind::AverageBackward => inputs[inputs.len() - 1].size() as u64 * window,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attribute;
    use crate::ops::registry;
    use crate::ops::testing::{check_gradient, elements, run, tensor, uniform};

    fn op(name: &str, lists: &[(&str, &[i64])]) -> Result<OpRef> {
        let entries = lists.iter().map(|(name, values)| (name.to_string(), Attribute::Ints(values.to_vec())));
        registry::build(name, &Attributes::new(entries))
    }

    /// Input shape, pool, strides, padding.
    type Case = ([usize; 4], [i64; 2], [i64; 2], [i64; 4]);

    const CASES: &[Case] = &[
        ([2, 4, 6, 3], [2, 2], [2, 2], [0, 0, 0, 0]),
        ([2, 5, 5, 2], [2, 2], [2, 2], [0, 0, 0, 0]),
        ([1, 5, 4, 17], [3, 2], [1, 2], [1, 1, 0, 1]),
        ([1, 1, 7, 2], [1, 3], [1, 2], [0, 0, 1, 2]),
        ([2, 3, 3, 1], [3, 3], [1, 1], [1, 1, 1, 1]),
    ];

    #[test]
    fn gradients_agree_with_finite_differences() {
        for &(shape, pool, strides, padding) in CASES {
            let lists: [(&str, &[i64]); 3] = [("pool", &pool), ("strides", &strides), ("padding", &padding)];
            let x = uniform(&shape, 1, -1.0, 1.0);
            for name in ["max_pool2d", "average_pool2d"] {
                check_gradient(&op(name, &lists).unwrap(), std::slice::from_ref(&x));
            }
            let y = run(&op("average_pool2d", &lists).unwrap(), std::slice::from_ref(&x)).unwrap();
            let dy = uniform(y[0].shape(), 2, -1.0, 1.0);
            check_gradient(&op("max_pool2d_backward", &lists).unwrap(), &[x.clone(), dy.clone()]);
            check_gradient(&op("max_pool2d_select", &lists).unwrap(), &[x, uniform(&shape, 3, -1.0, 1.0)]);
            let shape = shape.map(|dim| dim as i64);
            let lists = [lists[0], lists[1], lists[2], ("input_shape", &shape)];
            check_gradient(&op("average_pool2d_backward", &lists).unwrap(), &[dy]);
        }
    }

    #[test]
    fn windows_by_hand() {
        let lists: [(&str, &[i64]); 3] = [("pool", &[2, 2]), ("strides", &[1, 2]), ("padding", &[0; 4])];
        let x = [tensor(&[1, 3, 4, 1], |i| ((i * 7) % 12) as f64)];
        // 0 7 2 9
        // 4 11 6 1
        // 8 3 10 5
        assert_eq!(
            elements(&run(&op("max_pool2d", &lists).unwrap(), &x).unwrap()[0]),
            [11.0, 9.0, 11.0, 10.0]
        );
        assert_eq!(
            elements(&run(&op("average_pool2d", &lists).unwrap(), &x).unwrap()[0]),
            [5.5, 4.5, 6.5, 5.5]
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = TensorType::new(crate::tensor::DType::F32, [1, 2, 2, 1]);
        let too_large =
            op("max_pool2d", &[("pool", &[3, 3]), ("strides", &[1, 1]), ("padding", &[0; 4])]).unwrap();
        let message = too_large.output_types(&[&x]).unwrap_err().to_string();
        assert!(message.contains("Received: input shape=[1, 2, 2, 1], pool=[3, 3]"), "{message}");
        for lists in [
            [("pool", &[2i64, 2][..]), ("strides", &[0, 1]), ("padding", &[0; 4])],
            [("pool", &[2]), ("strides", &[1, 1]), ("padding", &[0; 4])],
            [("pool", &[2, 2]), ("strides", &[1, 1]), ("padding", &[0, 2, 0, 0])],
            [("pool", &[2, 2]), ("strides", &[1, 1]), ("padding", &[0; 2])],
        ] {
            assert!(op("average_pool2d", &lists).is_err(), "{lists:?}");
        }
    }
}
