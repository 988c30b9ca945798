//! Reading everything that tiers keep, to find what is damaged before somebody asks for it.

use cache_core::{Clock, Entry, ErrorKind, Key, KeyPrefix, Meta, Result, Role, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::first_keys;
use crate::stack::{Part, Stack};

/// Entries that one step reads at most.
const STEP: usize = 256;

/// Where the next step begins.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Position of the tier, the nearest first.
    #[serde(default)]
    pub(crate) tier: usize,
    /// The last key that was read there.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) after: Option<Key>,
}

/// What a step found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Verified {
    pub(crate) checked: u64,
    pub(crate) bytes: u64,
    pub(crate) damaged: Vec<Damage>,
    /// `None` after the last step.
    pub(crate) next: Option<Cursor>,
}

/// An entry that did not read as it was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Damage {
    pub(crate) tier: String,
    pub(crate) key: String,
    /// Whether it was put again from another tier.
    pub(crate) repaired: bool,
}

/// Reads the next entries of one tier that outlives the process. What is damaged is dropped by that, as by every read; if
/// asked it is put again from a tier that has it whole.
///
/// # Errors
/// Those of the tier.
pub(crate) async fn verify(stack: &Stack, from: &Cursor, repair: bool) -> Result<Verified> {
    let mut found = Verified { checked: 0, bytes: 0, damaged: Vec::new(), next: None };
    let Some(part) = stack.parts.get(from.tier) else { return Ok(found) };
    let next_tier = (from.tier + 1 < stack.parts.len()).then_some(Cursor { tier: from.tier + 1, after: None });
    if !part.backend.info().durable {
        found.next = next_tier;
        return Ok(found);
    }
    let keys = first_keys(&*part.backend, &KeyPrefix::all(), from.after.as_ref(), STEP).await?;
    let mut corrupt = part.backend.usage().await?.corrupt;
    for (key, meta) in keys.iter().filter(|(_, meta)| meta.role == Role::Value) {
        found.checked += 1;
        let now = stack.tiers.clock().now();
        let damage = match read(part, key, meta, &mut corrupt, now).await? {
            Reading::Whole(entry) => {
                found.bytes += entry.body.len() as u64;
                continue;
            }
            Reading::Gone => continue,
            Reading::Damaged => Damage { tier: part.name.to_string(), key: key.to_string(), repaired: false },
        };
        let repaired = repair && put_again(stack, from.tier, key, meta).await;
        found.damaged.push(Damage { repaired, ..damage });
    }
    found.next = match keys.last_key_value() {
        Some((last, _)) if keys.len() == STEP => Some(Cursor { tier: from.tier, after: Some(last.clone()) }),
        _ => next_tier,
    };
    Ok(found)
}

enum Reading {
    Whole(Entry),
    /// It left since it was listed, for another reason.
    Gone,
    Damaged,
}

/// Reads `key`, whose listed entry has `meta`, from a tier that has counted so many damaged entries.
///
/// A tier tells what it dropped by that count alone. While others use it the count may be of another entry, so one that was
/// replaced meanwhile, or has expired, is not blamed; one that was removed at that very moment is.
async fn read(part: &Part, key: &Key, meta: &Meta, corrupt: &mut u64, now: Timestamp) -> Result<Reading> {
    match part.backend.get(key).await {
        Ok(Some(entry)) => return Ok(Reading::Whole(entry)),
        Ok(None) => {
            let counted = part.backend.usage().await?.corrupt;
            if counted <= std::mem::replace(corrupt, counted) || meta.expires() <= now {
                return Ok(Reading::Gone);
            }
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => {}
        Err(error) => return Err(error),
    }
    match part.backend.get(key).await {
        Ok(Some(entry)) => Ok(Reading::Whole(entry)),
        Ok(None) => Ok(Reading::Damaged),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Reading::Damaged),
        Err(error) => Err(error),
    }
}

/// Puts the same entry from another tier, if one has it.
async fn put_again(stack: &Stack, damaged: usize, key: &Key, meta: &Meta) -> bool {
    for (at, other) in stack.parts.iter().enumerate() {
        if at == damaged {
            continue;
        }
        if let Ok(Some(entry)) = other.backend.get(key).await
            && entry.meta.stamp == meta.stamp
        {
            return stack.parts[damaged].backend.put(key, entry).await.is_ok();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use async_trait::async_trait;
    use cache_core::{Backend, BackendInfo, HOUR, Stamp, Swept, SystemClock, Usage, ttl};
    use cache_testkit::NaiveModel;
    use cache_tiered::Tiered;
    use futures_util::stream::BoxStream;
    use parking_lot::Mutex;

    use super::*;
    use crate::evictions::Evictions;
    use crate::stack::Longest;
    use crate::tiers::TierKind;

    /// A tier in which another entry is found damaged with each read that finds nothing: so it is with players around.
    #[derive(Debug)]
    struct Busy {
        inner: NaiveModel,
        /// Keys that are not there for one read, as while they are replaced,
        replaced: Mutex<BTreeSet<Key>>,
        /// and those that are damaged.
        damaged: BTreeSet<Key>,
        corrupt: Mutex<u64>,
    }

    #[async_trait]
    impl Backend for Busy {
        fn info(&self) -> BackendInfo {
            let mut info = self.inner.info();
            info.durable = true;
            info
        }

        async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
            self.inner.stat(key).await
        }

        async fn get(&self, key: &Key) -> Result<Option<Entry>> {
            if self.replaced.lock().remove(key) || self.damaged.contains(key) {
                *self.corrupt.lock() += 1;
                return Ok(None);
            }
            self.inner.get(key).await
        }

        async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
            self.inner.put(key, entry).await
        }

        async fn remove(&self, key: &Key) -> Result<bool> {
            self.inner.remove(key).await
        }

        fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
            self.inner.scan(prefix)
        }

        async fn usage(&self) -> Result<Usage> {
            let mut usage = self.inner.usage().await?;
            usage.corrupt = *self.corrupt.lock();
            Ok(usage)
        }

        async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
            self.inner.sweep(now, limit).await
        }

        async fn close(&self) -> Result<()> {
            self.inner.close().await
        }
    }

    #[tokio::test]
    async fn what_is_replaced_while_it_is_looked_for_is_not_blamed_for_the_damage_of_another() {
        let clock = Arc::new(SystemClock::new());
        let key = |name: &str| Key::of(name).build().unwrap();
        let inner = NaiveModel::new(clock.clone());
        for name in ["damaged", "replaced", "whole"] {
            let meta = Meta::new(Stamp::from_u64(1), clock.now()).with_lifetime(ttl(HOUR));
            inner.put(&key(name), Entry::new(meta, name.as_bytes().to_vec())).await.unwrap();
        }
        let (replaced, damaged) = (Mutex::new(BTreeSet::from([key("replaced")])), BTreeSet::from([key("damaged")]));
        let tier: Arc<dyn Backend> = Arc::new(Busy { inner, replaced, damaged, corrupt: Mutex::new(0) });
        let part = Part {
            name: "busy".into(),
            kind: TierKind::File,
            backend: tier.clone(),
            evictions: Arc::new(Evictions::new(clock)),
        };
        let tiers = Tiered::builder().tier(tier).build().unwrap();
        let stack = Stack { tiers, places: Vec::new(), parts: Arc::new([part]), longest: Longest::new(None) };
        let found = verify(&stack, &Cursor::default(), false).await.unwrap();
        let blamed: Vec<&str> = found.damaged.iter().map(|damage| damage.key.as_str()).collect();
        assert_eq!((blamed, found.checked), (vec!["damaged"], 3));
    }
}
