//! Tests of all reductions.

use std::sync::Arc;

use super::OPS;
use super::maximum::Maximum;
use super::mean::Mean;
use super::minimum::Minimum;
use super::product::Product;
use super::reduction::{Reduce, Reduction};
use super::sum::Sum;
use super::sum_of_squares::SumOfSquares;
use crate::graph::{Attribute, Attributes, Differentiated, Graph, OpRef};
use crate::ops::testing::{bools, check_gradient, elements, ints, run, tensor, uniform};
use crate::tensor::{DType, Tensor, TensorType};

fn op<R: Reduction>(axes: &[usize], keepdims: bool) -> OpRef {
    Arc::new(Reduce::<R>::new(axes, keepdims))
}

/// Every reduction of the list, over these axes.
fn all(axes: &[usize], keepdims: bool) -> Vec<OpRef> {
    let attributes = || {
        let axes = axes.iter().map(|&axis| axis as i64).collect();
        Attributes::new([
            ("axes".to_owned(), Attribute::Ints(axes)),
            ("keepdims".to_owned(), Attribute::Bool(keepdims)),
        ])
    };
    let reductions = OPS.iter().filter(|entry| entry.name.starts_with("reduce_"));
    reductions.map(|entry| (entry.build)(&attributes()).unwrap()).collect()
}

fn run1(op: &OpRef, x: &Tensor) -> (Vec<usize>, Vec<f64>) {
    let y = run(op, std::slice::from_ref(x)).unwrap().remove(0);
    (y.shape().to_vec(), elements(&y))
}

#[test]
fn axes_are_dropped_or_kept() {
    let x = tensor(&[2, 3], |index| index as f64 + 1.0);
    assert_eq!(run1(&op::<Sum>(&[0], false), &x), (vec![3], vec![5.0, 7.0, 9.0]));
    assert_eq!(run1(&op::<Mean>(&[1], true), &x), (vec![2, 1], vec![2.0, 5.0]));
    assert_eq!(run1(&op::<Maximum>(&[0, 1], false), &x), (vec![], vec![6.0]));
    assert_eq!(run1(&op::<Minimum>(&[1], false), &x), (vec![2], vec![1.0, 4.0]));
    assert_eq!(run1(&op::<Product>(&[1], false), &x), (vec![2], vec![6.0, 120.0]));
    assert_eq!(run1(&op::<SumOfSquares>(&[1], false), &x), (vec![2], vec![14.0, 77.0]));
    assert_eq!(run1(&op::<Sum>(&[], false), &x).1, elements(&x));
}

#[test]
fn ints_and_bools() {
    let x = ints(&[2, 2], &[1, 2, 3, -4]);
    assert_eq!(run1(&op::<Sum>(&[0, 1], false), &x).1, [2.0]);
    assert_eq!(run1(&op::<Product>(&[1], false), &x).1, [2.0, -12.0]);
    assert_eq!(run1(&op::<Minimum>(&[0], false), &x).1, [1.0, -4.0]);
    let x = bools(&[2, 2], &[true, false, true, true]);
    assert_eq!(run1(&op::<Maximum>(&[0, 1], false), &x).1, [1.0]);
    assert_eq!(run1(&op::<Minimum>(&[1], false), &x).1, [0.0, 1.0]);
}

#[test]
fn gradients_over_any_axes() {
    let x = uniform(&[2, 3, 4], 1, -1.0, 1.0);
    for axes in [&[][..], &[0], &[1], &[2], &[0, 2], &[0, 1, 2]] {
        for op in all(axes, false).iter().chain(&all(axes, true)) {
            check_gradient(op, std::slice::from_ref(&x));
        }
    }
}

#[test]
fn the_gradient_of_a_product_holds_with_zeros() {
    let x = tensor(&[3, 3], |index| [0.0, 2.0, 3.0, 0.0, 0.0, 5.0, 7.0, -1.0, 0.5][index]);
    check_gradient(&op::<Product>(&[1], false), std::slice::from_ref(&x));
    check_gradient(&op::<Product>(&[0, 1], false), &[x]);
}

#[test]
fn equal_extremes_share_the_gradient() {
    let mut graph = Graph::new();
    let x = graph.input(0, TensorType::new(DType::F64, [4]));
    let dy = graph.input(1, TensorType::new(DType::F64, []));
    let fold = op::<Maximum>(&[0], false);
    let y = graph.apply1(fold.clone(), &[x]).unwrap();
    let node = Differentiated { inputs: &[x], outputs: &[y], doutputs: &[Some(dy)], wanted: &[true] };
    let dx = fold.gradient(&node, &mut graph).unwrap()[0].unwrap();
    let feed = [tensor(&[4], |index| [1.0, 5.0, 5.0, 2.0][index]), tensor(&[], |_| 3.0)];
    let dx = crate::ops::testing::evaluate(&graph, &feed, &[dx]).unwrap();
    assert_eq!(elements(&dx[0]), [0.0, 1.5, 1.5, 0.0]);
}

#[test]
fn bad_inputs_are_named() {
    let x = TensorType::new(DType::F32, [2, 3]);
    for axes in [&[2][..], &[0, 0]] {
        let error = op::<Sum>(axes, false).output_types(&[&x]).unwrap_err().to_string();
        assert!(error.contains(&format!("axes={axes:?}")), "{error}");
    }
    let empty = TensorType::new(DType::F32, [0, 3]);
    assert!(op::<Maximum>(&[0], false).output_types(&[&empty]).is_err());
    assert!(op::<Maximum>(&[1], false).output_types(&[&empty]).is_ok());
    let ints = TensorType::new(DType::I32, [2]);
    assert!(op::<Mean>(&[0], false).output_types(&[&ints]).is_err());
}
