//! How the runs of programs share variables.
//!
//! A run of steps that stay in the engine locks its variables, to read or to write. It never waits for anything while it
//! has them, but for locks of higher addresses, which others take in the same order.
//!
//! A run that calls out *holds* its variables instead: nobody else writes them, and all may read them, also the code that it
//! calls and other threads that this waits for. It locks those that it writes for the end of each step, when there are no
//! more calls. Called code itself waits for no holder, so no two can wait for each other.

use std::sync::{Arc, RwLockReadGuard, RwLockWriteGuard};

use super::Variable;
use super::variable::Held;
use crate::error::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// The variables of a program, in the order in which all programs lock theirs.
#[derive(Debug)]
pub struct Locks(Vec<(Arc<Variable>, Access)>);

/// Keeps a variable as it is, or for the run alone.
#[expect(dead_code, reason = "held for their locks")]
pub enum Guard<'a> {
    Read(RwLockReadGuard<'a, ()>),
    Write(RwLockWriteGuard<'a, ()>),
    Held(Held<'a>),
}

impl Locks {
    pub fn new(variables: &[Arc<Variable>], written: impl Iterator<Item = usize>) -> Self {
        let mut locks: Vec<_> = variables.iter().map(|variable| (variable.clone(), Access::Read)).collect();
        written.for_each(|index| locks[index].1 = Access::Write);
        locks.sort_by_key(|(variable, _)| Arc::as_ptr(variable));
        Self(locks)
    }

    /// Locks every variable. The only error is that of [`Variable::wait`].
    pub fn lock(&self) -> Result<Vec<Guard<'_>>> {
        'again: loop {
            let mut guards = Vec::with_capacity(self.0.len());
            for (variable, access) in &self.0 {
                guards.push(match access {
                    Access::Read => Guard::Read(variable.read()),
                    Access::Write => match variable.try_write() {
                        Some(guard) => Guard::Write(guard),
                        None => {
                            // What the holder calls may want to read those that are locked.
                            drop(guards);
                            variable.wait()?;
                            continue 'again;
                        }
                    },
                });
            }
            return Ok(guards);
        }
    }

    /// Holds every variable. The only error is that of [`Variable::hold`].
    pub fn hold(&self) -> Result<Vec<Guard<'_>>> {
        self.0
            .iter()
            .map(|(variable, access)| Ok(Guard::Held(variable.hold(*access == Access::Write)?)))
            .collect()
    }

    /// Locks what is written of variables that the run holds.
    pub fn lock_held(&self) -> Vec<Guard<'_>> {
        let written = self.0.iter().filter(|(_, access)| *access == Access::Write);
        written.map(|(variable, _)| Guard::Write(variable.write_held())).collect()
    }
}
