// SPDX-License-Identifier: Apache-2.0
//! Are its answers right, at every query of the corpora? Each is compared with plain sets.

use crate::bench::Bench;
use crate::corpus::Record;
use crate::index::{Index, Served};
use crate::machine;
use crate::oracle::Oracle;

pub const QUESTION: &str = "How many answers are wrong?";

pub fn run<I: Index>(bench: &mut Bench) {
    machine::pin(0);
    for name in
        bench.options.pick(&["A", "A1", "H1", "H20", "S4", "S64", "R"][..], &["A", "S4"], &["A"])
    {
        let Some(case) = bench.open(name) else { continue };
        let served = Served::<I>::start(case.corpus.workers, 1, Vec::new());
        let mut oracle = Oracle::new(case.corpus.workers);
        let (mut asked, mut wrong) = (0, 0);
        for record in case.corpus.records() {
            match record {
                Record::Event(event) => {
                    oracle.apply(&event);
                    served.send(I::task(&event));
                }
                Record::Query(local_hashes) => {
                    served.flush();
                    let query: Vec<_> = local_hashes.iter().map(|&local| I::hash(local)).collect();
                    let mut answer = I::Answer::default();
                    served.index.lookup(&query, &mut answer);
                    let truth = (0..).zip(oracle.blocks(local_hashes));
                    asked += 1;
                    wrong += usize::from(
                        truth
                            .into_iter()
                            .any(|(worker, blocks)| I::blocks(&answer, worker) != blocks),
                    );
                }
            }
        }
        let share = 100.0 * f64::from(wrong as u32) / f64::from(asked.max(1));
        let what = format!("{name}, wrong of {asked} answers: {}", I::WHAT);
        bench.report.row(format!("check.{name}.{}", I::NAME), what, "%", vec![share]);
    }
}
