//! Every op against what its row says, and what the tables do not say.

mod accuracy;
mod gradients;
mod properties;
mod sequences;

use super::*;
use crate::graph::{Attribute, Attributes, OpRef};
use crate::ops::registry;
use crate::ops::testing::{bools, elements, ints, run, tensor};
use crate::tensor::DType;

fn op(name: &str) -> OpRef {
    registry::build(name, &Attributes::default()).unwrap()
}

fn cast_to(dtype: &str) -> OpRef {
    let dtype = ("dtype".to_string(), Attribute::String(dtype.into()));
    registry::build("cast", &Attributes::new([dtype])).unwrap()
}

fn error(name: &str, inputs: &[Tensor]) -> String {
    run(&op(name), inputs).unwrap_err().to_string()
}

#[test]
fn every_name_builds_an_op_of_that_name() {
    for entry in FAMILIES.iter().copied().flatten() {
        if entry.name != "cast" {
            assert_eq!(op(entry.name).name(), entry.name);
        }
    }
    assert_eq!(cast_to("int32").name(), "cast");
}

#[test]
fn shapes_broadcast_as_in_numpy() {
    for (a, b, expected) in [
        (&[][..], &[][..], Some(vec![])),
        (&[2, 3], &[], Some(vec![2, 3])),
        (&[2, 3], &[3], Some(vec![2, 3])),
        (&[2, 1], &[1, 3], Some(vec![2, 3])),
        (&[4, 1, 3], &[2, 1], Some(vec![4, 2, 3])),
        (&[0, 3], &[1], Some(vec![0, 3])),
        (&[0], &[1, 1], Some(vec![1, 0])),
        (&[0], &[2], None),
        (&[2, 3], &[2], None),
        (&[3], &[2], None),
    ] {
        assert_eq!(broadcast_shapes(a, b), expected, "{a:?} and {b:?}");
        assert_eq!(broadcast_shapes(b, a), expected, "{b:?} and {a:?}");
    }
}

#[test]
fn dtypes_are_checked() {
    let float = || tensor(&[2], |i| i as f64);
    let int = || ints(&[2], &[1, 2]);
    let bool = || bools(&[2], &[true, false]);
    assert_eq!(
        error("add", &[float(), int()]),
        "add expects inputs of one dtype. Received: float64[2], int32[2]"
    );
    assert_eq!(
        error("add", &[float(), tensor(&[3], |_| 0.0)]),
        "add expects shapes that broadcast to one another. Received: float64[2], float64[3]"
    );
    assert_eq!(
        error("divide", &[int(), int()]),
        "divide expects inputs of dtype float32 or float64. Received: inputs of dtype int32"
    );
    assert!(error("exp", &[int()]).ends_with("Received: x of dtype int32"));
    assert!(error("negative", &[bool()]).ends_with("Received: x of dtype bool"));
    assert!(error("logical_and", &[float(), float()]).ends_with("Received: inputs of dtype float64"));
    assert!(error("logical_not", &[int()]).ends_with("Received: x of dtype int32"));
    assert!(error("select", &[float(), float(), float()]).contains("condition"));
    assert!(error("select", &[bool(), float(), int()]).contains("one dtype"));
    assert!(error("exp", &[float(), float()]).contains("Received: 2 inputs"));
}

#[test]
fn comparisons_give_bools() {
    let a = ints(&[3], &[1, 2, 3]);
    let b = ints(&[], &[2]);
    for (name, expected) in [
        ("equal", [0.0, 1.0, 0.0]),
        ("not_equal", [1.0, 0.0, 1.0]),
        ("less", [1.0, 0.0, 0.0]),
        ("less_equal", [1.0, 1.0, 0.0]),
        ("greater", [0.0, 0.0, 1.0]),
        ("greater_equal", [0.0, 1.0, 1.0]),
    ] {
        let output = run(&op(name), &[a.clone(), b.clone()]).unwrap().remove(0);
        assert_eq!(output.dtype(), DType::Bool);
        assert_eq!(elements(&output), expected, "{name}");
    }
    let special = tensor(&[3], |i| [f64::NAN, f64::INFINITY, 1.0][i]);
    assert_eq!(elements(&run(&op("isnan"), std::slice::from_ref(&special)).unwrap()[0]), [1.0, 0.0, 0.0]);
    assert_eq!(elements(&run(&op("isfinite"), &[special]).unwrap()[0]), [0.0, 0.0, 1.0]);
}

#[test]
fn casts_to_every_dtype() {
    let x = tensor(&[4], |i| [-1.9, 0.0, 0.5, 3.0][i]);
    for (dtype, expected) in [
        ("float32", [-1.9f32 as f64, 0.0, 0.5, 3.0]),
        ("float64", [-1.9, 0.0, 0.5, 3.0]),
        ("int32", [-1.0, 0.0, 0.0, 3.0]),
        ("bool", [1.0, 0.0, 1.0, 1.0]),
    ] {
        let y = run(&cast_to(dtype), std::slice::from_ref(&x)).unwrap().remove(0);
        assert_eq!(y.dtype().name(), dtype);
        assert_eq!(elements(&y), expected);
    }
}
