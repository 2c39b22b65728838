// SPDX-License-Identifier: Apache-2.0
//! What does it cost to apply a block's store or removal? All events are there before the event
//! thread runs; the figure is its CPU time.

use crate::bench::{Bench, Case};
use crate::floor::Floor;
use crate::index::{Index, Served};
use crate::machine;
use std::time::{Duration, Instant};

pub const QUESTION: &str = "What does it cost to apply the store or the removal of one block?";

/// What the passes of one corpus may take together; the first one only warms the memory, unless it
/// takes as long.
const PASSES_S: f64 = 12.0;

struct Pass {
    /// CPU of an operation.
    ns: f64,
    /// Events that were not applied within the limit.
    left: usize,
}

fn pass<I: Index>(case: &Case, limit: Duration) -> Pass {
    let corpus = &case.corpus;
    let tasks = corpus.events().map(|event| I::task(&event)).collect();
    let served = Served::<I>::start(corpus.workers, 0, tasks);
    let left = served.flush_within(limit);
    let cpu_ns = served.cpu().as_nanos() as f64;
    let done = corpus.events().take(corpus.event_count - left).map(|event| event.kind.blocks());
    Pass { ns: cpu_ns / done.sum::<usize>() as f64, left }
}

/// Floor and index in turn: nanoseconds of each.
fn passes<I: Index>(bench: &mut Bench, case: &Case) -> (Vec<f64>, Vec<f64>) {
    let mut floor = Floor::new(&case.corpus);
    let begin = Instant::now();
    floor.slice();
    let first = pass::<I>(case, bench.limit());
    let took_s = begin.elapsed().as_secs_f64();
    if first.left > 0 {
        let share = 100 - 100 * first.left / case.corpus.event_count;
        let seconds = bench.limit().as_secs();
        bench.report.note(format!("{}: the first {share} % only, in {seconds} s", case.name));
    }
    if took_s > PASSES_S / 2.0 {
        return (vec![floor.slice()], vec![first.ns]);
    }
    let rounds = bench.rounds(5, 3, 1).min((PASSES_S / took_s) as usize);
    (0..rounds).map(|_| (floor.slice(), pass::<I>(case, bench.limit()).ns)).unzip()
}

pub fn run<I: Index>(bench: &mut Bench) {
    machine::pin(1);
    machine::keep_memory();
    let full = ["A", "A1", "H1", "H20", "B", "C", "S4", "S64", "R"];
    for &name in bench.options.pick(&full[..], &["A", "S4"], &["A"]) {
        let Some(case) = bench.open(name) else { continue };
        let (floors, passes) = passes::<I>(bench, &case);
        let beside = format!("apply-floor.{name}.{}", I::NAME);
        let what = format!("{name}: floor beside it, a line an operation, fetched before");
        bench.report.row(beside.clone(), what, "ns", floors);
        let what = format!("{name}: {}", I::WHAT);
        bench.report.row(format!("apply.{name}.{}", I::NAME), what, "ns", passes);
        bench.report.beside(&beside);
    }
}
