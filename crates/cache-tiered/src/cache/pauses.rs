//! Keys that are not loaded again for a while, because their load has just failed.

use std::collections::HashMap;

use cache_core::{Key, Timestamp};
use parking_lot::Mutex;

/// The most keys remembered. One that finds no room is only loaded again sooner.
const MOST: usize = 4096;

/// Until when keys with a stale value are not loaded again.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<HashMap<Key, Timestamp>>);

impl Pauses {
    pub(super) fn add(&self, key: &Key, until: Timestamp, now: Timestamp) {
        let mut pauses = self.0.lock();
        if pauses.len() >= MOST {
            pauses.retain(|_, end| now < *end);
        }
        if pauses.len() < MOST {
            pauses.insert(key.clone(), until);
        }
    }

    pub(super) fn has(&self, key: &Key, now: Timestamp) -> bool {
        let mut pauses = self.0.lock();
        let end = pauses.get(key).copied();
        if end.is_some_and(|end| now >= end) {
            pauses.remove(key);
        }
        end.is_some_and(|end| now < end)
    }

    pub(super) fn end(&self, key: &Key) {
        self.0.lock().remove(key);
    }
}
