// SPDX-License-Identifier: Apache-2.0
//! What does it cost when a worker clears its cache of a million blocks, beside others?

use crate::bench::Bench;
use crate::corpus::{Event, Kind};
use crate::index::{Index, Served};
use crate::machine;

pub const QUESTION: &str = "How long until the blocks of a worker that cleared its cache are gone?";

pub fn run<I: Index>(bench: &mut Bench) {
    machine::pin(0);
    machine::keep_memory();
    let (others, large) = bench.options.pick(("B", "E"), ("A", "E"), ("A", "A"));
    let (Some(others), Some(large)) = (bench.open(others), bench.open(large)) else { return };
    let worker = others.corpus.workers as u64;
    let mut costs = Vec::new();
    for _ in 0..bench.rounds(3, 1, 1) {
        let more = large.corpus.events().map(|event| Event { worker, ..event });
        let tasks = others.corpus.events().chain(more).map(|event| I::task(&event)).collect();
        let served = Served::<I>::start(others.corpus.workers + 1, 1, tasks);
        served.flush();
        let before = served.cpu();
        served.send(I::task(&Event { worker, id: u64::MAX >> 1, kind: Kind::Cleared }));
        served.flush();
        costs.push((served.cpu() - before).as_secs_f64() * 1e3);
    }
    let what = format!("all CPU: {}", I::WHAT);
    bench.report.row(format!("clear.cpu.{}", I::NAME), what, "ms", costs);
}
