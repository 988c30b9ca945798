//! How much is held: counted while that is cheap, estimated beyond.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use cache_core::{Key, KeyPrefix, Result, Usage};
use fred::types::config::Server;
use futures_util::stream::{self, StreamExt};

use super::Store;
use super::pages::{AT_ONCE, Place};
use crate::error::from_reply;
use crate::link::{Repeat, Reply, Request};

/// Keys of one server that are looked at; beyond, they stand for all.
const LOOKED_AT: u64 = 100_000;
/// Records that are weighed on one server; beyond, they stand for all.
const WEIGHED: u64 = 10_000;

/// What one server holds.
#[derive(Debug, Default)]
struct Survey {
    entries: u64,
    weighed: u64,
    bytes: u64,
    /// Whether every key was seen.
    whole: bool,
}

impl Store {
    pub(crate) async fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        usage.exact = true;
        for node in self.nodes()? {
            let survey = self.survey(node).await?;
            usage.entries += survey.entries;
            usage.exact &= survey.whole && survey.weighed == survey.entries;
            usage.bytes += scaled(survey.bytes, survey.entries, survey.weighed);
        }
        usage.corrupt = self.corrupt.load(Ordering::Relaxed);
        usage.expired = self.expired.load(Ordering::Relaxed);
        Ok(usage)
    }

    async fn survey(&self, node: Option<Server>) -> Result<Survey> {
        let total = match self.link.ask_at(0, node.as_ref(), Request::new("DBSIZE", Repeat::Once)).await? {
            Reply::Refused(reply) => return Err(from_reply(&reply)),
            reply => reply.number()?.unsigned_abs(),
        };
        // To know which part of all keys is ours, the others have to be seen as well.
        let pattern = (total <= LOOKED_AT).then(|| self.names.pattern(&KeyPrefix::all()));
        let (mut survey, mut seen, mut ours) = (Survey::default(), 0, HashSet::new());
        let mut place = Place::start_of(node);
        loop {
            let (names, next) = self.step(&place, pattern.clone()).await?;
            seen += names.len() as u64;
            let keys = names.iter().filter_map(|name| self.names.key(name));
            let keys: Vec<Key> = keys.filter(|key| ours.insert(key.hash64())).collect();
            self.weigh(keys, &mut survey).await?;
            match next {
                Some(cursor) if pattern.is_some() || seen < LOOKED_AT => place.cursor = cursor,
                Some(_) => {
                    survey.entries = scaled(survey.entries, total, seen);
                    return Ok(survey);
                }
                None => {
                    survey.whole = true;
                    return Ok(survey);
                }
            }
        }
    }

    async fn weigh(&self, keys: Vec<Key>, survey: &mut Survey) -> Result<()> {
        if survey.weighed >= WEIGHED {
            survey.entries += keys.len() as u64;
            return Ok(());
        }
        let mut weights =
            stream::iter(keys).map(|key| async move { self.weight(&key).await }).buffer_unordered(AT_ONCE);
        while let Some(weight) = weights.next().await {
            if let Some(weight) = weight? {
                survey.entries += 1;
                survey.weighed += 1;
                survey.bytes += weight;
            }
        }
        Ok(())
    }

    /// Bytes of the record of `key` and its name.
    async fn weight(&self, key: &Key) -> Result<Option<u64>> {
        let front = self.find_front(key).await?;
        Ok(front.map(|front| front.total() + self.names.of(key).len() as u64))
    }
}

/// `part` times `whole / seen`.
fn scaled(part: u64, whole: u64, seen: u64) -> u64 {
    (u128::from(part) * u128::from(whole) / u128::from(seen.max(1))) as u64
}
