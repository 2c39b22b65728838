// SPDX-License-Identifier: Apache-2.0
//! Events as messages, for the crates that have calls but no event loop.

use crate::corpus::{Event, Kind};
use tokio::sync::oneshot;

/// `B`: a stored block, `N`: the name of a block.
pub enum Message<B, N> {
    Stored { worker: usize, parent: Option<N>, blocks: Vec<B> },
    Removed { worker: usize, names: Vec<N> },
    Cleared { worker: usize },
    Flush(oneshot::Sender<()>),
}

impl<B, N> Message<B, N> {
    /// `name_of` and `block` make the crate's types of a name, and of a name and a local hash.
    pub fn new(event: &Event, name_of: impl Fn(u64) -> N, block: impl Fn(u64, u64) -> B) -> Self {
        let worker = event.worker as usize;
        match event.kind {
            Kind::Stored { parent, local_hashes, names } => {
                let both = names.iter().zip(local_hashes);
                let blocks = both.map(|(&name, &local)| block(name, local)).collect();
                Message::Stored { worker, parent: parent.map(name_of), blocks }
            }
            Kind::Removed { names } => {
                let names = names.iter().map(|&name| name_of(name)).collect();
                Message::Removed { worker, names }
            }
            Kind::Cleared => Message::Cleared { worker },
        }
    }
}

/// A lookup's answer of these crates: worker, blocks.
pub type Pairs = Vec<(u64, u32)>;

pub fn blocks_of(answer: &Pairs, worker: u64) -> u32 {
    answer.iter().find(|pair| pair.0 == worker).map_or(0, |pair| pair.1)
}
