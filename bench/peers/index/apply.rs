// SPDX-License-Identifier: Apache-2.0
//! What does it cost to apply a block's store or removal? All events are there before the event
//! thread runs; the figure is its CPU time.

use crate::bench::{Bench, Case};
use crate::floor::Floor;
use crate::index::{Index, Served};
use crate::machine;
use std::time::Duration;

pub const QUESTION: &str = "What does it cost to apply the store or the removal of one block?";

/// What the passes of one corpus may take together, in CPU time. The first one only warms the
/// memory, unless it takes half of that.
const PASSES_CPU: Duration = Duration::from_secs(12);

struct Pass {
    cpu: Duration,
    /// CPU of an operation.
    ns: f64,
    /// Events that were not applied within the limit.
    left: usize,
    floor_ns: f64,
}

/// One pass, between two slices of the floor.
fn pass<I: Index>(bench: &Bench, case: &Case, floor: &mut Floor) -> Pass {
    let corpus = &case.corpus;
    let tasks = corpus.events().map(|event| I::task(&event)).collect();
    let before_ns = floor.slice();
    let served = Served::<I>::start(corpus.workers, 0, tasks);
    let left = served.flush_within(bench.limit());
    let cpu = served.cpu();
    let floor_ns = (before_ns + floor.slice()) / 2.0;
    let applied = corpus.events().take(corpus.event_count - left);
    let blocks: usize = applied.map(|event| event.kind.blocks()).sum();
    Pass { cpu, ns: cpu.as_nanos() as f64 / blocks as f64, left, floor_ns }
}

/// Nanoseconds of the floor and of the index, of each pass.
fn passes<I: Index>(bench: &mut Bench, case: &Case) -> (Vec<f64>, Vec<f64>) {
    let mut floor = Floor::new(&case.corpus);
    let first = pass::<I>(bench, case, &mut floor);
    if first.left > 0 {
        let share = 100 - 100 * first.left / case.corpus.event_count;
        let seconds = bench.limit().as_secs();
        bench.report.note(format!("{}: the first {share} % only, in {seconds} s", case.name));
    }
    if first.cpu > PASSES_CPU / 2 {
        return (vec![first.floor_ns], vec![first.ns]);
    }
    let most = PASSES_CPU.as_secs_f64() / first.cpu.as_secs_f64();
    let rounds = bench.rounds(5, 3, 1).min(most as usize);
    (0..rounds)
        .map(|_| pass::<I>(bench, case, &mut floor))
        .map(|pass| (pass.floor_ns, pass.ns))
        .unzip()
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
