//! `RUSTNET_PROFILE=1`: where the time of a program goes, by the nodes of its graph, printed when the program is dropped.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::compile::{Step, Work};
use crate::graph::Graph;

#[derive(Debug)]
pub struct Profile {
    /// Of each step the name of its first node, as `rustnet.Model.graph` lists them.
    names: Vec<String>,
    /// Time and calls of each step.
    times: Mutex<Vec<(Duration, u64)>>,
}

/// One row of the table.
#[derive(Default)]
struct Row {
    calls: u64,
    time: Duration,
    flops: u64,
    bytes: u64,
}

impl Profile {
    /// A profile of the steps of a rewritten graph, where the environment asks for one.
    pub fn requested(graph: &Graph, steps: &[Step]) -> Option<Self> {
        let asked = std::env::var_os("RUSTNET_PROFILE").is_some_and(|value| value == "1");
        asked.then(|| {
            let nodes = graph.names();
            let names = steps.iter().map(|step| nodes[step.nodes[0].0 as usize].clone()).collect();
            Self { names, times: Mutex::new(vec![(Duration::ZERO, 0); steps.len()]) }
        })
    }

    pub fn add(&self, step: usize, time: Duration) {
        let mut steps = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        steps[step].0 += time;
        steps[step].1 += 1;
    }

    /// Prints a row for each step, the slowest first, to standard error.
    pub fn print(&self, steps: &[Step]) {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
        for ((step, name), &(time, calls)) in steps.iter().zip(&self.names).zip(times.iter()) {
            let (work, flops, bytes) = describe(&step.work);
            let row = rows.entry((name.clone(), work)).or_default();
            row.calls += calls;
            row.time += time;
            row.flops += flops * calls;
            row.bytes += bytes * calls;
        }
        let total: Duration = rows.values().map(|row| row.time).sum();
        if total.is_zero() {
            return;
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.time));
        eprintln!(
            "{:<44} {:<34} {:>9} {:>11} {:>7} {:>9} {:>7}",
            "node", "work", "calls", "ms", "share", "GFLOP/s", "GB/s"
        );
        for ((name, work), row) in rows {
            let seconds = row.time.as_secs_f64();
            eprintln!(
                "{name:<44} {work:<34} {:>9} {:>11.3} {:>6.1}% {:>9.1} {:>7.1}",
                row.calls,
                seconds * 1e3,
                100.0 * seconds / total.as_secs_f64(),
                row.flops as f64 / seconds / 1e9,
                row.bytes as f64 / seconds / 1e9,
            );
        }
    }
}

/// Name, floating-point operations and bytes read and written of one run.
fn describe(work: &Work) -> (String, u64, u64) {
    match work {
        Work::Loop(body) => {
            let (flops, bytes) = (body.operations * body.size, body.bytes);
            (format!("loop of {}", body.operations), flops as u64, bytes as u64)
        }
        Work::Kernel { op, inputs, outputs, epilogue, .. } => {
            let input_types: Vec<_> = inputs.iter().map(|slot| &slot.ty).collect();
            let output_types: Vec<_> = outputs.iter().map(|slot| &slot.ty).collect();
            let bytes: usize = input_types.iter().chain(&output_types).map(|ty| ty.bytes()).sum();
            let name = match epilogue {
                Some(body) => format!("{} + loop of {}", op.name(), body.operations),
                None => op.name().to_owned(),
            };
            (name, op.flops(&input_types, &output_types), bytes as u64)
        }
    }
}
