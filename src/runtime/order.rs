//! The order in which a pass goes through the rows of columns.

use crate::error::{Error, Result};
use crate::kernels::random::permutation;
use crate::tensor::room_for;

/// Rows, checked once: the batches of a pass are parts of it.
#[derive(Debug)]
pub struct Order {
    rows: Vec<usize>,
    /// Columns need so many rows.
    needed: usize,
}

impl Order {
    /// The numbers from 0 to `size - 1` in an order that depends on the seed and the round alone.
    pub fn shuffled(size: usize, seed: u64, round: u32) -> Result<Self> {
        let mut rows = room_for(size)?;
        rows.resize(size, 0);
        permutation(&mut rows, [seed as u32, (seed >> 32) as u32], round);
        Ok(Self { rows, needed: size })
    }

    /// These rows.
    pub fn of(listed: impl ExactSizeIterator<Item = i64>) -> Result<Self> {
        let mut rows = room_for(listed.len())?;
        let mut needed = 0;
        for row in listed {
            let Ok(row) = usize::try_from(row) else {
                return Err(Error::Configuration(format!("expected rows of 0 or more. Received: row {row}")));
            };
            needed = needed.max(row + 1);
            rows.push(row);
        }
        Ok(Self { rows, needed })
    }

    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The number of rows that columns must have.
    pub fn needed(&self) -> usize {
        self.needed
    }
}
