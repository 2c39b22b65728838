// SPDX-License-Identifier: Apache-2.0
//! How long does a lookup take while events are applied on another processor? Events and queries
//! come in the order of the corpus; a query waits until no more than so many events do.

use crate::bench::{Bench, Case};
use crate::corpus::Record;
use crate::index::{Index, Served};
use crate::machine;
use crate::report::percentile;
use std::time::{Duration, Instant};

pub const QUESTION: &str = "How long does a lookup take while events are applied?";

const MOST_BLOCKS: usize = 268;
const FEW_EVENTS: usize = 64;
const MANY_EVENTS: usize = 4096;
/// As in bench/ingest.c: then no other pass begins.
const PASSES: Duration = Duration::from_secs(15);

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

/// Nanoseconds of each lookup of the second half, and the event thread's of an operation. None if
/// that thread takes more than the limit.
fn pass<I: Index>(bench: &Bench, case: &Case, waiting: usize) -> Option<(Vec<f64>, f64)> {
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
        served.catch_up(waiting);
        I::forget(&mut answer);
        let start = Instant::now();
        served.index.lookup(&query, &mut answer);
        times.push(start.elapsed().as_nanos() as f64);
        if served.cpu() > bench.limit() {
            return None;
        }
    }
    served.flush();
    let half = times.len() / 2;
    let operation_ns = served.cpu().as_nanos() as f64 / case.corpus.operations as f64;
    Some((times.split_off(half), operation_ns))
}

fn measure<I: Index>(bench: &mut Bench, case: &Case, id: &str, waiting: usize) {
    let rounds = bench.rounds(3, 2, 1);
    // one that warms the memory, and one at least
    let mut passes = Vec::new();
    let start = Instant::now();
    for round in 0..=rounds {
        if round > 1 && start.elapsed() > PASSES {
            break;
        }
        match pass::<I>(bench, case, waiting) {
            Some(pass) => passes.push(pass),
            None => return bench.too_long(case),
        }
    }
    passes.remove(0);
    for (p, which) in [(50.0, "p50"), (99.0, "p99"), (99.9, "p999")] {
        let what = format!("{id}: a lookup while {waiting} events wait, {which}: {}", I::WHAT);
        let values = passes.iter().map(|pass| percentile(&pass.0, p)).collect();
        bench.report.row(format!("ingest.{id}.{which}.{}", I::NAME), what, "ns", values);
    }
    let what = format!("{id}: a block applied meanwhile, CPU: {}", I::WHAT);
    let values = passes.iter().map(|pass| pass.1).collect();
    bench.report.row(format!("ingest.{id}.apply.{}", I::NAME), what, "ns", values);
}

pub fn run<I: Index>(bench: &mut Bench) {
    if !I::CONCURRENT {
        bench.report.note(format!("{} has no lookups beside its writer", I::WHAT));
        return;
    }
    machine::pin(0);
    machine::keep_memory();
    for &name in bench.options.pick(&["A", "B", "R", "S4"][..], &["A"], &["A"]) {
        let Some(case) = bench.open(name) else { continue };
        measure::<I>(bench, &case, name, FEW_EVENTS);
        if name == "A" {
            measure::<I>(bench, &case, "flood", MANY_EVENTS);
        }
    }
}
