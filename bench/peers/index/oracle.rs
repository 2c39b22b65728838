// SPDX-License-Identifier: Apache-2.0
//! What each worker holds, as plain sets: the truth that answers are compared with.

use crate::corpus::{Event, Kind};
use kv_index::{ContentHash, SequenceHash, chain_prefix_hash};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Hashes are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are words");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

type Build = BuildHasherDefault<AsIs>;

pub struct Oracle {
    held: Vec<HashSet<u64, Build>>,
}

/// The names of a prompt's blocks, see bench/corpus/format.md.
fn names(query: &[u64]) -> impl Iterator<Item = u64> {
    let mut before = None;
    query.iter().map(move |&local| {
        let name = match before {
            Some(before) => chain_prefix_hash(SequenceHash(before), ContentHash(local)).0,
            None => local,
        };
        before = Some(name);
        name
    })
}

impl Oracle {
    pub fn new(workers: usize) -> Self {
        Oracle { held: (0..workers).map(|_| HashSet::default()).collect() }
    }

    pub fn apply(&mut self, event: &Event) {
        let held = &mut self.held[event.worker as usize];
        match event.kind {
            Kind::Stored { names, .. } => held.extend(names),
            Kind::Removed { names } => {
                for name in names {
                    held.remove(name);
                }
            }
            Kind::Cleared => held.clear(),
        }
    }

    /// How many blocks of `query` each worker holds, from its first block without a gap.
    pub fn blocks(&self, query: &[u64]) -> Vec<u32> {
        let names: Vec<u64> = names(query).collect();
        let blocks = |held: &HashSet<u64, Build>| {
            names.iter().take_while(|name| held.contains(name)).count() as u32
        };
        self.held.iter().map(blocks).collect()
    }
}
