//! The budget: what is on disk stays within the capacity, index and scattered blocks included.

use cache_core::Limits;
use tracing::warn;

use super::Writer;
use super::group::{Plan, Request};
use crate::index::record::inline_charge;
use crate::report::DiskUsage;

/// How often entries are evicted for what the disk shows before the next write goes on.
const ROUNDS: u32 = 6;
/// The index may take one part in so many of the capacity before short entries go to volumes as well.
///
/// Its file gives nothing back while it is used, and compacting it stops all writes: what it takes is lost to volumes.
const INDEX_SHARE: u64 = 4;
/// One part in so many of the capacity is left free, at most [`MARGIN_MAX`], for the pages that the index changes.
const MARGIN_SHARE: u64 = 64;
const MARGIN_MAX: u64 = 2 << 20;

impl Writer {
    /// Measures the disk and evicts until it is within the capacity.
    ///
    /// The catalog knows the weight of entries, the disk shows what they really take: pages of the index are not full,
    /// and file systems without holes keep dead records. The limit of the catalog is what is left of the capacity.
    pub(super) fn fit(&mut self) {
        for _ in 0..ROUNDS {
            let disk = self.measure();
            let excess = self.excess(disk);
            if excess > 0 && self.is_bloated(disk) {
                self.compact();
            }
            let plan = self.cut(disk, excess);
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

    /// Bytes that a group may add to disk before something has to go.
    pub(super) fn room(&self) -> u64 {
        let disk = self.shared.disk();
        self.target().saturating_sub(disk.total()).min(self.spare())
    }

    /// The longest envelope that is kept in the index when `requests` are carried out.
    pub(super) fn inline_max(&self, requests: &[Request]) -> u64 {
        let config = &self.shared.config;
        let short = requests.iter().filter(|request| request.len() <= config.inline_max);
        let incoming: u64 = short.map(|request| inline_charge(&[], request.len())).sum();
        let share = config.capacity / INDEX_SHARE;
        let disk = self.shared.disk();
        let named = self.shared.live.read().catalog.weight().saturating_sub(disk.records);
        // It may grow into its share; later there are free pages as long as half of it is not needed.
        let fits = disk.index + 2 * incoming <= share || named + incoming <= share / 2;
        if fits { config.inline_max } else { 0 }
    }

    /// What the disk may take after a group.
    fn target(&self) -> u64 {
        let capacity = self.shared.config.capacity;
        capacity - (capacity / MARGIN_SHARE).min(MARGIN_MAX)
    }

    /// Bytes of the file system that may be taken without going below the floor.
    fn spare(&self) -> u64 {
        let (config, root) = (&self.shared.config, &self.shared.layout.root);
        if config.free_floor == 0 {
            return u64::MAX;
        }
        // Where nobody knows, the capacity is the bound.
        config.fs.available(root).map_or(u64::MAX, |available| available.saturating_sub(config.free_floor))
    }

    /// Bytes that have to go.
    fn excess(&self, disk: DiskUsage) -> u64 {
        let (config, root) = (&self.shared.config, &self.shared.layout.root);
        let above = disk.total().saturating_sub(self.target());
        if config.free_floor == 0 {
            return above;
        }
        let missing = config.fs.available(root).map_or(0, |available| config.free_floor.saturating_sub(available));
        above.max(missing)
    }

    /// Takes out of the catalog what has to go for `excess` bytes, and limits it to what is there and what is free.
    fn cut(&mut self, disk: DiskUsage, excess: u64) -> Plan {
        let (config, now) = (&self.shared.config, self.shared.config.clock.now());
        let mut live = self.shared.live.write();
        let mut plan = Plan::default();
        let free = self.target().saturating_sub(disk.total()).min(self.spare());
        let limits = |weight: u64| Limits::weight(weight.min(config.capacity)).and_entries(config.entries);
        if excess == 0 {
            let weight = live.catalog.weight();
            plan.depart_all(live.catalog.resize(limits(weight.saturating_add(free)), now));
            return plan;
        }
        // Pages of the index come back for its own use alone: bodies in volumes have to go.
        let mut freed = 0;
        while freed < excess && !live.catalog.is_empty() {
            let weight = live.catalog.weight().saturating_sub(excess - freed);
            let left = live.catalog.resize(limits(weight), now);
            freed += left.iter().filter_map(|departure| departure.value.place()).map(|place| place.space()).sum::<u64>();
            plan.depart_all(left);
        }
        plan
    }

    /// Whether there is so little besides the index that it has to be compacted.
    fn is_bloated(&self, disk: DiskUsage) -> bool {
        disk.index > self.target() / 2 && self.loosened >= disk.index / 8
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
