//! 2-D convolution over channels-last images, and its gradients by input and by kernel, which are ops of their own.
//!
//! All three are linear in each of their inputs, so each one's gradient is made of the other two.

use std::any::Any;
use std::sync::Arc;

use super::entry::Entry;
use super::window::{by_float, check_float, list_window, rank_4_shape, window_attributes};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::conv::{self, Geometry, Window};
use crate::tensor::TensorType;

pub const OPS: &[Entry] = &[
    Entry { name: "conv2d", build: |attributes| build(attributes, Kind::Forward, None) },
    Entry {
        name: "conv2d_backward_input",
        build: |attributes| build(attributes, Kind::BackwardInput, Some("input_shape")),
    },
    Entry {
        name: "conv2d_backward_filter",
        build: |attributes| build(attributes, Kind::BackwardFilter, Some("kernel_shape")),
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// y = conv2d(x, kernel).
    Forward,
    /// dx = conv2d_backward_input(dy, kernel).
    BackwardInput,
    /// dkernel = conv2d_backward_filter(x, dy).
    BackwardFilter,
}

/// One of the three ops.
#[derive(Debug, Clone)]
struct Convolution {
    kind: Kind,
    /// Its size is (1, 1) until the kernel's shape is known.
    window: Window,
    groups: usize,
    /// The shape of the output where the inputs do not determine it: that of x or of the kernel.
    shape: Option<[usize; 4]>,
    /// Last lines and columns of y that are left out.
    left_out: [usize; 2],
}

/// The same convolution, or gradient of one, without the last `lines` and `columns` of y, if `op` is one.
pub fn leaving_out(op: &dyn Op, [lines, columns]: [usize; 2]) -> Option<OpRef> {
    let convolution = (op as &dyn Any).downcast_ref::<Convolution>()?;
    let left_out = [convolution.left_out[0] + lines, convolution.left_out[1] + columns];
    Some(Arc::new(Convolution { left_out, ..convolution.clone() }))
}

fn build(attributes: &Attributes, kind: Kind, shape: Option<&str>) -> Result<OpRef> {
    let mut known = vec!["strides", "padding", "dilation", "groups"];
    known.extend(shape);
    attributes.only(&known)?;
    let groups = attributes.size("groups")?;
    if groups == 0 {
        return Err(Error::Configuration("expected groups of 1 or more. Received: groups=0".into()));
    }
    let window = window_attributes(attributes, [1, 1], &attributes.sizes("dilation")?)?;
    let shape = shape.map(|name| rank_4_shape(attributes, name)).transpose()?;
    Ok(Arc::new(Convolution { kind, window, groups, shape, left_out: [0, 0] }))
}

impl Convolution {
    fn op(&self, kind: Kind, shape: Option<&[usize]>) -> OpRef {
        let shape = shape.map(|shape| shape.try_into().expect("operands of a convolution have rank 4"));
        Arc::new(Self { kind, shape, ..self.clone() })
    }

    /// y = conv2d(x, kernel) with the same attributes.
    fn forward(&self, graph: &mut Graph, x: Value, kernel: Value) -> Result<Value> {
        graph.apply1(self.op(Kind::Forward, None), &[x, kernel])
    }

    /// The gradient by an x that has the shape of `like`.
    fn backward_input(&self, graph: &mut Graph, dy: Value, kernel: Value, like: Value) -> Result<Value> {
        graph.apply1(self.op(Kind::BackwardInput, Some(graph.shape(like))), &[dy, kernel])
    }

    /// The gradient by a kernel that has the shape of `like`.
    fn backward_filter(&self, graph: &mut Graph, x: Value, dy: Value, like: Value) -> Result<Value> {
        graph.apply1(self.op(Kind::BackwardFilter, Some(graph.shape(like))), &[x, dy])
    }

    /// The sizes of the convolution that this op is, or belongs to.
    fn geometry_of(&self, a: &[usize], b: &[usize]) -> Result<Geometry> {
        let shape = self.shape.as_ref().map_or(&[][..], |shape| &shape[..]);
        let (geometry, dy) = match self.kind {
            Kind::Forward => return self.geometry(a, b),
            Kind::BackwardInput => (self.geometry(shape, b)?, a),
            Kind::BackwardFilter => (self.geometry(a, shape)?, b),
        };
        if dy != output_shape(&geometry) {
            return Err(Error::Shape(format!(
                "expected an output gradient of shape {:?}. Received: shape={dy:?}",
                output_shape(&geometry)
            )));
        }
        Ok(geometry)
    }

    /// [`Self::geometry_of`] inputs that passed the shape rule.
    fn checked_geometry(&self, inputs: &[&TensorType]) -> Geometry {
        self.geometry_of(&inputs[0].shape, &inputs[1].shape).expect("the shape rule has accepted the inputs")
    }

    /// The sizes of the convolution, or why x (B, H, W, C) and kernel (KH, KW, C/groups, O) do not fit.
    fn geometry(&self, x: &[usize], kernel: &[usize]) -> Result<Geometry> {
        let &[batch, height, width, channels] = x else {
            return Err(Error::Shape(format!(
                "expected an input of shape (batch, height, width, channels). Received: shape={x:?}"
            )));
        };
        let &[kernel_height, kernel_width, kernel_channels, filters] = kernel else {
            return Err(Error::Shape(format!(
                "expected a kernel of shape (height, width, input channels / groups, filters). \
                 Received: shape={kernel:?}"
            )));
        };
        if kernel.contains(&0) {
            return Err(Error::Shape(format!(
                "expected a kernel with at least one element. Received: shape={kernel:?}"
            )));
        }
        let groups = self.groups;
        if kernel_channels * groups != channels {
            return Err(Error::Shape(format!(
                "expected an input with {} channels for a kernel of shape {kernel:?} in {groups} group(s). \
                 Received: input shape={x:?}",
                kernel_channels * groups
            )));
        }
        if filters % groups != 0 {
            return Err(Error::Shape(format!(
                "expected a number of filters that groups={groups} divides. Received: kernel shape={kernel:?}"
            )));
        }
        let window = Window { size: [kernel_height, kernel_width], ..self.window };
        let input = [height, width];
        let output =
            [0, 1].map(|axis| window.positions(axis, input[axis]).saturating_sub(self.left_out[axis]));
        if output.contains(&0) {
            return Err(Error::Shape(format!(
                "expected an input, padded, at least as large as the dilated kernel, else the output would be \
                 empty. Received: input shape={x:?}, kernel shape={kernel:?}, dilation={:?}, padding before={:?}, \
                 after={:?}",
                window.dilation, window.before, window.after
            )));
        }
        Ok(Geometry { batch, input, channels, output, filters, groups, window })
    }
}

fn output_shape(g: &Geometry) -> [usize; 4] {
    [g.batch, g.output[0], g.output[1], g.filters]
}

impl Op for Convolution {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Forward => "conv2d",
            Kind::BackwardInput => "conv2d_backward_input",
            Kind::BackwardFilter => "conv2d_backward_filter",
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::default();
        list_window(&mut attributes, &self.window);
        attributes.list("dilation", &self.window.dilation);
        attributes.list("groups", &self.groups);
        let shape = match self.kind {
            Kind::BackwardFilter => "kernel_shape",
            _ => "input_shape",
        };
        attributes.list(shape, &self.shape);
        if self.left_out != [0, 0] {
            attributes.list("left_out", &self.left_out);
        }
        attributes
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let dtype = check_float(inputs, 2)?;
        let geometry = self.geometry_of(&inputs[0].shape, &inputs[1].shape)?;
        Ok(vec![TensorType::new(dtype, self.shape.unwrap_or(output_shape(&geometry)))])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (a, b, d) = (node.inputs[0], node.inputs[1], node.doutput());
        let gradient_of = |graph: &mut Graph, input: usize| match (self.kind, input) {
            (Kind::Forward, 0) => self.backward_input(graph, d, b, a),
            (Kind::Forward, _) => self.backward_filter(graph, a, d, b),
            (Kind::BackwardInput, 0) => self.forward(graph, d, b),
            (Kind::BackwardInput, _) => self.backward_filter(graph, d, a, b),
            (Kind::BackwardFilter, 0) => self.backward_input(graph, b, d, a),
            (Kind::BackwardFilter, _) => self.forward(graph, a, d),
        };
        (0..2).map(|input| node.wanted[input].then(|| gradient_of(graph, input)).transpose()).collect()
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> usize {
        let geometry = &self.checked_geometry(inputs);
        by_float!(inputs[0].dtype, T => match self.kind {
            Kind::Forward => conv::forward_workspace::<T>(geometry),
            Kind::BackwardInput => conv::backward_input_workspace::<T>(geometry),
            Kind::BackwardFilter => conv::backward_filter_workspace::<T>(geometry),
        })
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let geometry = &self.geometry_of(call.inputs[0].shape(), call.inputs[1].shape())?;
        by_float!(call.inputs[0].dtype(), T => {
            let kernel = match self.kind {
                Kind::Forward => conv::forward::<T>,
                Kind::BackwardInput => conv::backward_input::<T>,
                Kind::BackwardFilter => conv::backward_filter::<T>,
            };
            let (a, b) = (call.input(0), call.input(1));
            kernel(geometry, a, b, call.outputs[0].slice(), call.epilogue, call.workspace);
        });
        Ok(())
    }

    fn accepts_epilogue(&self) -> bool {
        true
    }

    fn flops(&self, inputs: &[&TensorType], _outputs: &[&TensorType]) -> u64 {
        self.checked_geometry(inputs).flops()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attribute;
    use crate::ops::registry;
    use crate::ops::testing::{check_gradient, elements, run, tensor, uniform};
    use crate::tensor::DType;

    struct Case {
        input: [usize; 4],
        kernel: [usize; 4],
        strides: [i64; 2],
        padding: [i64; 4],
        dilation: [i64; 2],
        groups: i64,
    }

    const PLAIN: Case = Case {
        input: [2, 5, 4, 2],
        kernel: [3, 3, 2, 3],
        strides: [1, 1],
        padding: [0; 4],
        dilation: [1, 1],
        groups: 1,
    };

    impl Case {
        fn op(&self, name: &str, shape: Option<(&'static str, [usize; 4])>) -> Result<OpRef> {
            let mut entries = vec![
                ("strides", Attribute::Ints(self.strides.to_vec())),
                ("padding", Attribute::Ints(self.padding.to_vec())),
                ("dilation", Attribute::Ints(self.dilation.to_vec())),
                ("groups", Attribute::Int(self.groups)),
            ];
            if let Some((name, shape)) = shape {
                let shape = shape.iter().map(|&dim| dim as i64).collect();
                entries.push((name, Attribute::Ints(shape)));
            }
            registry::build(name, &Attributes::new(entries))
        }

        fn output_types(&self) -> Result<Vec<TensorType>> {
            let ty = |shape: [usize; 4]| TensorType::new(DType::F32, shape);
            self.op("conv2d", None)?.output_types(&[&ty(self.input), &ty(self.kernel)])
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let cases = [
            PLAIN,
            Case { padding: [1, 1, 1, 1], ..PLAIN },
            Case { strides: [2, 3], padding: [0, 1, 2, 1], ..PLAIN },
            Case { dilation: [2, 1], padding: [1, 2, 0, 1], kernel: [2, 2, 2, 3], ..PLAIN },
            Case { groups: 2, input: [1, 4, 4, 4], kernel: [3, 2, 2, 4], ..PLAIN },
            Case { groups: 3, input: [2, 3, 4, 3], kernel: [2, 2, 1, 6], strides: [1, 2], ..PLAIN },
            Case { kernel: [1, 1, 2, 5], ..PLAIN },
        ];
        for case in &cases {
            let x = uniform(&case.input, 1, -1.0, 1.0);
            let kernel = uniform(&case.kernel, 2, -1.0, 1.0);
            let forward = case.op("conv2d", None).unwrap();
            check_gradient(&forward, &[x.clone(), kernel.clone()]);
            let y = run(&forward, &[x.clone(), kernel.clone()]).unwrap();
            let dy = uniform(y[0].shape(), 3, -1.0, 1.0);
            let by_input = case.op("conv2d_backward_input", Some(("input_shape", case.input))).unwrap();
            check_gradient(&by_input, &[dy.clone(), kernel]);
            let by_filter = case.op("conv2d_backward_filter", Some(("kernel_shape", case.kernel))).unwrap();
            check_gradient(&by_filter, &[x, dy]);
        }
    }

    #[test]
    fn a_row_by_hand() {
        let case = Case { input: [1, 1, 4, 1], kernel: [1, 2, 1, 1], padding: [0, 0, 1, 0], ..PLAIN };
        let inputs = [tensor(&case.input, |i| i as f64 + 1.0), tensor(&case.kernel, |i| [10.0, 1.0][i])];
        let y = run(&case.op("conv2d", None).unwrap(), &inputs).unwrap();
        assert_eq!(elements(&y[0]), [1.0, 12.0, 23.0, 34.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let message = |case: Case| case.output_types().unwrap_err().to_string();
        assert!(message(Case { kernel: [6, 1, 2, 3], ..PLAIN }).contains("the output would be empty"));
        let channels = message(Case { kernel: [3, 3, 4, 3], ..PLAIN });
        assert!(channels.ends_with("Received: input shape=[2, 5, 4, 2]"), "{channels}");
        assert!(message(Case { kernel: [3, 3, 1, 3], groups: 2, ..PLAIN }).contains("groups=2 divides"));
        assert!(message(Case { groups: 0, ..PLAIN }).ends_with("Received: groups=0"));
        assert!(message(Case { strides: [0, 1], ..PLAIN }).ends_with("Received: strides=[0, 1]"));
        assert!(message(Case { padding: [0, 0, 0, -1], ..PLAIN }).contains("padding"));
    }
}
