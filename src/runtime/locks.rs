//! How the runs of programs share variables.
//!
//! A run of steps that stay in the engine locks its variables, to read or to write. It never waits for anything while it
//! has them, but for locks of higher addresses, which others take in the same order.
//!
//! A run that calls out *holds* its variables instead, to read or to write: nobody else writes them, and all may read them,
//! also the code that it calls and other threads that this waits for. It locks those that it writes for the end of each step, when there are no
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::error::Error;
    use crate::tensor::{DType, TensorType};
    use crate::threads::call_out;

    fn variables(count: usize) -> Vec<Arc<Variable>> {
        let ty = TensorType::new(DType::F32, [1]);
        (0..count).map(|_| Arc::new(Variable::zeros(ty.clone()).unwrap())).collect()
    }

    fn content(variable: &Variable) -> f32 {
        let mut bytes = [0; 4];
        variable.copy_to(&mut bytes).unwrap();
        f32::from_ne_bytes(bytes)
    }

    #[test]
    fn what_a_run_holds_others_read_and_nobody_writes() {
        let variables = variables(2);
        let locks = Locks::new(&variables, [0].into_iter());
        let (done, written) = channel();
        thread::scope(|scope| {
            let held = locks.hold().unwrap();
            scope.spawn(|| assert_eq!(content(&variables[0]), 0.0)).join().unwrap();
            scope.spawn(|| drop(Locks::new(&variables, [].into_iter()).lock().unwrap())).join().unwrap();
            // Also what the run only reads stays as it is.
            scope.spawn(|| {
                let locks = Locks::new(&variables, [1].into_iter());
                let guards = locks.lock().unwrap();
                done.send("a run").unwrap();
                drop(guards);
                variables[1].copy_from(&1f32.to_ne_bytes()).unwrap();
                done.send("an assignment").unwrap();
            });
            assert!(written.recv_timeout(Duration::from_millis(100)).is_err());
            drop(locks.lock_held());
            assert!(written.recv_timeout(Duration::from_millis(100)).is_err());
            drop(held);
            assert_eq!(written.recv_timeout(Duration::from_secs(60)), Ok("a run"));
            assert_eq!(written.recv_timeout(Duration::from_secs(60)), Ok("an assignment"));
        });
        assert_eq!(content(&variables[1]), 1.0);
    }

    #[test]
    fn called_code_waits_for_no_holder() {
        let variables = variables(4);
        let busy = |result: Result<()>| matches!(result, Err(Error::Busy(_)));
        let (own, other) = (Locks::new(&variables[..1], [0].into_iter()), &variables[1]);
        let held = own.hold().unwrap();
        let (done, go) = channel();
        thread::scope(|scope| {
            let (entered, inside) = channel();
            let others = [variables[1].clone(), variables[3].clone()];
            scope.spawn(move || {
                let locks = Locks::new(&others, [1].into_iter());
                let _held = locks.hold().unwrap();
                entered.send(()).unwrap();
                go.recv().unwrap();
            });
            inside.recv().unwrap();
            call_out(|| {
                for variable in &variables[..2] {
                    assert!(busy(variable.copy_from(&[0; 4])) && busy(variable.clear()));
                    assert_eq!(content(variable), 0.0);
                    let written = Locks::new(std::slice::from_ref(variable), [0].into_iter());
                    assert!(busy(written.lock().map(drop)) && busy(written.hold().map(drop)));
                }
                // To read, what the caller holds may be held again, and what another holds to read.
                drop(Locks::new(&variables[..2], [].into_iter()).hold().unwrap());
                assert!(busy(variables[3].hold(false).map(drop)));
                variables[2].copy_from(&[1; 4]).unwrap();
                drop(Locks::new(&variables[2..3], [0].into_iter()).hold().unwrap());
            });
            done.send(()).unwrap();
        });
        // Nobody holds any more, however often they did.
        drop(held);
        drop(own.hold().unwrap());
        other.clear().unwrap();
    }

    #[test]
    fn runs_that_only_read_hold_together() {
        let variables = variables(2);
        let (done, held) = channel();
        let reading = Locks::new(&variables, [].into_iter());
        thread::scope(|scope| {
            let first = reading.hold().unwrap();
            scope.spawn(|| drop(reading.hold().unwrap())).join().unwrap();
            scope.spawn(|| {
                let writing = Locks::new(&variables, [1].into_iter());
                let _held = writing.hold().unwrap();
                done.send("to write").unwrap();
            });
            assert!(held.recv_timeout(Duration::from_millis(100)).is_err());
            drop(first);
            assert_eq!(held.recv_timeout(Duration::from_secs(60)), Ok("to write"));
        });
    }
}
