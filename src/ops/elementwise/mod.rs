//! Elementwise ops. None has a kernel of its own: chains of them become one fused loop over their instructions.

mod binary;
mod cast;
mod compare;
mod select;
mod unary;

pub use binary::{
    OPS as BINARY, add, divide, floor_divide, maximum, minimum, modulo, multiply, power, relu_backward,
    subtract,
};
pub use cast::{OPS as CAST, cast};
pub use compare::{
    OPS as COMPARE, equal, greater, greater_equal, less, less_equal, logical_and, logical_or, not_equal,
};
pub use select::{OPS as SELECT, select};
pub use unary::{
    OPS as UNARY, abs, ceil, cos, erf, exp, expm1, floor, is_finite, is_nan, log, log1p, logical_not,
    negative, reciprocal, relu, round, rsqrt, sigmoid, sign, sin, sqrt, square, tanh,
};

use crate::error::{Error, Result};
use crate::graph::{Call, Graph, Op, Value};
use crate::tensor::{Tensor, TensorType};

/// A constant of rank 0 and of the dtype of `like`, which broadcasts against it.
pub fn scalar_like(graph: &mut Graph, like: Value, value: f64) -> Value {
    let dtype = graph.ty(like).dtype;
    graph.constant(Tensor::scalar(dtype, value))
}

/// The shape that two shapes broadcast to, as in NumPy.
pub fn broadcast_shapes(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let extent =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |own| shape[own]);
    (0..rank)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (1, n) | (n, 1) => Some(n),
            (n, m) if n == m => Some(n),
            _ => None,
        })
        .collect()
}

/// The shape that `inputs` broadcast to, or why they do not.
fn broadcast_inputs(op: &dyn Op, inputs: &[&TensorType]) -> Result<Vec<usize>> {
    inputs
        .iter()
        .try_fold(Vec::new(), |shape, input| broadcast_shapes(&shape, &input.shape))
        .ok_or_else(|| mismatch(op, "shapes that broadcast to one another", inputs))
}

/// Fails where two inputs have different dtypes.
fn expect_one_dtype(op: &dyn Op, inputs: &[&TensorType]) -> Result<()> {
    if inputs.windows(2).all(|pair| pair[0].dtype == pair[1].dtype) {
        return Ok(());
    }
    Err(mismatch(op, "inputs of one dtype", inputs))
}

fn mismatch(op: &dyn Op, expected: &str, inputs: &[&TensorType]) -> Error {
    let received: Vec<String> = inputs.iter().map(|input| input.to_string()).collect();
    Error::Shape(format!("{} expects {expected}. Received: {}", op.name(), received.join(", ")))
}

/// The `run` of every elementwise op, which the engine never calls.
fn run_unfused(op: &dyn Op, _: &mut Call<'_>) -> Result<()> {
    Err(Error::Internal(format!("{} was run outside a fused loop", op.name())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attribute, Attributes, OpRef};
    use crate::ops::registry;
    use crate::ops::testing::{bools, check_gradient, elements, ints, run, tensor, uniform};
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
        for entry in [UNARY, BINARY, COMPARE, SELECT, CAST].into_iter().flatten() {
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
    fn gradients_of_unary_ops() {
        let anywhere = uniform(&[2, 5], 3, -2.0, 2.0);
        let positive = uniform(&[2, 5], 4, 0.3, 2.0);
        for name in [
            "negative", "abs", "sign", "square", "exp", "expm1", "sin", "cos", "tanh", "sigmoid", "relu",
            "erf", "floor", "ceil", "round",
        ] {
            check_gradient(&op(name), std::slice::from_ref(&anywhere));
        }
        for name in ["reciprocal", "sqrt", "rsqrt", "log", "log1p"] {
            check_gradient(&op(name), std::slice::from_ref(&positive));
        }
    }

    #[test]
    fn gradients_of_binary_ops_and_their_broadcasts() {
        for (a_shape, b_shape) in [
            (&[2, 3][..], &[2, 3][..]),
            (&[2, 3], &[3]),
            (&[2, 1], &[1, 3]),
            (&[], &[2, 3]),
            (&[4, 1, 3], &[2, 1]),
        ] {
            // Away from zero, where division and floor jump.
            let a = uniform(a_shape, 5, 0.6, 2.4);
            let b = uniform(b_shape, 6, 0.6, 1.4);
            for name in [
                "add",
                "subtract",
                "multiply",
                "divide",
                "power",
                "maximum",
                "minimum",
                "mod",
                "floor_divide",
            ] {
                check_gradient(&op(name), &[a.clone(), b.clone()]);
            }
        }
    }

    #[test]
    fn the_gradient_of_a_power_with_a_constant_exponent() {
        for exponent in [0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -1.7] {
            let x = uniform(&[5], 9, 0.4, 2.0);
            let mut graph = Graph::new();
            let value = graph.input(0, x.tensor_type());
            let exponent_value = scalar_like(&mut graph, value, exponent);
            let y = power(&mut graph, value, exponent_value).unwrap();
            let dy = scalar_like(&mut graph, value, 1.0);
            let dy = crate::ops::shape::broadcast_to(&mut graph, dy, &[5]).unwrap();
            let node = crate::graph::Differentiated {
                inputs: &[value, exponent_value],
                outputs: &[y],
                doutputs: &[Some(dy)],
                wanted: &[true, false],
            };
            let dx = op("power").gradient(&node, &mut graph).unwrap()[0];
            let dx = match dx {
                Some(dx) => elements(
                    &crate::ops::testing::evaluate(&graph, std::slice::from_ref(&x), &[dx]).unwrap()[0],
                ),
                None => vec![0.0; 5],
            };
            for (x, dx) in elements(&x).into_iter().zip(dx) {
                let expected = exponent * x.powf(exponent - 1.0);
                assert!((dx - expected).abs() < 1e-12, "d x^{exponent} = {dx}, not {expected}");
            }
        }
    }

    #[test]
    fn gradients_of_select_and_cast() {
        let condition = bools(&[2, 3], &[true, false, true, true, false, false]);
        let a = uniform(&[2, 3], 7, -1.0, 1.0);
        check_gradient(&op("select"), &[condition.clone(), a.clone(), uniform(&[2, 3], 8, -1.0, 1.0)]);
        check_gradient(&op("select"), &[condition, a.clone(), uniform(&[], 8, -1.0, 1.0)]);
        let row = bools(&[3], &[true, false, true]);
        check_gradient(&op("select"), &[row, uniform(&[2, 1], 9, -1.0, 1.0), a.clone()]);
        check_gradient(&cast_to("float64"), &[a]);
    }

    /// Gradients at the points where a choice is made: d y / d input for dy = 1.
    fn gradient_at(name: &str, inputs: &[Tensor]) -> Vec<Vec<f64>> {
        let mut graph = Graph::new();
        let values: Vec<Value> =
            inputs.iter().enumerate().map(|(index, input)| graph.input(index, input.tensor_type())).collect();
        let outputs = graph.apply(op(name), &values).unwrap();
        let shape = graph.shape(outputs[0]).to_vec();
        let dy = graph.constant(tensor(&shape, |_| 1.0));
        let node = crate::graph::Differentiated {
            inputs: &values,
            outputs: &outputs,
            doutputs: &[Some(dy)],
            wanted: &vec![true; inputs.len()],
        };
        let gradients = op(name).gradient(&node, &mut graph).unwrap();
        gradients
            .into_iter()
            .map(|gradient| {
                elements(&crate::ops::testing::evaluate(&graph, inputs, &[gradient.unwrap()]).unwrap()[0])
            })
            .collect()
    }

    #[test]
    fn gradients_at_kinks_follow_keras() {
        let zero = || tensor(&[1], |_| 0.0);
        assert_eq!(gradient_at("relu", &[zero()]), [[0.0]]);
        assert_eq!(gradient_at("abs", &[zero()]), [[0.0]]);
        assert_eq!(gradient_at("sqrt", &[zero()]), [[f64::INFINITY]]);
        assert_eq!(gradient_at("rsqrt", &[zero()]), [[f64::NEG_INFINITY]]);
        for name in ["maximum", "minimum"] {
            assert_eq!(gradient_at(name, &[zero(), zero()]), [[0.5], [0.5]]);
            let nan = tensor(&[1], |_| f64::NAN);
            assert_eq!(gradient_at(name, &[nan, zero()]), [[0.0], [0.0]]);
        }
        let base = || tensor(&[3], |_| 0.0);
        let exponents = tensor(&[3], |i| i as f64);
        assert_eq!(gradient_at("power", &[base(), exponents]), [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]);
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
}
