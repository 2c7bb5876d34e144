//! Random numbers: the same ones for the same seed, on any number of threads.

use std::sync::Arc;

use super::check::expect_inputs;
use super::entry::Entry;
use crate::error::{Error, Result};
use crate::graph::{Attributes, Call, Differentiated, Graph, Op, OpRef, Value, attributes};
use crate::kernels::random::{Distribution, draw};
use crate::tensor::{DType, TensorType};
use crate::with_float;

pub const OPS: &[Entry] = &[
    Entry { name: "random_uniform", build: |attributes| Random::build(Distribution::Uniform, attributes) },
    Entry { name: "random_normal", build: |attributes| Random::build(Distribution::Normal, attributes) },
    Entry {
        name: "random_truncated_normal",
        build: |attributes| Random::build(Distribution::TruncatedNormal, attributes),
    },
];

/// seed int32 (2) → numbers (shape) of a distribution.
#[derive(Debug)]
struct Random {
    distribution: Distribution,
    shape: Vec<usize>,
    dtype: DType,
}
attributes!(listed Random { shape, dtype });

impl Random {
    fn build(distribution: Distribution, attributes: &Attributes) -> Result<OpRef> {
        attributes.only(&["shape", "dtype"])?;
        let dtype = DType::from_name(attributes.string("dtype")?)?;
        if !dtype.is_float() {
            return Err(Error::Configuration(format!(
                "expected a dtype among float32, float64. Received: dtype={:?}",
                dtype.name()
            )));
        }
        Ok(Arc::new(Self { distribution, shape: attributes.sizes("shape")?, dtype }))
    }
}

impl Op for Random {
    fn name(&self) -> &'static str {
        match self.distribution {
            Distribution::Uniform => "random_uniform",
            Distribution::Normal => "random_normal",
            Distribution::TruncatedNormal => "random_truncated_normal",
        }
    }

    fn attributes(&self) -> Attributes {
        self.listed_attributes()
    }

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>> {
        let [seed] = expect_inputs(self, inputs)?;
        if *seed != TensorType::new(DType::I32, [2]) {
            return Err(Error::Shape(format!(
                "{} expects a seed int32[2]. Received: seed={seed}",
                self.name()
            )));
        }
        Ok(vec![TensorType::new(self.dtype, &*self.shape)])
    }

    fn gradient(&self, _: &Differentiated<'_>, _: &mut Graph) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }

    fn run(&self, call: &mut Call<'_>) -> Result<()> {
        let seed = call.input::<i32>(0);
        let key = [seed[0].cast_unsigned(), seed[1].cast_unsigned()];
        with_float!(self.dtype, T => {
            draw(self.distribution, call.output::<T>(0), key);
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
    use crate::graph::Attribute;
    use crate::ops::registry::build;
    use crate::ops::testing::{elements, ints, run};

    fn op(name: &str, dtype: &str) -> Result<OpRef> {
        build(
            name,
            &Attributes::new([
                ("shape".to_string(), Attribute::Ints(vec![3, 500])),
                ("dtype".to_string(), Attribute::String(dtype.into())),
            ]),
        )
    }

    #[test]
    fn every_distribution_follows_its_seed() {
        for entry in OPS {
            for dtype in ["float32", "float64"] {
                let op = op(entry.name, dtype).unwrap();
                assert_eq!(op.name(), entry.name);
                let draw = |seed| {
                    let numbers = run(&op, &[ints(&[2], seed)]).unwrap().remove(0);
                    assert_eq!((numbers.dtype().name(), numbers.shape()), (dtype, &[3, 500][..]));
                    elements(&numbers)
                };
                assert_eq!(draw(&[1, -2]), draw(&[1, -2]));
                assert_ne!(draw(&[1, -2]), draw(&[1, -3]));
                assert_ne!(draw(&[1, -2]), draw(&[2, -2]));
            }
        }
    }

    #[test]
    fn other_seeds_and_dtypes_are_refused() {
        assert!(op("random_normal", "int32").is_err());
        let op = op("random_uniform", "float32").unwrap();
        assert!(op.output_types(&[&TensorType::new(DType::I32, [3])]).is_err());
        assert!(op.output_types(&[&TensorType::new(DType::F32, [2])]).is_err());
    }
}
