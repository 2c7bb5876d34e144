//! Order along an axis. NaN counts as the greatest number.

use std::sync::Arc;

use super::check::{expect_axis, expect_inputs, expect_rank};
use super::entry::Entry;
use super::gather::scatter_along_axis;
use super::rows::{along_axis, workspace_bytes};
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::parallel::elements_of;
use crate::kernels::sort as kernel;
use crate::tensor::{DType, TensorType};
use crate::with_dtype;

pub const OPS: &[Entry] = &[
    Entry { name: "sort", build: |attributes| Ok(Arc::new(Sort { axis: axis(attributes)? })) },
    Entry { name: "argsort", build: |attributes| Ok(Arc::new(Argsort { axis: axis(attributes)? })) },
    Entry { name: "top_k", build: TopK::build },
];

fn axis(attributes: &Attributes) -> Result<usize> {
    attributes.only(&["axis"])?;
    attributes.size("axis")
}

/// x (…) → y (…) ascending along `axis`.
#[derive(Debug)]
struct Sort {
    axis: usize,
}
attributes!(listed Sort { axis });

impl Op for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axis(self, self.axis, x)?;
        expect_rank(self, x.rank())?;
        Ok(vec![x.clone()])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let x = node.inputs[0];
        let size = graph.shape(x)[self.axis];
        let positions = graph.apply1(Arc::new(Argsort { axis: self.axis }), &[x])?;
        Ok(vec![Some(scatter_along_axis(graph, positions, node.doutput(), size, self.axis)?)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> usize {
        workspace_bytes(inputs, outputs, self.axis)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        with_dtype!(call.inputs[0].dtype(), T => {
            along_axis(call, self.axis, |y: &mut [T], [x]: [&[T]; 1], length| kernel::sort(y, x, length));
        });
        Ok(())
    }
}

/// x (…) → positions int32 (…) along `axis`, in whose order x is ascending; equals keep their order.
#[derive(Debug)]
struct Argsort {
    axis: usize,
}
attributes!(listed Argsort { axis });

impl Op for Argsort {
    fn name(&self) -> &'static str {
        "argsort"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_axis(self, self.axis, x)?;
        expect_rank(self, x.rank())?;
        Ok(vec![TensorType::new(DType::I32, &*x.shape)])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], outputs: &[&TensorType]) -> usize {
        workspace_bytes(inputs, outputs, self.axis)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        with_dtype!(call.inputs[0].dtype(), T => {
            along_axis(call, self.axis, |y: &mut [i32], [x]: [&[T]; 1], length| kernel::argsort(y, x, length));
        });
        Ok(())
    }
}

/// x (…, n) → values (…, k), positions int32 (…, k): the greatest elements of the last axis, the greatest first, the
/// earlier of equals first.
#[derive(Debug)]
struct TopK {
    k: usize,
}
attributes!(TopK { k });

impl TopK {
    fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        let mut shape = x.shape.clone();
        match shape.last_mut() {
            Some(length) if self.k <= *length => *length = self.k,
            _ => {
                return Err(Error::Shape(format!(
                    "top_k expects a last axis of k elements or more. Received: k={}, input shape={:?}",
                    self.k, x.shape
                )));
            }
        }
        Ok(vec![TensorType::new(x.dtype, &*shape), TensorType::new(DType::I32, shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let shape = graph.shape(node.inputs[0]);
        let axis = shape.len() - 1;
        let size = shape[axis];
        Ok(vec![match node.doutputs[0] {
            Some(dvalues) => Some(scatter_along_axis(graph, node.outputs[1], dvalues, size, axis)?),
            None => None,
        }])
    }

    fn workspace_bytes(&self, inputs: &[&TensorType], _: &[&TensorType]) -> usize {
        inputs[0].size() * size_of::<i32>()
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let length = *call.inputs[0].shape().last().expect("the shape rule refuses scalars");
        let order = elements_of::<i32>(call.workspace);
        let [values, positions] = call.outputs else { unreachable!("top_k has two outputs") };
        with_dtype!(call.inputs[0].dtype(), T => {
            let x = call.inputs[0].slice::<T>();
            kernel::top_k(values.slice::<T>(), positions.slice(), x, length, self.k, order);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{check_gradient, elements, ints, run, tensor, uniform};

    fn sort(axis: usize) -> OpRef {
        Arc::new(Sort { axis })
    }

    fn argsort(axis: usize) -> OpRef {
        Arc::new(Argsort { axis })
    }

    fn top_k(k: usize) -> OpRef {
        Arc::new(TopK { k })
    }

    proptest! {
        #[test]
        fn order_agrees_with_a_stable_sort(
            rows in prop::collection::vec(prop::collection::vec(-5..5i32, 7), 1..5),
            k in 0..=7usize,
            transposed: bool,
        ) {
            // Along axis 1 of (rows, 7), or along axis 0 of (7, rows).
            let (n, length) = (rows.len(), 7);
            let layout = |rows: &[Vec<i32>]| -> Vec<i32> {
                match transposed {
                    false => rows.concat(),
                    true => (0..n * length).map(|at| rows[at % n][at / n]).collect(),
                }
            };
            let (shape, axis) = if transposed { ([length, n], 0) } else { ([n, length], 1) };
            let x = ints(&shape, &layout(&rows));
            let order = |row: &Vec<i32>| {
                let mut order: Vec<i32> = (0..length as i32).collect();
                order.sort_by_key(|&at| row[at as usize]);
                order
            };
            let positions: Vec<Vec<i32>> = rows.iter().map(order).collect();
            let sorted: Vec<Vec<i32>> = rows
                .iter()
                .zip(&positions)
                .map(|(row, order)| order.iter().map(|&at| row[at as usize]).collect())
                .collect();
            let floats = |ints: Vec<i32>| ints.into_iter().map(f64::from).collect::<Vec<_>>();
            let found = |op: OpRef| elements(&run(&op, std::slice::from_ref(&x)).unwrap()[0]);
            prop_assert_eq!(found(argsort(axis)), floats(layout(&positions)));
            prop_assert_eq!(found(sort(axis)), floats(layout(&sorted)));
            if !transposed {
                let best = |row: &Vec<i32>| {
                    let mut order: Vec<i32> = (0..length as i32).collect();
                    order.sort_by_key(|&at| -row[at as usize]);
                    order.truncate(k);
                    order
                };
                let outputs = run(&top_k(k), std::slice::from_ref(&x)).unwrap();
                let positions: Vec<Vec<i32>> = rows.iter().map(best).collect();
                prop_assert_eq!(elements(&outputs[1]), floats(positions.concat()));
                let values =
                    rows.iter().zip(&positions).flat_map(|(row, order)| order.iter().map(|&at| row[at as usize]));
                prop_assert_eq!(elements(&outputs[0]), floats(values.collect()));
            }
        }
    }

    #[test]
    fn gradients() {
        let x = uniform(&[3, 4, 2], 1, -1.0, 1.0);
        for axis in 0..3 {
            check_gradient(&sort(axis), std::slice::from_ref(&x));
        }
        check_gradient(&top_k(2), &[uniform(&[3, 5], 1, -1.0, 1.0)]);
    }

    #[test]
    fn nan_is_the_greatest() {
        let x = tensor(&[4], |index| [2.0, f64::NAN, -1.0, f64::INFINITY][index]);
        assert_eq!(elements(&run(&argsort(0), std::slice::from_ref(&x)).unwrap()[0]), [2.0, 0.0, 3.0, 1.0]);
        assert_eq!(elements(&run(&top_k(2), &[x]).unwrap()[1]), [1.0, 3.0]);
    }

    #[test]
    fn more_than_there_are_is_refused() {
        let error = TopK { k: 4 }.output_types(&[&TensorType::new(DType::F32, [2, 3])]).unwrap_err();
        assert!(error.to_string().contains("k=4"), "{error}");
        assert!(TopK { k: 1 }.output_types(&[&TensorType::new(DType::F32, [])]).is_err());
    }
}
