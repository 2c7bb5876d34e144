//! Numbers that users give as indices.

use std::sync::Arc;

use super::position;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::ops::check::{NUMBERS, expect_dtype, expect_inputs};
use crate::tensor::{DType, TensorType};
use crate::with_dtype;

/// x (…), whole numbers of any dtype → indices int32 (…) in 0..size, if there is a size. A negative x counts from the
/// end where `from_end`.
#[derive(Debug)]
pub(super) struct Index {
    size: Option<usize>,
    from_end: bool,
}
attributes!(Index { size, from_end });

impl Index {
    pub fn build(attributes: &Attributes) -> Result<OpRef> {
        Ok(Arc::new(Self::from_attributes(attributes)?))
    }

    /// The index that `x` is, or what was expected of it. Numbers from `exact` on have neighbours that x may have been
    /// rounded from.
    fn checked(&self, x: f64, exact: f64) -> std::result::Result<i32, String> {
        if x != x.trunc() || !x.is_finite() {
            return Err("a whole number".into());
        }
        if x.abs() >= exact {
            return Err(if exact < 2f64.powi(31) {
                format!("below {exact} in float32, which does not hold greater numbers exactly: use integers")
            } else {
                "a number that int32 holds".into()
            });
        }
        let Some(size) = self.size else { return Ok(x as i32) };
        let lowest = if self.from_end { -(size as f64) } else { 0.0 };
        if lowest <= x && x < size as f64 {
            return Ok(if x < 0.0 { x + size as f64 } else { x } as i32);
        }
        Err(format!("{lowest} <= index < {size}"))
    }
}

impl Op for Index {
    fn name(&self) -> &'static str {
        "index"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_dtype(self, "x", x, NUMBERS)?;
        Ok(vec![TensorType::new(DType::I32, &*x.shape)])
    }

    fn gradient(&self, _: &Differentiated<'_>, _: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let input = &call.inputs[0];
        let exact = if input.dtype() == DType::F32 { 2f64.powi(24) } else { 2f64.powi(31) };
        with_dtype!(input.dtype(), T => {
            let x = input.slice::<T>();
            for (at, (&x, index)) in x.iter().zip(call.outputs[0].slice::<i32>()).enumerate() {
                #[allow(clippy::useless_conversion)] // for float64 alone
                let wide = f64::from(x);
                *index = self.checked(wide, exact).map_err(|expected| {
                    let position = position(at, input.shape());
                    // A fraction with the digits of its own dtype, a whole number with all of its digits.
                    let given = if wide == wide.trunc() { wide.to_string() } else { x.to_string() };
                    Error::Data(format!("index {given} at position {position:?}; expected {expected}"))
                })?;
            }
        });
        Ok(())
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{elements, ints, run, tensor};

    fn index(size: Option<usize>, from_end: bool) -> OpRef {
        Arc::new(Index { size, from_end })
    }

    #[test]
    fn whole_numbers_become_indices() {
        let y = run(&index(Some(3), true), &[ints(&[4], &[-3, -1, 0, 2])]).unwrap().remove(0);
        assert_eq!((y.dtype(), elements(&y)), (DType::I32, vec![0.0, 2.0, 0.0, 2.0]));
        let y = run(&index(None, false), &[tensor(&[3], |i| [-0.0, 7.0, -2147483647.0][i])]).unwrap();
        assert_eq!(elements(&y[0]), [0.0, 7.0, -2147483647.0]);
    }

    #[test]
    fn others_are_named_as_they_were_given() {
        for (size, from_end, x, message) in [
            (Some(3), true, -4.0, "index -4 at position [1]; expected -3 <= index < 3"),
            (Some(3), false, -1.0, "index -1 at position [1]; expected 0 <= index < 3"),
            (Some(3), true, 3.0, "index 3 at position [1]; expected -3 <= index < 3"),
            (None, false, 1.7, "index 1.7 at position [1]; expected a whole number"),
            (None, false, f64::NAN, "index NaN at position [1]; expected a whole number"),
            (None, false, f64::INFINITY, "index inf at position [1]; expected a whole number"),
            (
                None,
                false,
                1_099_511_627_776.0,
                "index 1099511627776 at position [1]; expected a number that int32 holds",
            ),
        ] {
            let error = run(&index(size, from_end), &[tensor(&[2], |i| [0.0, x][i])]).unwrap_err();
            assert_eq!(error, Error::Data(message.into()));
        }
    }
}
