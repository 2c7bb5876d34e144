//! 2-D maximum and average pooling over channels-last images, and their gradients, which are ops of their own.

use std::any::Any;
use std::sync::Arc;

use super::check::expect_inputs;
use super::entry::Entry;
use super::window::{by_float, check_float, list_window, positive_pair, rank_4_shape, window_attributes};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::conv::Window;
use crate::kernels::pool::{self, Pooling};
use crate::kernels::simd::isa;
use crate::tensor::{DType, TensorType};

pub const OPS: &[Entry] = &[
    Entry { name: "max_pool2d", build: |attributes| build(attributes, Kind::Max) },
    Entry { name: "max_pool2d_backward", build: |attributes| build(attributes, Kind::MaxBackward) },
    Entry { name: "max_pool2d_select", build: |attributes| build(attributes, Kind::MaxSelect) },
    Entry { name: "average_pool2d", build: |attributes| build(attributes, Kind::Average) },
    Entry { name: "average_pool2d_backward", build: |attributes| build(attributes, Kind::AverageBackward) },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// y, argmax = max_pool2d(x): each window's maximum, and the tap kh·KW + kw of the first element that has it.
    Max,
    /// dx = max_pool2d_backward(argmax, dy).
    MaxBackward,
    /// y = max_pool2d_select(argmax, values): the values that lie where each window has its argmax.
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
    /// The shape of x for the two backward ops, whose inputs do not tell it.
    input_shape: Option<[usize; 4]>,
}

/// The last lines and columns of `x` that no window of `op` covers, if it is a maximum pooling, or the gradient of one by x,
/// whose windows lie side by side from the first pixel on.
pub fn uncovered(op: &dyn Op, x: &TensorType) -> Option<[usize; 2]> {
    let pool = (op as &dyn Any).downcast_ref::<Pool>()?;
    let pooling = pool.pooling(&x.shape).ok()?;
    let is_maximum = matches!(pool.kind, Kind::Max | Kind::MaxBackward);
    let covered = [0, 1].map(|axis| pooling.output[axis] * pool.window.size[axis]);
    let is_inside = covered[0] <= pooling.input[0] && covered[1] <= pooling.input[1];
    (is_maximum && pooling.is_tiled() && is_inside)
        .then(|| [0, 1].map(|axis| pooling.input[axis] - covered[axis]))
}

/// The gradient by an x without its last `lines` and `columns`, if `op` is the gradient of a pooling.
pub fn leaving_out(op: &dyn Op, [lines, columns]: [usize; 2]) -> Option<OpRef> {
    let pool = (op as &dyn Any).downcast_ref::<Pool>()?;
    let [batch, height, width, channels] = pool.input_shape?;
    let input_shape = Some([batch, height - lines, width - columns, channels]);
    Some(Arc::new(Pool { input_shape, ..pool.clone() }))
}

/// The op that gives what lies at the argmax of each window, if `op` is one of a maximum pooling.
pub fn selection(op: &dyn Op) -> Option<OpRef> {
    let pool = (op as &dyn Any).downcast_ref::<Pool>()?;
    let is_maximum = matches!(pool.kind, Kind::Max | Kind::MaxBackward | Kind::MaxSelect);
    let selection = Pool { kind: Kind::MaxSelect, input_shape: None, ..pool.clone() };
    is_maximum.then(|| Arc::new(selection) as OpRef)
}

/// Whether two ops are poolings, or belong to poolings, of the same windows.
pub fn same_windows(a: &dyn Op, b: &dyn Op) -> bool {
    let window = |op: &dyn Op| (op as &dyn Any).downcast_ref::<Pool>().map(|pool| pool.window);
    window(a).is_some() && window(a) == window(b)
}

fn build(attributes: &Attributes, kind: Kind) -> Result<OpRef> {
    let mut known = vec!["pool", "strides", "padding"];
    let is_backward = matches!(kind, Kind::MaxBackward | Kind::AverageBackward);
    let shape = is_backward.then_some("input_shape");
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
    /// An op of another kind over the same windows; `like` has the shape of x where the op is a backward one.
    fn apply(&self, graph: &mut Graph, kind: Kind, like: Option<Value>, inputs: &[Value]) -> Result<Value> {
        let input_shape = like.map(|x| graph.shape(x).try_into().expect("the shape rule admits rank 4 only"));
        Ok(graph.apply(Arc::new(Self { kind, input_shape, ..self.clone() }), inputs)?[0])
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
        let x = match (&self.input_shape, self.kind) {
            (Some(shape), _) => &shape[..],
            (None, Kind::MaxSelect) => inputs[1],
            (None, _) => inputs[0],
        };
        let pooling = self.pooling(x)?;
        // All that the op reads besides x has a window's place each.
        let others: &[usize] = match self.kind {
            Kind::Max | Kind::Average => &[],
            Kind::MaxBackward => &[0, 1],
            Kind::MaxSelect | Kind::AverageBackward => &[0],
        };
        for &other in others {
            if inputs[other] != y_shape(&pooling) {
                return Err(Error::Shape(format!(
                    "expected input {other} of shape {:?}. Received: shape={:?}",
                    y_shape(&pooling),
                    inputs[other]
                )));
            }
        }
        Ok(pooling)
    }
}

/// Checks that `ty` is of the argmaxes that [`Kind::Max`] gives.
fn check_argmax(ty: &TensorType) -> Result<()> {
    match ty.dtype {
        DType::I32 => Ok(()),
        _ => Err(Error::Shape(format!("expected argmaxes of dtype int32. Received: {ty}"))),
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

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.list("pool", &self.window.size);
        list_window(&mut attributes, &self.window);
        attributes.list("input_shape", &self.input_shape);
        attributes
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let dtype = match self.kind {
            Kind::MaxBackward | Kind::MaxSelect => {
                let [argmax, values] = expect_inputs(self, inputs)?;
                check_argmax(argmax)?;
                check_float(&[values], 1)?
            }
            Kind::Max | Kind::Average | Kind::AverageBackward => check_float(inputs, 1)?,
        };
        let shapes: Vec<&[usize]> = inputs.iter().map(|ty| &ty.shape[..]).collect();
        let pooling = self.pooling_of(&shapes)?;
        let (x, y) = (x_shape(&pooling), y_shape(&pooling));
        Ok(match self.kind {
            Kind::Max => vec![TensorType::new(dtype, y), TensorType::new(DType::I32, y)],
            Kind::MaxSelect | Kind::Average => vec![TensorType::new(dtype, y)],
            Kind::MaxBackward | Kind::AverageBackward => vec![TensorType::new(dtype, x)],
        })
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (first, d) = (node.inputs[0], node.doutput());
        // The argmax has no gradient: where the maxima lie is constant around x.
        Ok(match self.kind {
            Kind::Max => {
                vec![Some(self.apply(graph, Kind::MaxBackward, Some(first), &[node.outputs[1], d])?)]
            }
            Kind::MaxBackward => vec![None, Some(self.apply(graph, Kind::MaxSelect, None, &[first, d])?)],
            Kind::MaxSelect => {
                let x = node.inputs[1];
                vec![None, Some(self.apply(graph, Kind::MaxBackward, Some(x), &[first, d])?)]
            }
            Kind::Average => vec![Some(self.apply(graph, Kind::AverageBackward, Some(first), &[d])?)],
            Kind::AverageBackward => vec![Some(self.apply(graph, Kind::Average, None, &[d])?)],
        })
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let last = call.inputs.len() - 1;
        let shapes: [&[usize]; 2] = [call.inputs[0].shape(), call.inputs[last].shape()];
        let (p, isa) = (&self.pooling_of(&shapes)?, isa());
        by_float!(call.inputs[last].dtype(), T => {
            let input = call.input::<T>(last);
            let (output, others) = call.outputs.split_first_mut().expect("every op has an output");
            let output = output.slice();
            match self.kind {
                Kind::Max => pool::max_forward(isa, p, input, output, others[0].slice()),
                Kind::MaxBackward => pool::max_backward(isa, p, call.inputs[0].slice(), input, output),
                Kind::MaxSelect => pool::max_select(isa, p, call.inputs[0].slice(), input, output),
                Kind::Average => pool::average_forward(isa, p, input, output),
                Kind::AverageBackward => pool::average_backward(isa, p, input, output),
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
            let argmax = run(&op("max_pool2d", &lists).unwrap(), std::slice::from_ref(&x)).unwrap().remove(1);
            let values = uniform(&shape, 3, -1.0, 1.0);
            check_gradient(&op("max_pool2d_select", &lists).unwrap(), &[argmax.clone(), values]);
            let shape = shape.map(|dim| dim as i64);
            let lists = [lists[0], lists[1], lists[2], ("input_shape", &shape)];
            check_gradient(&op("max_pool2d_backward", &lists).unwrap(), &[argmax, dy.clone()]);
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
        let outputs = run(&op("max_pool2d", &lists).unwrap(), &x).unwrap();
        assert_eq!(elements(&outputs[0]), [11.0, 9.0, 11.0, 10.0]);
        assert_eq!(elements(&outputs[1]), [3.0, 1.0, 1.0, 2.0]);
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
