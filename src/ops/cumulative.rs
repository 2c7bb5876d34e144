//! Running sums and products.

use std::sync::Arc;

use super::check::{NUMBERS, expect_axis, expect_inputs};
use super::entry::Entry;
use super::rows::length_and_inner;
use crate::error::Result;
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value};
use crate::kernels::cumulative::{Direction, product_backward, scan};
use crate::kernels::reduce::{Product, Sum};
use crate::ops::check::expect_dtype;
use crate::tensor::TensorType;
use crate::{with_dtype, with_float};

pub const OPS: &[Entry] = &[
    Entry { name: "cumsum", build: |attributes| Cumulative::build(Kind::Sum, attributes) },
    Entry { name: "cumprod", build: |attributes| Cumulative::build(Kind::Product, attributes) },
];

/// The product of all elements before each one along `axis`, or after each one where `reverse`.
pub fn exclusive_cumprod(graph: &mut Graph, x: Value, axis: usize, reverse: bool) -> Result<Value> {
    let direction = Direction { reverse, exclusive: true };
    graph.apply1(Arc::new(Cumulative { kind: Kind::Product, axis, direction }), &[x])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sum,
    Product,
}

/// What the registry makes a scan from; scans that leave out the element itself are made by gradients alone.
fn listed(axis: usize, direction: Direction) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.list("axis", &axis);
    attributes.list("reverse", &direction.reverse);
    if direction.exclusive {
        attributes.list("exclusive", &true);
    }
    attributes
}

/// x (…) → y (…), the running totals along `axis`.
#[derive(Debug)]
struct Cumulative {
    kind: Kind,
    axis: usize,
    direction: Direction,
}

impl Cumulative {
    fn build(kind: Kind, attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["axis", "reverse"])?;
        let direction = Direction { reverse: attributes.bool("reverse")?, exclusive: false };
        Ok(Arc::new(Self { kind, axis: attributes.size("axis")?, direction }))
    }
}

impl Op for Cumulative {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sum => "cumsum",
            Kind::Product => "cumprod",
        }
    }

    fn attributes(&self) -> Attributes {
        listed(self.axis, self.direction)
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axis(self, self.axis, x)?;
        expect_dtype(self, "x", x, NUMBERS)?;
        Ok(vec![x.clone()])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (x, dy) = (node.inputs[0], node.doutput());
        let dx = match self.kind {
            Kind::Sum => {
                let direction = Direction { reverse: !self.direction.reverse, ..self.direction };
                graph.apply1(Arc::new(Self { direction, ..*self }), &[dy])?
            }
            Kind::Product => {
                let op = CumprodBackward { axis: self.axis, direction: self.direction };
                graph.apply1(Arc::new(op), &[x, dy])?
            }
        };
        Ok(vec![Some(dx)])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (length, inner) = length_and_inner(call.inputs[0].shape(), self.axis);
        with_dtype!(call.inputs[0].dtype(), T => {
            let x = call.input::<T>(0);
            let y = call.outputs[0].slice::<T>();
            match self.kind {
                Kind::Sum => scan::<T, Sum>(y, x, length, inner, self.direction),
                Kind::Product => scan::<T, Product>(y, x, length, inner, self.direction),
            }
        });
        Ok(())
    }
}

/// x (…), dy (…) → dx (…) of the running product.
#[derive(Debug)]
struct CumprodBackward {
    axis: usize,
    direction: Direction,
}

impl Op for CumprodBackward {
    fn name(&self) -> &'static str {
        "cumprod_backward"
    }

    fn attributes(&self) -> Attributes {
        listed(self.axis, self.direction)
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x, _] = expect_inputs(self, inputs)?;
        Ok(vec![x.clone()])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let (length, inner) = length_and_inner(call.inputs[0].shape(), self.axis);
        with_float!(call.inputs[0].dtype(), T => {
            let (x, dy) = (call.input::<T>(0), call.input::<T>(1));
            product_backward(call.outputs[0].slice::<T>(), x, dy, length, inner, self.direction);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_gradient, elements, ints, run, tensor, uniform};

    fn op(kind: Kind, axis: usize, reverse: bool, exclusive: bool) -> OpRef {
        Arc::new(Cumulative { kind, axis, direction: Direction { reverse, exclusive } })
    }

    #[test]
    fn totals_in_every_direction() {
        let x = ints(&[1, 4], &[2, 3, 5, 7]);
        for (kind, reverse, exclusive, expected) in [
            (Kind::Sum, false, false, [2.0, 5.0, 10.0, 17.0]),
            (Kind::Sum, true, false, [17.0, 15.0, 12.0, 7.0]),
            (Kind::Sum, false, true, [0.0, 2.0, 5.0, 10.0]),
            (Kind::Product, false, false, [2.0, 6.0, 30.0, 210.0]),
            (Kind::Product, true, false, [210.0, 105.0, 35.0, 7.0]),
            (Kind::Product, true, true, [105.0, 35.0, 7.0, 1.0]),
        ] {
            let y = run(&op(kind, 1, reverse, exclusive), std::slice::from_ref(&x)).unwrap();
            assert_eq!(elements(&y[0]), expected, "{kind:?} reverse={reverse} exclusive={exclusive}");
        }
    }

    #[test]
    fn totals_along_an_outer_axis() {
        let x = tensor(&[2, 2, 2], |index| index as f64);
        let y = run(&op(Kind::Sum, 1, false, false), std::slice::from_ref(&x)).unwrap();
        assert_eq!(elements(&y[0]), [0.0, 1.0, 2.0, 4.0, 4.0, 5.0, 10.0, 12.0]);
        let y = run(&op(Kind::Sum, 0, false, false), &[x]).unwrap();
        assert_eq!(elements(&y[0]), [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]);
    }

    #[test]
    fn gradients_with_and_without_zeros() {
        let x = uniform(&[2, 4, 3], 1, -1.5, 1.5);
        let mut values = elements(&x);
        for zero in [1, 6, 9, 14] {
            values[zero] = 0.0;
        }
        let with_zeros = tensor(&[2, 4, 3], |index| values[index]);
        for kind in [Kind::Sum, Kind::Product] {
            for (axis, reverse, exclusive) in
                [(0, false, false), (1, true, false), (1, false, true), (2, true, true)]
            {
                check_gradient(&op(kind, axis, reverse, exclusive), std::slice::from_ref(&x));
                check_gradient(&op(kind, axis, reverse, exclusive), std::slice::from_ref(&with_zeros));
            }
        }
    }
}
