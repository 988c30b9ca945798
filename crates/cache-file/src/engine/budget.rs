//! The budget: what is on disk stays within the capacity, index and scattered blocks included.

use cache_core::Limits;
use tracing::warn;

use super::Writer;
use super::group::Plan;
use crate::report::DiskUsage;

/// How often the entries are cut to what the disk shows before the next write goes on.
const ROUNDS: u32 = 6;
/// Bytes of the index beyond its entries that are nothing unusual.
const SLACK: u64 = 4 << 20;

impl Writer {
    /// Measures the disk and evicts until it is within the capacity.
    ///
    /// The catalog knows the weight of entries, the disk shows what they really take: pages of the index are not full,
    /// and file systems without holes keep dead records. The limit of the catalog is what is left of the capacity.
    pub(super) fn fit(&mut self) {
        for round in 0..ROUNDS {
            let mut disk = self.measure();
            let weight = self.shared.live.read().catalog.weight();
            if self.is_loose(disk, weight, round) {
                self.compact();
                disk = self.measure();
            }
            let plan = self.cut(disk, weight, round);
            if plan.is_empty() {
                return;
            }
            if let Err(error) = self.commit(plan) {
                warn!(%error, "entries beyond the budget could not be evicted");
                return;
            }
        }
        self.measure();
    }

    /// Sets the limit that `disk` leaves to entries of `weight`; what has to go for it.
    fn cut(&mut self, disk: DiskUsage, weight: u64, round: u32) -> Plan {
        let config = &self.shared.config;
        let free = u128::from(weight) + u128::from(config.capacity);
        let mut limit = u64::try_from(free.saturating_sub(u128::from(disk.total()))).unwrap_or(u64::MAX);
        if round > 0 && disk.total() > config.capacity {
            // Pages of the index come back by compaction alone, which has to be worth its while.
            limit = limit.min(weight.saturating_sub(worthwhile(disk).saturating_sub(self.loosened)));
        }
        let limits = Limits::weight(limit.min(config.capacity)).and_entries(config.entries);
        let mut plan = Plan::default();
        let now = self.shared.config.clock.now();
        plan.depart_all(self.shared.live.write().catalog.resize(limits, now));
        plan
    }

    /// Whether the index holds so many free pages that moving the others together pays.
    fn is_loose(&self, disk: DiskUsage, weight: u64, round: u32) -> bool {
        let named = weight.saturating_sub(disk.records);
        let usual = match (disk.total() > self.shared.config.capacity, round) {
            (true, 0) => named + named / 2,
            (true, _) => named,
            (false, _) => named + named / 2 + SLACK,
        };
        disk.index > usual && self.loosened >= worthwhile(disk)
    }

    fn compact(&mut self) {
        self.loosened = 0;
        let mut index = self.shared.index.write();
        // An interrupted compaction leaves a whole index: the next commit shows whether the handle still works.
        if let Some(Err(error)) = index.as_mut().map(crate::index::Index::compact) {
            warn!(?error, "the index could not be compacted");
        }
    }

    pub(super) fn measure(&mut self) -> DiskUsage {
        let index = self.shared.index.read().as_ref().and_then(|index| index.allocated().ok());
        let mut disk = self.shared.disk.lock();
        disk.volumes = self.volumes.allocated();
        disk.records = self.volumes.live();
        disk.index = index.unwrap_or(disk.index);
        disk.quarantine = self.quarantined;
        *disk
    }
}

/// Bytes of the index that must have become free for a compaction.
fn worthwhile(disk: DiskUsage) -> u64 {
    disk.index / 8 + (16 << 10)
}
