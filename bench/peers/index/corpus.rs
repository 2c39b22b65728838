// SPDX-License-Identifier: Apache-2.0
//! The files of bench/corpus (format.md there): events and queries in their order.

use std::fs::File;
use std::os::fd::AsRawFd;

const MAGIC: u64 = 0x3170726f63786472;
const VERSION: u64 = 1;
const HEADER_WORDS: usize = 32;

pub struct Corpus {
    /// The records.
    words: &'static [u64],
    pub workers: usize,
    /// Blocks stored and removed.
    pub operations: u64,
    pub event_count: usize,
    /// Distinct blocks held at the end.
    pub held_blocks: u64,
}

pub struct Event {
    pub worker: u64,
    /// The worker's events count from 1.
    pub id: u64,
    pub kind: Kind,
}

/// A name stands for a block and all before it, a local hash for the block alone.
#[derive(Clone, Copy)]
pub enum Kind {
    Stored { parent: Option<u64>, local_hashes: &'static [u64], names: &'static [u64] },
    Removed { names: &'static [u64] },
    Cleared,
}

impl Kind {
    pub fn blocks(&self) -> usize {
        match self {
            Kind::Stored { names, .. } | Kind::Removed { names } => names.len(),
            Kind::Cleared => 0,
        }
    }
}

pub enum Record {
    Event(Event),
    /// Local hashes.
    Query(&'static [u64]),
}

/// The file's words, which stay mapped.
fn map(path: &str) -> std::io::Result<&'static [u64]> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len() as usize;
    // SAFETY: a private read-only mapping, never unmapped; the file is not written meanwhile.
    unsafe {
        let (read, flags) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_POPULATE);
        let memory = libc::mmap(std::ptr::null_mut(), bytes, read, flags, file.as_raw_fd(), 0);
        if memory == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(std::slice::from_raw_parts(memory.cast(), bytes / 8))
    }
}

impl Corpus {
    pub fn open(path: &str) -> Result<Corpus, String> {
        let words = map(path).map_err(|error| format!("{path}: {error}"))?;
        if words.len() < HEADER_WORDS || words[..3] != [MAGIC, VERSION, HEADER_WORDS as u64] {
            return Err(format!("{path}: not a corpus of version {VERSION}"));
        }
        let (header, words) = words.split_at(HEADER_WORDS);
        if header[9] != words.len() as u64 {
            return Err(format!("{path}: cut off"));
        }
        Ok(Corpus {
            words,
            workers: header[4] as usize,
            operations: header[11] + header[13],
            event_count: (header[10] + header[12] + header[14]) as usize,
            held_blocks: header[18],
        })
    }

    pub fn records(&self) -> impl Iterator<Item = Record> + use<> {
        let mut rest = self.words;
        let mut ids = vec![0; self.workers];
        std::iter::from_fn(move || {
            let (&head, body) = rest.split_first()?;
            let (worker, count) = (head >> 16 & 0xffff, (head >> 32) as usize);
            let (words, kind) = match head & 0xff {
                1 => {
                    let parent = (head >> 8 & 1 == 1).then_some(body[0]);
                    let (local_hashes, names) = body[2..2 + 2 * count].split_at(count);
                    (2 + 2 * count, Kind::Stored { parent, local_hashes, names })
                }
                2 => (count, Kind::Removed { names: &body[..count] }),
                3 => (0, Kind::Cleared),
                _ => {
                    rest = &body[count..];
                    return Some(Record::Query(&body[..count]));
                }
            };
            rest = &body[words..];
            ids[worker as usize] += 1;
            Some(Record::Event(Event { worker, id: ids[worker as usize], kind }))
        })
    }

    pub fn events(&self) -> impl Iterator<Item = Event> + use<> {
        self.records().filter_map(|record| match record {
            Record::Event(event) => Some(event),
            Record::Query(_) => None,
        })
    }

    pub fn queries(&self) -> Vec<&'static [u64]> {
        let query = |record| match record {
            Record::Query(query) => Some(query),
            Record::Event(_) => None,
        };
        self.records().filter_map(query).collect()
    }
}
