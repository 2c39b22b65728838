// SPDX-License-Identifier: Apache-2.0
//! dynamo-kv-router: ConcurrentRadixTreeCompressed, with the event loop of the crate itself.

use crate::corpus::{Event, Kind};
use crate::index::Index;
use dynamo_kv_router::ConcurrentRadixTreeCompressed;
use dynamo_kv_router::indexer::{SyncIndexer, WorkerTask};
use dynamo_kv_router::protocols::{
    ExternalSequenceBlockHash, KvCacheEvent, KvCacheEventData, KvCacheRemoveData, KvCacheStoreData,
    KvCacheStoredBlockData, LocalBlockHash, OverlapScores, RouterEvent, WorkerWithDpRank,
};
use tokio::sync::oneshot;

pub struct Crtc(ConcurrentRadixTreeCompressed);

fn data(event: &Event) -> KvCacheEventData {
    match event.kind {
        Kind::Stored { parent, local_hashes, names } => {
            let block = |(&local, &name)| KvCacheStoredBlockData {
                block_hash: ExternalSequenceBlockHash(name),
                tokens_hash: LocalBlockHash(local),
                mm_extra_info: None,
            };
            KvCacheEventData::Stored(KvCacheStoreData {
                parent_hash: parent.map(ExternalSequenceBlockHash),
                start_position: None,
                blocks: local_hashes.iter().zip(names).map(block).collect(),
            })
        }
        Kind::Removed { names } => {
            let block_hashes = names.iter().copied().map(ExternalSequenceBlockHash);
            KvCacheEventData::Removed(KvCacheRemoveData { block_hashes: block_hashes.collect() })
        }
        Kind::Cleared => KvCacheEventData::Cleared,
    }
}

impl Index for Crtc {
    const NAME: &'static str = "crtc";
    const WHAT: &'static str = "dynamo-kv-router 1.6.1, CRTC";
    const CONCURRENT: bool = true;
    type Task = WorkerTask;
    type Hash = LocalBlockHash;
    type Answer = OverlapScores;

    fn new(_workers: usize) -> Self {
        Crtc(ConcurrentRadixTreeCompressed::new())
    }

    fn task(event: &Event) -> WorkerTask {
        let inner = KvCacheEvent { event_id: event.id, data: data(event), dp_rank: 0 };
        WorkerTask::Event(RouterEvent::new(event.worker, inner))
    }

    fn flush(done: oneshot::Sender<()>) -> WorkerTask {
        WorkerTask::Flush(done)
    }

    fn serve(&self, tasks: flume::Receiver<WorkerTask>) {
        self.0.worker(tasks, None).unwrap();
    }

    fn hash(local_hash: u64) -> LocalBlockHash {
        LocalBlockHash(local_hash)
    }

    fn forget(answer: &mut OverlapScores) {
        *answer = OverlapScores::default();
    }

    fn lookup(&self, query: &[LocalBlockHash], answer: &mut OverlapScores) {
        *answer = self.0.find_matches(query, false);
    }

    fn blocks(answer: &OverlapScores, worker: u64) -> u32 {
        answer.scores.get(&WorkerWithDpRank::new(worker, 0)).copied().unwrap_or(0)
    }
}
