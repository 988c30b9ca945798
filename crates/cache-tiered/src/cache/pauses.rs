//! Keys that are not loaded again for a while, because their load has just failed.

use std::collections::HashMap;

use cache_core::{Error, Key, Stamp, Timestamp};
use parking_lot::Mutex;

/// The most keys remembered. Beyond, the one that would be forgotten first makes way.
const MOST: usize = 4096;

/// Until when keys are not loaded again.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<HashMap<Key, Pause>>);

/// A load that failed.
#[derive(Debug, Clone)]
pub(super) struct Pause {
    /// When it failed; before that, the clock was set back.
    pub(super) since: Timestamp,
    /// From when on the key is loaded again.
    pub(super) end: Timestamp,
    /// When the load began: what was invalidated since is loaded at once.
    pub(super) began: Stamp,
    /// What it failed with, for those who have no value to stand in.
    pub(super) failure: Option<Error>,
}

impl Pauses {
    pub(super) fn add(&self, key: &Key, pause: Pause, now: Timestamp) {
        let mut pauses = self.0.lock();
        if pauses.len() >= MOST && !pauses.contains_key(key) {
            pauses.retain(|_, pause| now < pause.end);
            let first = pauses.iter().min_by_key(|(_, pause)| pause.end).map(|(key, _)| key.clone());
            if let Some(first) = first.filter(|_| pauses.len() >= MOST) {
                pauses.remove(&first);
            }
        }
        pauses.insert(key.clone(), pause);
    }

    pub(super) fn get(&self, key: &Key, now: Timestamp) -> Option<Pause> {
        let mut pauses = self.0.lock();
        let pause = pauses.get(key)?;
        if pause.since <= now && now < pause.end {
            return Some(pause.clone());
        }
        pauses.remove(key);
        None
    }

    pub(super) fn end(&self, key: &Key) {
        self.0.lock().remove(key);
    }
}
