// SPDX-License-Identifier: Apache-2.0
//! The floor of applying: what no table in memory goes below.

use crate::corpus::{Corpus, Kind};
use crate::machine;
use std::hint::black_box;

const AHEAD: usize = 32;

/// About what ringdex' table takes: its floor (bench/floor.h) is of the same size.
const BYTES_PER_BLOCK: u64 = 24;

#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line([u64; 8]);

/// A table as large as one of the corpus' blocks is at best, and the hashes of all operations.
pub struct Floor {
    lines: Vec<Line>,
    hashes: Vec<u64>,
}

fn fetch(line: &Line) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; the address is that of a line.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    black_box(line);
}

impl Floor {
    pub fn new(corpus: &Corpus) -> Self {
        let mut hashes = Vec::with_capacity(corpus.operations as usize);
        for event in corpus.events() {
            match event.kind {
                Kind::Stored { names, .. } | Kind::Removed { names } => hashes.extend(names),
                Kind::Cleared => {}
            }
        }
        let lines = vec![Line([1; 8]); (corpus.held_blocks * BYTES_PER_BLOCK / 64 + 1) as usize];
        Floor { lines, hashes }
    }

    fn at(&self, hash: u64) -> usize {
        (u128::from(hash) * self.lines.len() as u128 >> 64) as usize
    }

    /// A line an operation, fetched before: a hash compared, a word written. Nanoseconds of CPU
    /// of one.
    pub fn slice(&mut self) -> f64 {
        let clock = machine::thread_clock();
        let start = machine::read_clock(clock);
        let mut equal = 0;
        for (operation, &hash) in self.hashes.iter().enumerate() {
            if let Some(&later) = self.hashes.get(operation + AHEAD) {
                fetch(&self.lines[self.at(later)]);
            }
            let line = self.at(hash);
            let word = &mut self.lines[line].0[hash as usize % 8];
            equal += u64::from(*word == hash);
            *word = hash;
        }
        black_box(equal);
        black_box(&self.lines);
        (machine::read_clock(clock) - start) as f64 / self.hashes.len() as f64
    }
}
