//! The properties that rows state are those that the functions have.

use crate::graph::Properties;
use crate::ops::elementwise::{BINARY, Binary, UNARY, Unary};

/// In order, with 0, both signs, integers and halves.
fn numbers() -> Vec<f64> {
    (-40..=40).map(|k| f64::from(k) * 0.125).collect()
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * (1.0 + a.abs())
}

/// Whether numbers never fall, and none is NaN, which a maximum would carry on.
fn never_fall(y: impl Iterator<Item = f64> + Clone) -> bool {
    !y.clone().any(f64::is_nan) && y.is_sorted()
}

fn of_unary(row: &Unary) -> Properties {
    let (f, numbers) = (row.exact, numbers());
    let all = |holds: &dyn Fn(f64) -> bool| numbers.iter().all(|&x| holds(x));
    Properties {
        monotone: [never_fall(numbers.iter().map(|&x| f(x))), false],
        linear: [all(&|x| is_near(f(x + 1.25), f(x) + f(1.25)) && is_near(f(3.0 * x), 3.0 * f(x))), false],
        even: all(&|x| f(-x) == f(x)),
        odd: all(&|x| f(-x) == -f(x)),
        keeps_zero: f(0.0) == 0.0,
        idempotent: all(&|x| f(f(x)) == f(x)),
        commutative: false,
    }
}

fn of_binary(row: &Binary) -> Properties {
    let (f, numbers) = (row.exact, numbers());
    let all = |holds: &dyn Fn(f64, f64) -> bool| {
        numbers.iter().all(|&x| [-2.5, -1.0, 0.75, 3.0].into_iter().all(|z| holds(x, z)))
    };
    let monotone = |f: &dyn Fn(f64, f64) -> f64| {
        numbers.iter().all(|&other| never_fall(numbers.iter().map(|&x| f(x, other))))
    };
    let linear = |f: &dyn Fn(f64, f64) -> f64| {
        all(&|x, other| {
            is_near(f(x + 1.25, other), f(x, other) + f(1.25, other))
                && is_near(f(3.0 * x, other), 3.0 * f(x, other))
        })
    };
    Properties {
        monotone: [monotone(&|x, other| f(x, other)), monotone(&|x, other| f(other, x))],
        linear: [linear(&|x, other| f(x, other)), linear(&|x, other| f(other, x))],
        even: false,
        odd: false,
        keeps_zero: f(0.0, 0.0) == 0.0,
        idempotent: false,
        commutative: all(&|a, b| f(a, b) == f(b, a)),
    }
}

#[test]
fn rows_state_every_property_of_their_functions() {
    let gives_numbers =
        |forms: &[crate::kernels::elementwise::Form]| forms.iter().any(|form| form.output.is_float());
    for row in UNARY.iter().copied().flatten().filter(|row| gives_numbers(row.forms)) {
        assert_eq!(row.properties, of_unary(row), "{}", row.name);
    }
    for row in BINARY.iter().copied().flatten().filter(|row| gives_numbers(row.forms)) {
        assert_eq!(row.properties, of_binary(row), "{}", row.name);
    }
}

#[test]
fn of_predicates_only_the_order_of_the_operands_is_known() {
    for row in UNARY.iter().copied().flatten().filter(|row| !row.forms[0].output.is_float()) {
        assert_eq!(row.properties, Properties::NONE, "{}", row.name);
    }
    for row in BINARY.iter().copied().flatten().filter(|row| !row.forms[0].output.is_float()) {
        let commutative = of_binary(row).commutative;
        assert_eq!(row.properties, Properties { commutative, ..Properties::NONE }, "{}", row.name);
    }
}
