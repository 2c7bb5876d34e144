//! Ops of two inputs, which broadcast to one another: what a row says of one, and the op that is made of it.

use std::fmt;

use super::{broadcast_inputs, expect_form, expect_one_dtype, run_unfused};
use crate::error::Result;
use crate::graph::{Call, Differentiated, Graph, Op, Properties, Value};
use crate::kernels::elementwise::{Arithmetic, Form, Instruction, Meaning};
use crate::ops::check::expect_inputs;
use crate::ops::reduce::sum_to;
use crate::tensor::TensorType;

/// The part of a gradient that belongs to one input, in the shape of the output: of a, b, y = f(a, b) and
/// dy = d loss / d y. `Ok(None)` where no gradient flows.
type Gradient = fn(&mut Graph, a: Value, b: Value, y: Value, dy: Value) -> Result<Option<Value>>;

/// A row of a table of ops: a (…), b (…) → y (…), element by element.
pub struct Binary {
    /// In the registry, and in `rustnet.ops`' calls of the engine.
    pub name: &'static str,
    /// The function in each dtype that it is defined for; both inputs have the same.
    pub forms: &'static [Form],
    /// What it computes, in float64 arithmetic: the tests compare the forms with it.
    pub exact: fn(f64, f64) -> f64,
    /// What it computes of int32, where float64 is not exact.
    pub exact_int: Option<fn(i32, i32) -> i32>,
    /// By how many units in the last place the float32 form is off at most, over the whole range of float32.
    pub ulps: f64,
    /// The link of a chain that computes the same.
    pub link: Option<Arithmetic>,
    /// The cost of an element in float32 and float64; `None` is that of an addition.
    pub picoseconds: Option<[u64; 2]>,
    /// d loss / d a
    pub da: Gradient,
    /// d loss / d b
    pub db: Gradient,
    /// Between which numbers a and b are when the gradients are compared with finite differences.
    pub domains: [[f64; 2]; 2],
    /// Where a slope jumps: [a, b], and the slopes of both that stand for it there, which are Keras's.
    pub kinks: &'static [([f64; 2], [f64; 2])],
    pub properties: Properties,
}

impl Binary {
    /// What a row says unless it says otherwise: exact, as quick as an addition, without a gradient.
    pub(super) const fn new(name: &'static str, forms: &'static [Form], exact: fn(f64, f64) -> f64) -> Self {
        Self {
            name,
            forms,
            exact,
            exact_int: None,
            ulps: 0.5,
            link: None,
            picoseconds: None,
            da: |_, _, _, _, _| Ok(None),
            db: |_, _, _, _, _| Ok(None),
            // Away from zero, where divisions jump.
            domains: [[0.6, 2.4], [0.6, 1.4]],
            kinks: &[],
            properties: Properties::NONE,
        }
    }

    pub fn instruction(&self) -> Instruction {
        Instruction {
            name: self.name,
            forms: self.forms,
            meaning: Meaning::Binary { float: self.exact, int: self.exact_int },
            link: self.link,
            picoseconds: self.picoseconds,
        }
    }
}

/// The op of a row.
pub(super) struct BinaryOp(pub &'static Binary);

impl fmt::Debug for BinaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Op for BinaryOp {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [a, _] = expect_inputs(self, inputs)?;
        expect_one_dtype(self, inputs)?;
        let form = expect_form(self, "inputs", a, self.0.forms)?;
        Ok(vec![TensorType::new(form.output, broadcast_inputs(self, inputs)?)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let (a, b, y, dy) = (node.inputs[0], node.inputs[1], node.outputs[0], node.doutput());
        let da = if node.wanted[0] { (self.0.da)(graph, a, b, y, dy)? } else { None };
        let db = if node.wanted[1] { (self.0.db)(graph, a, b, y, dy)? } else { None };
        Ok(vec![reduced(graph, da, a)?, reduced(graph, db, b)?])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(self.0.instruction())
    }

    fn properties(&self) -> Properties {
        self.0.properties
    }
}

/// Sums a gradient of the broadcast shape back to the shape of `input`.
fn reduced(graph: &mut Graph, gradient: Option<Value>, input: Value) -> Result<Option<Value>> {
    let shape = graph.shape(input).to_vec();
    gradient.map(|gradient| sum_to(graph, gradient, &shape)).transpose()
}

/// A table of ops of two inputs, like [`unary`](super::unary::unary): the closures take two elements.
macro_rules! binary {
    ($($(#[$documentation:meta])* $builder:ident $Function:ident $name:literal {
        $([$($t:ident)+ $(=> $out:ident)?] $(|$a:ident, $b:ident| $body:expr)?;)+
        exact: $exact:expr,
        $($field:ident: $value:expr,)*
    })+) => {
        pub(super) const OPS: &[$crate::ops::entry::Entry] = &[$($crate::ops::entry::Entry {
            name: $name,
            build: |attributes| {
                attributes.only(&[])?;
                Ok(std::sync::Arc::new($crate::ops::elementwise::binary::BinaryOp($Function::ROW)))
            },
        }),+];

        pub(super) const ROWS: &[&$crate::ops::elementwise::Binary] = &[$($Function::ROW),+];

        $(
            struct $Function;

            impl $Function {
                const ROW: &'static $crate::ops::elementwise::Binary = &$crate::ops::elementwise::Binary {
                    $($field: $value,)*
                    ..$crate::ops::elementwise::Binary::new(
                        $name,
                        &[$($($crate::kernels::elementwise::Form::binary::<$Function, $t>()),+),+],
                        $exact,
                    )
                };
            }

            $($crate::ops::elementwise::binary::binary!(
                @function $Function, [$($t)+], [$($out)?], [$(|$a, $b| $body)?]
            );)+

            $(#[$documentation])*
            pub fn $builder(
                graph: &mut $crate::graph::Graph,
                a: $crate::graph::Value,
                b: $crate::graph::Value,
            ) -> $crate::error::Result<$crate::graph::Value> {
                graph.apply1(
                    std::sync::Arc::new($crate::ops::elementwise::binary::BinaryOp($Function::ROW)),
                    &[a, b],
                )
            }
        )+
    };
    (@function $Function:ident, [$($t:ident)+], [], [|$a:ident, $b:ident| $body:expr]) => {$(
        $crate::ops::elementwise::binary::binary!(@function $Function, [$t], [$t], [|$a, $b| $body]);
    )+};
    (@function $Function:ident, [$($t:ident)+], [$out:ident], [|$a:ident, $b:ident| $body:expr]) => {$(
        impl $crate::kernels::elementwise::BinaryFunction<$t> for $Function {
            type Output = $out;

            #[inline(always)]
            fn element<const FMA: bool>($a: $t, $b: $t) -> $out {
                $body
            }
        }
    )+};
    (@function $($by_hand:tt)*) => {};
}

pub(super) use binary;
