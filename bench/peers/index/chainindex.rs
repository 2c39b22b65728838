// SPDX-License-Identifier: Apache-2.0
//! kv-index: ChainIndex, with one lane, and the crate's 256 worker slots.

use crate::corpus::Event;
use crate::index::Index;
use crate::messages::{Message, Pairs, blocks_of};
use kv_index::{ChainBlockMap, ChainIndex, ContentHash, SequenceHash, StoredBlock};
use tokio::sync::oneshot;

pub struct Chain {
    index: ChainIndex,
    workers: usize,
}

impl Index for Chain {
    const NAME: &'static str = "chainindex";
    const WHAT: &'static str = "kv-index 2.0.0, ChainIndex";
    const CONCURRENT: bool = true;
    type Task = Message<StoredBlock, SequenceHash>;
    type Hash = u64;
    type Answer = Pairs;

    fn new(workers: usize) -> Self {
        let index = ChainIndex::new();
        for worker in 0..workers {
            assert_eq!(index.intern_worker(&worker.to_string()).unwrap() as usize, worker);
        }
        Chain { index, workers }
    }

    fn task(event: &Event) -> Self::Task {
        Message::new(event, SequenceHash, |name, local_hash| StoredBlock {
            seq_hash: SequenceHash(name),
            content_hash: ContentHash(local_hash),
        })
    }

    fn flush(done: oneshot::Sender<()>) -> Self::Task {
        Message::Flush(done)
    }

    fn serve(&self, tasks: flume::Receiver<Self::Task>) {
        let mut lanes: Vec<_> = (0..self.workers).map(|_| ChainBlockMap::new()).collect();
        while let Ok(task) = tasks.recv() {
            match task {
                Message::Stored { worker, parent, blocks } => {
                    // An orphan is refused, and then not held: `check` counts what comes of it.
                    let lane = &mut lanes[worker];
                    let _ = self.index.apply_stored(worker as u32, &blocks, parent, lane);
                }
                Message::Removed { worker, names } => {
                    self.index.apply_removed(worker as u32, &names, &mut lanes[worker]);
                }
                Message::Cleared { worker } => {
                    self.index.apply_cleared(worker as u32, &mut lanes[worker]);
                }
                Message::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn hash(local_hash: u64) -> u64 {
        local_hash
    }

    fn forget(answer: &mut Pairs) {
        answer.clear();
    }

    fn lookup(&self, query: &[u64], answer: &mut Pairs) {
        let report = |worker, blocks| answer.push((u64::from(worker), blocks));
        self.index.score_into(query, |&hash| hash, false, report);
    }

    fn blocks(answer: &Pairs, worker: u64) -> u32 {
        blocks_of(answer, worker)
    }
}
