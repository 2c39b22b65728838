// SPDX-License-Identifier: Apache-2.0
//! How long does a lookup take while events are applied on another processor? Events and queries
//! come in the order of the corpus; a query waits until few events do.

use crate::bench::{Bench, Case};
use crate::corpus::Record;
use crate::index::{Index, Served};
use crate::machine;
use crate::report::percentile;
use std::time::Instant;

pub const QUESTION: &str = "How long does a lookup take while events are applied?";

const MOST_BLOCKS: usize = 268;

enum Step<I: Index> {
    Task(I::Task),
    Query(Vec<I::Hash>),
}

fn steps<I: Index>(case: &Case) -> Vec<Step<I>> {
    let step = |record| match record {
        Record::Event(event) => Step::Task(I::task(&event)),
        Record::Query(local_hashes) => {
            let cut = local_hashes.iter().take(MOST_BLOCKS);
            Step::Query(cut.map(|&local| I::hash(local)).collect())
        }
    };
    case.corpus.records().map(step).collect()
}

/// Nanoseconds of each lookup of the second half, and the event thread's of an operation.
fn pass<I: Index>(case: &Case) -> (Vec<f64>, f64) {
    let steps = steps::<I>(case);
    let served = Served::<I>::start(case.corpus.workers, 1, Vec::new());
    let mut answer = I::Answer::default();
    let mut times = Vec::new();
    for step in steps {
        let query = match step {
            Step::Task(task) => {
                served.send(task);
                continue;
            }
            Step::Query(query) => query,
        };
        served.catch_up();
        I::forget(&mut answer);
        let start = Instant::now();
        served.index.lookup(&query, &mut answer);
        times.push(start.elapsed().as_nanos() as f64);
    }
    served.flush();
    let half = times.len() / 2;
    (times.split_off(half), served.cpu().as_nanos() as f64 / case.corpus.operations as f64)
}

pub fn run<I: Index>(bench: &mut Bench) {
    if !I::CONCURRENT {
        bench.report.note(format!("{} has no lookups beside its writer", I::WHAT));
        return;
    }
    machine::pin(0);
    machine::keep_memory();
    for &name in bench.options.pick(&["A", "B", "R"][..], &["A"], &["A"]) {
        let Some(case) = bench.open(name) else { continue };
        pass::<I>(&case);
        let (times, costs): (Vec<_>, Vec<_>) =
            (0..bench.rounds(3, 2, 1)).map(|_| pass::<I>(&case)).unzip();
        for (p, which) in [(50.0, "p50"), (99.0, "p99"), (99.9, "p999")] {
            let id = format!("ingest.{name}.{which}.{}", I::NAME);
            let what = format!("{name}, lookup, {which}: {}", I::WHAT);
            bench.report.row(
                id,
                what,
                "ns",
                times.iter().map(|pass| percentile(pass, p)).collect(),
            );
        }
        let what = format!("{name}, an operation beside lookups: {}", I::WHAT);
        bench.report.row(format!("ingest.{name}.apply.{}", I::NAME), what, "ns", costs);
    }
}
