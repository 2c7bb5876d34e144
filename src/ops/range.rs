//! A check of the data: every element lies in an interval, and where that is wanted is a whole number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::check::{FLOATS, expect_dtype, expect_inputs};
use super::entry::Entry;
use super::gather::position;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::parallel::for_each_chunk;
use crate::tensor::TensorType;
use crate::with_float;

pub const OPS: &[Entry] = &[Entry { name: "check_range", build: CheckRange::build }];

/// Elements that one part of the loop checks.
const PART: usize = 1 << 14;

/// x (…) → x, or an error that names the first element outside of `low..=high`. NaN lies outside unless `allows_nan`,
/// and with `whole` so does what is no whole number.
#[derive(Debug)]
struct CheckRange {
    low: f64,
    high: f64,
    allows_nan: bool,
    whole: bool,
    /// What was expected, for the message.
    expected: String,
}
attributes!(listed CheckRange { low, high, allows_nan, whole, expected });

impl CheckRange {
    fn build(attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["low", "high", "allows_nan", "whole", "expected"])?;
        Ok(Arc::new(Self {
            low: attributes.float("low")?,
            high: attributes.float("high")?,
            allows_nan: attributes.bool("allows_nan")?,
            whole: attributes.bool("whole")?,
            expected: attributes.string("expected")?.to_string(),
        }))
    }
}

impl Op for CheckRange {
    fn name(&self) -> &'static str {
        "check_range"
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [x] = expect_inputs(self, inputs)?;
        expect_dtype(self, "x", x, FLOATS)?;
        Ok(vec![x.clone()])
    }

    fn gradient(&self, node: &Differentiated<'_>, _: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(node.doutput())])
    }

    fn checks_data(&self) -> bool {
        true
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        with_float!(call.inputs[0].dtype(), T => {
            let x = call.input::<T>(0);
            let (low, high) = (self.low as T, self.high as T);
            let is_inside = |x: T| match x.is_nan() {
                true => self.allows_nan,
                false => low <= x && x <= high && !(self.whole && x != x.floor()),
            };
            let first = AtomicUsize::new(usize::MAX);
            for_each_chunk(call.output::<T>(0), PART, x.len() as u64, &|part, y| {
                let from = part * PART;
                let x = &x[from..from + y.len()];
                y.copy_from_slice(x);
                if let Some(at) = x.iter().position(|&x| !is_inside(x)) {
                    first.fetch_min(from + at, Ordering::Relaxed);
                }
            });
            match first.into_inner() {
                usize::MAX => Ok(()),
                at => Err(Error::Data(format!(
                    "expected {}. Received: {} at position {:?}",
                    self.expected,
                    x[at],
                    position(at, call.inputs[0].shape())
                ))),
            }
        })
    }

    fn flops(&self, _: &[&TensorType], _: &[&TensorType]) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_gradient, elements, run, tensor, uniform};

    fn op(low: f64, high: f64, allows_nan: bool) -> OpRef {
        Arc::new(CheckRange { low, high, allows_nan, whole: false, expected: "a share".to_string() })
    }

    #[test]
    fn elements_inside_pass_as_they_are() {
        let x = uniform(&[300, 100], 1, 0.0, 1.0);
        assert_eq!(elements(&run(&op(0.0, 1.0, false), std::slice::from_ref(&x)).unwrap()[0]), elements(&x));
        check_gradient(&op(0.0, 1.0, false), &[x]);
    }

    #[test]
    fn the_first_element_outside_is_named() {
        for (value, shown) in [(1.5, "1.5"), (-0.5, "-0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let x = tensor(&[300, 100], |at| if at == 20_001 || at == 29_999 { value } else { 0.5 });
            let error = run(&op(0.0, 1.0, false), std::slice::from_ref(&x)).unwrap_err().to_string();
            assert_eq!(error, format!("expected a share. Received: {shown} at position [200, 1]"));
            assert_eq!(run(&op(0.0, 1.0, true), &[x]).is_ok(), value.is_nan());
        }
        let infinite = tensor(&[1], |_| f64::INFINITY);
        assert!(run(&op(0.0, f64::INFINITY, true), &[infinite]).is_ok());
    }

    #[test]
    fn fractions_are_outside_where_whole_numbers_are_wanted() {
        let op = |whole| -> OpRef {
            let expected = "a class".to_string();
            Arc::new(CheckRange { low: -5.0, high: 5.0, allows_nan: false, whole, expected })
        };
        for (value, is_whole) in [(3.0, true), (-3.0, true), (1.5, false), (-1e-3, false)] {
            let x = tensor(&[2], |_| value);
            assert_eq!(run(&op(true), std::slice::from_ref(&x)).is_ok(), is_whole);
            assert!(run(&op(false), &[x]).is_ok());
        }
    }
}
