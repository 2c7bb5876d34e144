//! Ops of one input: what a row says of one, and the op that is made of it.

use std::fmt;

use super::{expect_form, run_unfused};
use crate::error::Result;
use crate::graph::{Call, Differentiated, Graph, Op, Properties, Value};
use crate::kernels::elementwise::{Arithmetic, Form, Instruction, Meaning};
use crate::ops::check::expect_inputs;
use crate::tensor::TensorType;

/// A row of a table of ops: x (…) → y (…), element by element.
pub struct Unary {
    /// In the registry, and in `rustnet.ops`' calls of the engine.
    pub name: &'static str,
    /// The function in each dtype that it is defined for.
    pub forms: &'static [Form],
    /// What it computes, in float64 arithmetic: the tests compare the forms with it.
    pub exact: fn(f64) -> f64,
    /// What it computes of an int32, where float64 is not exact.
    pub exact_int: Option<fn(i32) -> i32>,
    /// By how many units in the last place the float32 form is off at most, over the whole range of float32.
    pub ulps: f64,
    /// The link of a chain that computes the same.
    pub link: Option<Arithmetic>,
    /// The cost of an element in float32 and float64; `None` is that of an addition.
    pub picoseconds: Option<[u64; 2]>,
    /// d loss / d x of x, y = f(x) and dy = d loss / d y. `Ok(None)` where no gradient flows.
    pub gradient: fn(&mut Graph, x: Value, y: Value, dy: Value) -> Result<Option<Value>>,
    /// Between which numbers the gradient is compared with finite differences.
    pub domain: [f64; 2],
    /// Where the slope jumps or is infinite: x, and the slope that stands for it there, which is Keras's.
    pub kinks: &'static [(f64, f64)],
    pub properties: Properties,
}

impl Unary {
    /// What a row says unless it says otherwise: exact, as quick as an addition, without a gradient.
    pub(super) const fn new(name: &'static str, forms: &'static [Form], exact: fn(f64) -> f64) -> Self {
        Self {
            name,
            forms,
            exact,
            exact_int: None,
            ulps: 0.5,
            link: None,
            picoseconds: None,
            gradient: |_, _, _, _| Ok(None),
            domain: [-2.0, 2.0],
            kinks: &[],
            properties: Properties::NONE,
        }
    }

    pub fn instruction(&self) -> Instruction {
        Instruction {
            name: self.name,
            forms: self.forms,
            meaning: Meaning::Unary { float: self.exact, int: self.exact_int },
            link: self.link,
            picoseconds: self.picoseconds,
        }
    }
}

/// The op of a row.
pub(super) struct UnaryOp(pub &'static Unary);

impl fmt::Debug for UnaryOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Op for UnaryOp {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        let form = expect_form(self, "x", x, self.0.forms)?;
        Ok(vec![TensorType::new(form.output, &*x.shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![(self.0.gradient)(graph, node.inputs[0], node.outputs[0], node.doutput())?])
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

/// A table of ops of one input: for each row the function as a type, a builder of nodes, and an entry of the registry.
///
/// A row is the builder's name, the function's, the op's, then the function in each dtype (`[f32 f64] |x| …;`, with
/// `=> u8` where it gives a bool in its byte, and without a closure where [`UnaryFunction`] is implemented below the
/// table), what it computes in float64, and the other fields of [`Unary`] that are not as usual.
///
/// [`UnaryFunction`]: crate::kernels::elementwise::UnaryFunction
macro_rules! unary {
    ($($(#[$documentation:meta])* $builder:ident $Function:ident $name:literal {
        $([$($t:ident)+ $(=> $out:ident)?] $(|$x:ident| $body:expr)?;)+
        exact: $exact:expr,
        $($field:ident: $value:expr,)*
    })+) => {
        pub(super) const OPS: &[$crate::ops::entry::Entry] = &[$($crate::ops::entry::Entry {
            name: $name,
            build: |attributes| {
                attributes.only(&[])?;
                Ok(std::sync::Arc::new($crate::ops::elementwise::unary::UnaryOp($Function::ROW)))
            },
        }),+];

        pub(super) const ROWS: &[&$crate::ops::elementwise::Unary] = &[$($Function::ROW),+];

        $(
            struct $Function;

            impl $Function {
                const ROW: &'static $crate::ops::elementwise::Unary = &$crate::ops::elementwise::Unary {
                    $($field: $value,)*
                    ..$crate::ops::elementwise::Unary::new(
                        $name,
                        &[$($($crate::kernels::elementwise::Form::unary::<$Function, $t>()),+),+],
                        $exact,
                    )
                };
            }

            $($crate::ops::elementwise::unary::unary!(
                @function $Function, [$($t)+], [$($out)?], [$(|$x| $body)?]
            );)+

            $(#[$documentation])*
            pub fn $builder(
                graph: &mut $crate::graph::Graph,
                x: $crate::graph::Value,
            ) -> $crate::error::Result<$crate::graph::Value> {
                graph.apply1(std::sync::Arc::new($crate::ops::elementwise::unary::UnaryOp($Function::ROW)), &[x])
            }
        )+
    };
    (@function $Function:ident, [$($t:ident)+], [], [|$x:ident| $body:expr]) => {$(
        $crate::ops::elementwise::unary::unary!(@function $Function, [$t], [$t], [|$x| $body]);
    )+};
    (@function $Function:ident, [$($t:ident)+], [$out:ident], [|$x:ident| $body:expr]) => {$(
        impl $crate::kernels::elementwise::UnaryFunction<$t> for $Function {
            type Output = $out;

            #[inline(always)]
            fn element<const FMA: bool>($x: $t) -> $out {
                $body
            }
        }
    )+};
    (@function $($by_hand:tt)*) => {};
}

pub(super) use unary;
