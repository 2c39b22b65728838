// SPDX-License-Identifier: Apache-2.0
//! What does it cost when a worker with a million blocks clears its cache, beside others? The
//! worker fills again after each clear.

use crate::bench::Bench;
use crate::corpus::{Event, Kind};
use crate::index::{Index, Served};
use crate::machine;
use std::time::Instant;

pub const QUESTION: &str =
    "What does it cost when a worker with a million blocks clears its cache?";

/// Until a lookup of the first block of the worker does not find it: microseconds.
fn hidden_us<I: Index>(served: &Served<I>, worker: u64, first: u64, start: Instant) -> f64 {
    let query = [I::hash(first)];
    let mut answer = I::Answer::default();
    loop {
        I::forget(&mut answer);
        served.index.lookup(&query, &mut answer);
        if I::blocks(&answer, worker) == 0 {
            return start.elapsed().as_nanos() as f64 / 1e3;
        }
    }
}

pub fn run<I: Index>(bench: &mut Bench) {
    machine::pin(0);
    machine::keep_memory();
    let (others, large) = bench.options.pick(("B", "E"), ("A", "E"), ("A", "A"));
    let (Some(others), Some(large)) = (bench.open(others), bench.open(large)) else { return };
    let worker = others.corpus.workers as u64;
    let first = large.corpus.events().find_map(|event| match event.kind {
        Kind::Stored { local_hashes, .. } => local_hashes.first().copied(),
        _ => None,
    });
    let filling = || large.corpus.events().map(|event| I::task(&Event { worker, ..event }));
    let tasks = others.corpus.events().map(|event| I::task(&event)).collect();
    let served = Served::<I>::start(others.corpus.workers + 1, 1, tasks);
    let (mut hidden, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds(5, 3, 1) {
        filling().for_each(|task| served.send(task));
        served.flush();
        let (before, start) = (served.cpu(), Instant::now());
        served.send(I::task(&Event { worker, id: u64::MAX >> 1, kind: Kind::Cleared }));
        hidden.push(hidden_us(&served, worker, first.unwrap_or(0), start));
        served.flush();
        cpu.push((served.cpu() - before).as_secs_f64() * 1e3);
    }
    let what = format!("its first block hidden: {}", I::WHAT);
    bench.report.row(format!("clear.hidden.{}", I::NAME), what, "us", hidden);
    let what = format!("all CPU: {}", I::WHAT);
    bench.report.row(format!("clear.cpu.{}", I::NAME), what, "ms", cpu);
}
