//! How many entries are read at once.

use bytes::Bytes;
use cache_core::{Entry, Key, Result};
use futures_util::stream::{self, StreamExt};

use super::Store;
use crate::error::unexpected;
use crate::link::Reply;
use crate::record;

/// Reads of their own at the same time.
const AT_ONCE: usize = 1_024;
/// Keys of one script: others wait for it a fraction of a millisecond.
const CHUNK: usize = 100;
/// Scripts at the same time.
const SCRIPTS: usize = 8;
/// Last byte of a value that a script reads, which copies it several times.
const LAST: &[u8] = b"16383";

impl Store {
    pub(crate) async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        if !self.link.is_one_node() {
            return self.get_each(keys.iter()).await;
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|at| self.link.lane_of(&keys[*at]));
        let lanes = order.chunk_by(|a, b| self.link.lane_of(&keys[*a]) == self.link.lane_of(&keys[*b]));
        let chunks: Vec<_> = lanes.flat_map(|lane| lane.chunks(CHUNK)).collect();
        // Collected first: a stream over borrowed keys would tie the future to their lifetime.
        let reads: Vec<_> = chunks.iter().map(|chunk| self.get_chunk(keys, chunk)).collect();
        let found: Vec<_> = stream::iter(reads).buffered(SCRIPTS).concat().await;
        let mut answers: Vec<_> = order.into_iter().zip(found).collect();
        answers.sort_unstable_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    async fn get_each(&self, keys: impl Iterator<Item = &Key>) -> Vec<Result<Option<Entry>>> {
        let reads: Vec<_> = keys.map(|key| self.get(key)).collect();
        stream::iter(reads).buffered(AT_ONCE).collect().await
    }

    /// The entries of those `keys` that `chunk` names, all of one lane.
    async fn get_chunk(&self, keys: &[Key], chunk: &[usize]) -> Vec<Result<Option<Entry>>> {
        let names: Vec<Bytes> = chunk.iter().map(|at| self.names.of(&keys[*at])).collect();
        let lane = self.link.lane_of(&keys[chunk[0]]);
        let reply = self.link.run_on(&self.scripts.get_many, lane, &names, vec![Bytes::from_static(LAST)]).await;
        let replies = match reply.and_then(Reply::many) {
            Ok(replies) if replies.len() == chunk.len() => replies,
            Ok(_) => return chunk.iter().map(|_| Err(unexpected())).collect(),
            Err(error) => return chunk.iter().map(|_| Err(error.clone())).collect(),
        };
        let now = self.now();
        let known: Vec<_> = chunk.iter().zip(replies).map(|(at, reply)| entry_in(&keys[*at], reply)).collect();
        // What is long or does not verify is read by itself.
        let rest = chunk.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(at, _)| &keys[*at]);
        let mut rest = Box::pin(self.get_each(rest)).await.into_iter();
        let live = |entry: Option<Entry>| Ok(entry.filter(|entry| !entry.meta.is_expired(now)));
        known.into_iter().map(|known| known.map_or_else(|| rest.next().unwrap_or(Ok(None)), live)).collect()
    }
}

/// The entry of `key`, or that there is none; `None` when `reply` does not tell.
#[expect(clippy::option_option, reason = "not told is not the same as absent")]
fn entry_in(key: &Key, reply: Reply) -> Option<Option<Entry>> {
    match reply {
        Reply::Bytes(bytes) if bytes.is_empty() => Some(None),
        Reply::Bytes(bytes) => record::decode(key, &bytes).map(Some),
        _ => None,
    }
}
