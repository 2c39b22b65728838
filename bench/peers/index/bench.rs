// SPDX-License-Identifier: Apache-2.0
//! A run: its options, its report, its corpora.

use crate::corpus::Corpus;
use crate::options::Options;
use crate::oracle::Oracle;
use crate::report::Report;
use std::cell::OnceCell;
use std::time::Duration;

pub struct Bench {
    pub options: Options,
    pub report: Report,
}

pub struct Case {
    pub name: &'static str,
    pub corpus: Corpus,
    oracle: OnceCell<Oracle>,
}

impl Bench {
    /// A corpus by its name; noted where it is not there.
    pub fn open(&mut self, name: &'static str) -> Option<Case> {
        match Corpus::open(&format!("{}/{name}.corpus", self.options.corpora)) {
            Ok(corpus) => Some(Case { name, corpus, oracle: OnceCell::new() }),
            Err(why) => {
                self.report.note(format!("{name} is left out: {why}"));
                None
            }
        }
    }

    /// Some peers need minutes for some corpora: how much CPU one pass may take.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.options.pick(60, 8, 8))
    }

    pub fn too_long(&mut self, case: &Case) {
        let seconds = self.limit().as_secs();
        self.report.note(format!("{} is left out: over {seconds} s of CPU", case.name));
    }

    pub fn rounds(&self, full: usize, quick: usize, smoke: usize) -> usize {
        self.options.rounds.unwrap_or(self.options.pick(full, quick, smoke))
    }
}

impl Case {
    /// What is held after all events.
    pub fn oracle(&self) -> &Oracle {
        self.oracle.get_or_init(|| {
            let mut oracle = Oracle::new(self.corpus.workers);
            self.corpus.events().for_each(|event| oracle.apply(&event));
            oracle
        })
    }

    /// Enough that those in one pass do not stay in the caches.
    pub fn last_queries(&self) -> Vec<&'static [u64]> {
        let mut queries = self.corpus.queries();
        let most = if self.corpus.workers > 8 { 8000 } else { 2000 };
        queries.split_off(queries.len().saturating_sub(most))
    }
}
