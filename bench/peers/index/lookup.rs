// SPDX-License-Identifier: Apache-2.0
//! How long does a lookup take while nothing is applied? Local hashes are given, in cache; each
//! lookup is timed alone.

use crate::bench::{Bench, Case};
use crate::index::{Index, Served};
use crate::machine;
use crate::report::percentile;
use std::time::Instant;

pub const QUESTION: &str = "How long does it take to look up who holds how much of a prompt?";

/// One pass over the queries, cut after `most` blocks: nanoseconds of each.
pub fn pass<I: Index>(index: &I, queries: &[&[u64]], most: usize) -> Vec<f64> {
    let mut answer = I::Answer::default();
    let mut query: Vec<I::Hash> = Vec::new();
    let timed = |local_hashes: &&[u64]| {
        query.clear();
        query.extend(local_hashes.iter().take(most).map(|&local| I::hash(local)));
        I::forget(&mut answer);
        let start = Instant::now();
        index.lookup(&query, &mut answer);
        start.elapsed().as_nanos() as f64
    };
    queries.iter().map(timed).collect()
}

#[derive(Default)]
struct Compared {
    wrong: usize,
    found: usize,
}

impl Compared {
    /// The index's answers with the oracle's.
    fn add<I: Index>(&mut self, index: &I, case: &Case, queries: &[&[u64]], most: usize) {
        for local_hashes in queries {
            let cut = &local_hashes[..local_hashes.len().min(most)];
            let query: Vec<I::Hash> = cut.iter().map(|&local| I::hash(local)).collect();
            let mut answer = I::Answer::default();
            index.lookup(&query, &mut answer);
            let truth = case.oracle().blocks(cut);
            let blocks: Vec<u32> =
                (0..truth.len() as u64).map(|worker| I::blocks(&answer, worker)).collect();
            self.wrong += usize::from(blocks != truth);
            self.found += usize::from(blocks.iter().any(|&blocks| blocks > 0));
        }
    }
}

/// The index after all events; None, with a note, if that takes too long.
fn load<I: Index>(bench: &mut Bench, case: &Case) -> Option<Served<I>> {
    let tasks = case.corpus.events().map(|event| I::task(&event)).collect();
    let served = Served::start(case.corpus.workers, 1, tasks);
    if served.flush_within(bench.limit()) > 0 {
        bench.too_long(case);
        return None;
    }
    Some(served)
}

fn measure<I: Index>(bench: &mut Bench, index: &I, queries: &[&[u64]], case: &str, most: usize) {
    pass(index, queries, most);
    let rounds = bench.rounds(12, 6, 1);
    let passes: Vec<_> = (0..rounds).map(|_| pass(index, queries, most)).collect();
    for (p, which) in [(50.0, "p50"), (99.0, "p99"), (99.9, "p999")] {
        let id = format!("lookup.{case}.{which}.{}", I::NAME);
        let values = passes.iter().map(|pass| percentile(pass, p)).collect();
        bench.report.row(id, format!("{case}, {which}: {}", I::WHAT), "ns", values);
    }
}

pub fn run<I: Index>(bench: &mut Bench) {
    machine::pin(0);
    machine::keep_memory();
    for &name in bench.options.pick(
        &["A", "H1", "H20", "B", "C", "S4", "S64", "R"][..],
        &["A", "S4"],
        &["A"],
    ) {
        let Some(case) = bench.open(name) else { continue };
        let Some(served) = load::<I>(bench, &case) else { continue };
        let queries = case.last_queries();
        let mut compared = Compared::default();
        for (cut, most) in [("268", 268), ("full", usize::MAX)] {
            compared.add(&*served.index, &case, &queries, most);
            measure(bench, &*served.index, &queries, &format!("{name}.{cut}"), most);
        }
        let Compared { wrong, found } = compared;
        bench.report.check(found > 0, format!("{name}: lookups find something ({found} of them)"));
        let share = 100.0 * wrong as f64 / queries.len() as f64 / 2.0;
        let what = format!("{name}, wrong answers: {}", I::WHAT);
        bench.report.row(format!("lookup.{name}.wrong.{}", I::NAME), what, "%", vec![share]);
    }
}
