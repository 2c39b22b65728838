// SPDX-License-Identifier: Apache-2.0
//! smg-radix-tree: RadixTree. It has one writer or many readers, so a lock is around it here.

use crate::corpus::Event;
use crate::index::Index;
use crate::messages::Message;
use radix_tree::{Config, HolderId, Overlap, OverlapScratch, RadixTree};
use std::sync::RwLock;
use tokio::sync::oneshot;

pub struct Tree {
    tree: RwLock<RadixTree>,
    holders: Vec<HolderId>,
}

#[derive(Default)]
pub struct Answer {
    scratch: OverlapScratch,
    overlaps: Vec<Overlap>,
}

impl Index for Tree {
    const NAME: &'static str = "radixtree";
    const WHAT: &'static str = "smg-radix-tree 0.1.0, RadixTree";
    const CONCURRENT: bool = false;
    type Task = Message<(u64, u64), u64>;
    type Hash = u64;
    type Answer = Answer;

    fn new(workers: usize) -> Self {
        let mut tree = RadixTree::new(Config::default());
        let holders = (0..workers).map(|worker| tree.create_holder(&worker.to_string())).collect();
        Tree { tree: RwLock::new(tree), holders }
    }

    fn task(event: &Event) -> Self::Task {
        Message::new(event, |name| name, |name, local_hash| (name, local_hash))
    }

    fn flush(done: oneshot::Sender<()>) -> Self::Task {
        Message::Flush(done)
    }

    fn serve(&self, tasks: flume::Receiver<Self::Task>) {
        while let Ok(task) = tasks.recv() {
            let mut tree = self.tree.write().unwrap();
            match task {
                Message::Stored { worker, parent, blocks } => {
                    let _ = tree.store(self.holders[worker], parent, &blocks);
                }
                Message::Removed { worker, names } => {
                    tree.remove(self.holders[worker], &names);
                }
                Message::Cleared { worker } => tree.clear(self.holders[worker]),
                Message::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn hash(local_hash: u64) -> u64 {
        local_hash
    }

    fn forget(answer: &mut Answer) {
        answer.overlaps.clear();
    }

    fn lookup(&self, query: &[u64], answer: &mut Answer) {
        let tree = self.tree.read().unwrap();
        tree.overlap(query, &mut answer.scratch, &mut answer.overlaps);
    }

    fn blocks(answer: &Answer, worker: u64) -> u32 {
        let mut overlaps = answer.overlaps.iter();
        let found = overlaps.find(|overlap| u64::from(overlap.holder.parts().0) == worker);
        found.map_or(0, |overlap| overlap.depth)
    }
}
