//! Reads that load nothing: of one key, and of many with each tier asked once for all of them.

use std::sync::atomic::Ordering;

use cache_core::{Freshness, Key, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::consume_budget;
use tokio::time::Instant;

use super::inner::{Inner, Looked, Seen};
use super::near::Held;
use super::stats::count;
use super::{Hit, Origin};
use crate::fence::Watch;

/// A key on its way through the tiers.
struct Sought<'a> {
    key: &'a Key,
    stored: Key,
    /// Taken before the tiers were asked, as the count of gaps was.
    watch: Watch,
    gaps: u64,
    began: Instant,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Inner<V> {
    /// The value of `key`, if there is one.
    pub(super) async fn find(&self, key: &Key) -> Result<Option<Hit<V>>> {
        if let Some((hit, _)) = self.near_hit(key) {
            return Ok(Some(hit));
        }
        let began = Instant::now();
        let stored = self.stored_key(key)?;
        self.tiers.open().await;
        let sought = self.seek(key, stored, began);
        let looked = self.look(&sought.stored, &self.expecting(&self.wants)).await;
        self.answer(&sought, looked)
    }

    /// How fresh the value of `key` is, if there is one. Who looks after values asks it: it is no hit and no miss.
    pub(super) async fn freshness(&self, key: &Key) -> Result<Option<Freshness>> {
        let of = |held: &Held<V>| held.freshness(self.clock.now());
        let near = self.near_valid(key);
        if near.as_ref().is_some_and(|held| of(held) == Freshness::Fresh) {
            return Ok(Some(Freshness::Fresh));
        }
        let stored = self.stored_key(key)?;
        self.tiers.open().await;
        let looked = self.look(&stored, &self.expecting(&self.wants)).await;
        match self.better(near.map(|held| (held, Origin::Near)), looked.found) {
            Some((held, _)) => Ok(Some(of(&held)).filter(|freshness| *freshness != Freshness::Expired)),
            None => looked.error.map_or(Ok(None), Err),
        }
    }

    /// As [`find`](Self::find), for each of `keys`.
    pub(super) async fn find_many(&self, keys: &[Key]) -> Vec<Result<Option<Hit<V>>>> {
        let began = Instant::now();
        self.tiers.open().await;
        let (mut found, mut sought) = (Vec::with_capacity(keys.len()), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            found.push(match (self.near_hit(key), self.stored_key(key)) {
                (Some((hit, _)), _) => Ok(Some(hit)),
                (None, Err(error)) => Err(error),
                (None, Ok(stored)) => {
                    sought.push((at, self.seek(key, stored, began)));
                    Ok(None)
                }
            });
        }
        let asked: Vec<Key> = sought.iter().map(|(_, sought)| sought.stored.clone()).collect();
        let lookups = if asked.is_empty() { Vec::new() } else { self.tiers.lookup_many(&asked).await };
        for ((at, sought), lookup) in sought.iter().zip(lookups) {
            let looked = self.read(&sought.stored, lookup).await;
            found[*at] = self.answer(sought, looked);
            // Decoding many values is no reason to keep other tasks waiting.
            consume_budget().await;
        }
        found
    }

    fn seek<'a>(&self, key: &'a Key, stored: Key, began: Instant) -> Sought<'a> {
        let watch = self.tiers.watch(&stored);
        Sought { key, stored, watch, gaps: self.gaps.load(Ordering::Acquire), began }
    }

    /// What a caller is told of what the tiers have, and the near tier with it.
    fn answer(&self, sought: &Sought<'_>, looked: Looked<V>) -> Result<Option<Hit<V>>> {
        let near = self.near_valid(sought.key).map(|held| (held, Origin::Near));
        let Some((held, origin)) = self.better(near, looked.found) else {
            count(&self.counters.misses);
            return looked.error.map_or(Ok(None), Err);
        };
        self.fill_near_seen(sought.key, &sought.stored, &held, &Seen { watch: &sought.watch, gaps: sought.gaps });
        let freshness = held.freshness(self.clock.now());
        Ok((freshness != Freshness::Expired).then(|| self.serve(&held, origin, freshness, sought.began)))
    }
}
