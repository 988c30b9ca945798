//! Sparse volumes: the number of open files is bounded, however few entries keep a volume each.

use std::collections::BTreeSet;

use cache_core::{Key, Timestamp};
use tracing::warn;

use super::Writer;
use super::group::Plan;

/// Volumes beyond twice the number that the capacity fills.
const SPARE: usize = 64;
/// Volumes given up beyond those that are too many: finding their entries reads the whole catalog.
const AHEAD: usize = 8;

impl Writer {
    /// Evicts what is left in the sparsest volumes when there are too many of them.
    pub(super) fn thin_out(&mut self) {
        let config = &self.shared.config;
        let filled = usize::try_from(config.capacity / config.volume_len).unwrap_or(usize::MAX);
        let most = filled.saturating_mul(2).saturating_add(SPARE);
        let Some(beyond) = self.volumes.len().checked_sub(most).filter(|beyond| *beyond > 0) else { return };
        let sparse = self.volumes.sparsest(beyond + AHEAD);
        let keys = self.keys_in(&sparse);
        let mut plan = Plan::default();
        {
            let mut live = self.shared.live.write();
            let now = Timestamp::EPOCH;
            plan.evict_all(keys.into_iter().filter_map(|key| live.catalog.remove(&key, now)));
        }
        if let Err(error) = self.commit(plan) {
            warn!(%error, "sparse volumes could not be given up");
        }
        self.measure();
    }

    fn keys_in(&self, volumes: &BTreeSet<u32>) -> Vec<Key> {
        let live = self.shared.live.read();
        let entries = live.catalog.iter(Timestamp::EPOCH);
        let inside = entries.filter(|(_, entry)| entry.place().is_some_and(|place| volumes.contains(&place.volume)));
        inside.map(|(key, _)| key.clone()).collect()
    }
}
