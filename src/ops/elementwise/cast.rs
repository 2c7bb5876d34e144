//! Conversion between dtypes.

use std::marker::PhantomData;
use std::sync::Arc;

use super::run_unfused;
use crate::error::Result;
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::elementwise::{Form, Instruction, Meaning, UnaryFunction};
use crate::ops::check::expect_inputs;
use crate::ops::entry::Entry;
use crate::tensor::{DType, TensorType};

pub const OPS: &[Entry] = &[Entry { name: "cast", build: Cast::build }];

/// `x` as `dtype`; the same value where it has that dtype already.
pub fn cast(graph: &mut Graph, x: Value, dtype: DType) -> Result<Value> {
    if graph.ty(x).dtype == dtype {
        return Ok(x);
    }
    graph.apply1(Arc::new(Cast { dtype }), &[x])
}

/// x (…) → (…) of `dtype`. A float becomes an int by truncation, and a bool by comparison with 0.
#[derive(Debug)]
struct Cast {
    dtype: DType,
}
attributes!(Cast { dtype });

impl Cast {
    fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        Ok(vec![TensorType::new(self.dtype, &*x.shape)])
    }

    fn gradient(&self, node: &Differentiated<'_>, graph: &mut Graph) -> Result<Vec<Option<Value>>> {
        let dtype = graph.ty(node.inputs[0]).dtype;
        let dx = if dtype.is_float() { Some(cast(graph, node.doutput(), dtype)?) } else { None };
        Ok(vec![dx])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        run_unfused(self, call)
    }

    fn instruction(&self, _: &[&TensorType]) -> Option<Instruction> {
        Some(instruction(self.dtype))
    }
}

/// The conversion to `dtype`.
pub fn instruction(dtype: DType) -> Instruction {
    let (name, forms) = match dtype {
        DType::F32 => ("cast to float32", To::<f32>::FORMS),
        DType::F64 => ("cast to float64", To::<f64>::FORMS),
        DType::I32 => ("cast to int32", To::<i32>::FORMS),
        DType::Bool => ("cast to bool", To::<u8>::FORMS),
    };
    Instruction { name, forms, meaning: Meaning::Cast, link: None, picoseconds: None }
}

/// Any number → U
struct To<U>(PhantomData<U>);

macro_rules! conversions {
    ($($to:ident { $($from:ident: |$x:ident| $body:expr;)* })*) => {$(
        impl To<$to> {
            const FORMS: &'static [Form] = &[$(Form::unary::<To<$to>, $from>()),*];
        }

        $(impl UnaryFunction<$from> for To<$to> {
            type Output = $to;

            #[inline(always)]
            fn element<const FMA: bool>($x: $from) -> $to {
                $body
            }
        })*
    )*};
}

conversions! {
    f32 {
        f32: |x| x;
        f64: |x| x as f32;
        i32: |x| x as f32;
        u8: |x| f32::from(x);
    }
    f64 {
        f32: |x| f64::from(x);
        f64: |x| x;
        i32: |x| f64::from(x);
        u8: |x| f64::from(x);
    }
    i32 {
        f32: |x| x as i32;
        f64: |x| x as i32;
        i32: |x| x;
        u8: |x| i32::from(x);
    }
    u8 {
        f32: |x| u8::from(x != 0.0);
        f64: |x| u8::from(x != 0.0);
        i32: |x| u8::from(x != 0);
        u8: |x| x;
    }
}
