//! The near tier: decoded values in this process.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Freshness, Key, Meta, Stamp, Timestamp};
use cache_mem::{MemCache, Terms};

use crate::fence::Watch;

/// A decoded value with the facts of its meta that answers need.
#[derive(Debug)]
pub(super) struct Held<V> {
    pub(super) value: Arc<V>,
    pub(super) stamp: Stamp,
    pub(super) created: Timestamp,
    pub(super) cost: Duration,
    fresh_until: Timestamp,
    expires: Timestamp,
}

impl<V> Held<V> {
    pub(super) fn new(value: Arc<V>, meta: &Meta) -> Self {
        Self {
            value,
            stamp: meta.stamp,
            created: meta.created,
            cost: meta.cost,
            fresh_until: meta.fresh_until,
            expires: meta.expires(),
        }
    }

    pub(super) fn freshness(&self, now: Timestamp) -> Freshness {
        if now >= self.expires {
            Freshness::Expired
        } else if now >= self.fresh_until {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }
}

impl<V> Clone for Held<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

/// Decoded values, the newest of each key, bounded by their number.
#[derive(Debug)]
pub(super) struct Near<V>(MemCache<Key, Held<V>>);

impl<V> Near<V> {
    pub(super) fn new(values: u64, clock: Arc<dyn Clock>) -> Self {
        Self(MemCache::builder().entries(values).clock(clock).build())
    }

    pub(super) fn get(&self, key: &Key) -> Option<Held<V>> {
        self.0.get(key)
    }

    /// Keeps what was read or loaded under `watch`, unless the key was written since.
    pub(super) fn fill(&self, key: &Key, held: Held<V>, watch: &Watch) {
        let (stamp, terms) = (held.stamp, terms(&held));
        let _ = self.0.insert_if(key.clone(), held, terms, |present| {
            present.is_none_or(|present| present.stamp <= stamp) && watch.is_current()
        });
    }

    /// Keeps what is being written; the caller has the rights to the key.
    pub(super) fn put(&self, key: &Key, held: Held<V>) {
        let terms = terms(&held);
        let _ = self.0.insert_with(key.clone(), held, terms);
    }

    /// Drops the value of `key`; whether there was one. The caller has the rights to the key.
    pub(super) fn remove(&self, key: &Key) -> bool {
        self.0.remove(key).is_some()
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

fn terms<V>(held: &Held<V>) -> Terms {
    Terms::new().expires(held.expires).cost(held.cost)
}
