//! Sparse volumes: their number is bounded, however few entries keep one each.

use std::collections::BTreeSet;

use cache_core::{Key, Result, Timestamp};
use tracing::warn;

use super::group::{Plan, Prepared, Request};
use super::{Found, Writer};

/// Volumes beyond twice the number that the capacity fills.
const SPARE: usize = 64;
/// Volumes given up beyond those that are too many: finding their entries reads the whole catalog.
const AHEAD: usize = 8;
/// Marks that are written anew at once: until the commit each takes space twice.
const MARKS: usize = 64;

impl Writer {
    /// Gives up the sparsest volumes when there are too many: values in them are evicted, marks are written anew.
    pub(super) fn thin_out(&mut self) {
        let config = &self.shared.config;
        let filled = usize::try_from(config.capacity / config.volume_len).unwrap_or(usize::MAX);
        let most = filled.saturating_mul(2).saturating_add(SPARE);
        let Some(beyond) = self.volumes.len().checked_sub(most).filter(|beyond| *beyond > 0) else { return };
        let sparse = self.volumes.sparsest(beyond + AHEAD);
        let (marks, values) = self.keys_in(&sparse);
        let given_up = self.evict(&values).and_then(|()| marks.chunks(MARKS).try_for_each(|keys| self.rewrite(keys)));
        if let Err(error) = given_up {
            warn!(%error, "sparse volumes could not be given up");
        }
        self.measure();
    }

    /// The keys of marks in `volumes`, and those of values.
    fn keys_in(&self, volumes: &BTreeSet<u32>) -> (Vec<Key>, Vec<Key>) {
        let live = self.shared.live.read();
        let entries = live.catalog.iter(Timestamp::EPOCH);
        let inside = entries.filter(|(_, entry)| entry.place().is_some_and(|place| volumes.contains(&place.volume)));
        let (marks, values): (Vec<_>, Vec<_>) = inside.partition(|(_, entry)| entry.pinned);
        let keys = |entries: Vec<(&Key, _)>| entries.into_iter().map(|(key, _)| key.clone()).collect();
        (keys(marks), keys(values))
    }

    fn evict(&mut self, keys: &[Key]) -> Result<()> {
        let mut plan = Plan::default();
        {
            let mut live = self.shared.live.write();
            plan.evict_all(keys.iter().filter_map(|key| live.catalog.remove(key, Timestamp::EPOCH)));
        }
        self.commit(plan)
    }

    /// Appends marks to the volume that is written to: what they cover is not to be served again.
    fn rewrite(&mut self, keys: &[Key]) -> Result<()> {
        let mut requests = Vec::with_capacity(keys.len());
        for key in keys {
            match self.shared.get(key) {
                Ok(Found::Whole(mark)) => requests.push(self.prepare(&Request::Put(key.clone(), mark), 0)?),
                Ok(Found::Corrupt(generation)) => requests.push(Prepared::Discard(key.clone(), generation)),
                Ok(Found::Absent) => requests.push(Prepared::Remove(key.clone())),
                Err(error) => warn!(%error, %key, "a mark cannot be read, and keeps its volume"),
            }
        }
        let mut plan = Plan::default();
        {
            let now = self.shared.config.clock.now();
            let mut live = self.shared.live.write();
            for request in requests {
                plan.apply(&mut live, request, now);
            }
            plan.cast_shadows(&mut live);
        }
        self.commit(plan)
    }
}
