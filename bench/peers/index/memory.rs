// SPDX-License-Identifier: Apache-2.0
//! How much memory does a block take, after all events of a corpus? Each corpus is replayed in a
//! process of its own, its events made one by one.

use crate::bench::{Bench, Case};
use crate::index::{Index, Served};
use crate::machine;
use std::time::Duration;

pub const QUESTION: &str = "How much memory does the index take for one distinct block?";

const WAITING_MOST: usize = 64;

/// Bytes that came with the index, once all is applied; NaN if that takes more CPU than `limit`.
fn growth<I: Index>(case: &Case, limit: Duration) -> f64 {
    let served = Served::<I>::start(case.corpus.workers, 1, Vec::new());
    let before = machine::resident_bytes();
    for event in case.corpus.events() {
        served.catch_up(WAITING_MOST);
        if served.cpu() > limit {
            return f64::NAN;
        }
        served.send(I::task(&event));
    }
    served.flush();
    (machine::resident_bytes() - before) as f64
}

pub fn run<I: Index>(bench: &mut Bench) {
    machine::pin(0);
    for &name in bench.options.pick(&["A", "B", "C", "H1", "S4", "R"][..], &["A", "S4"], &["A"]) {
        let Some(case) = bench.open(name) else { continue };
        let limit = bench.limit();
        let bytes = machine::in_child(|| growth::<I>(&case, limit));
        if bytes.is_nan() {
            bench.too_long(&case);
            continue;
        }
        let distinct = case.corpus.held_blocks as f64;
        let id = format!("memory.{name}.{}", I::NAME);
        let what = format!("{name}, for a distinct block: {}", I::WHAT);
        bench.report.row(id, what, "bytes", vec![bytes / distinct]);
    }
}
