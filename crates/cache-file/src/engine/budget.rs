//! The budget: what is on disk stays within the capacity, index and scattered blocks included.

use tracing::warn;

use super::group::{Plan, Request};
use super::{Side, Writer};
use crate::index::record::inline_charge;
use crate::report::DiskUsage;
use crate::volume::record::BLOCK;

/// How often entries are evicted for what the disk shows before the next write goes on.
const ROUNDS: u32 = 6;
/// Commits that evict for the floor of free space before a group is answered.
const FEW: u32 = 2;
/// The index may take one part in so many of the capacity.
///
/// Its file gives nothing back while it is used, and compacting it stops all writes: what it takes is lost to volumes.
const INDEX_SHARE: u64 = 4;
/// Weight that leaves the index for its own bound at once: the commit of a large part of it writes that part anew.
const STEP: u64 = 64 << 10;
/// One part in so many of the capacity is left free, at most [`MARGIN_MAX`], for the pages that the index changes.
const MARGIN_SHARE: u64 = 64;
const MARGIN_MAX: u64 = 2 << 20;
/// As much of the capacity is left free, up to this, for groups of short entries.
const HEADROOM_MAX: u64 = 2 << 20;

/// How many commits may evict for the floor of free space at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// One, or a few after a group: the rest waits for the next.
    One,
    Few,
    /// All that it takes: nobody waits.
    All,
}

impl Writer {
    /// Evicts some more of what is still to go for the floor of free space; whether there was any.
    pub(super) fn evict_on(&mut self) -> bool {
        let was_behind = self.is_behind;
        if was_behind {
            self.fit(Steps::One);
            self.mend();
        }
        was_behind
    }

    /// Measures the disk and evicts until it is within the capacity.
    ///
    /// The catalogs know the weight of entries, the disk shows what they really take: pages of the index are not full,
    /// and file systems without holes keep dead records. The limits of the catalogs follow what is left. For others,
    /// who need the space for longer than one group, as much is evicted as `steps` allow.
    pub(super) fn fit(&mut self, steps: Steps) {
        let mut left = match steps {
            Steps::One => 1,
            Steps::Few => FEW,
            Steps::All => u32::MAX,
        };
        self.is_behind = false;
        for _ in 0..ROUNDS {
            let disk = self.measure();
            let excess = self.excess(disk);
            if excess > 0 && self.is_loose(disk, excess) {
                self.compact();
                continue;
            }
            let bounds = self.bounds(disk, excess);
            let mut plan = self.cut(bounds);
            if plan.is_empty() {
                return;
            }
            while !plan.is_empty() {
                if let Err(error) = self.commit(plan) {
                    warn!(%error, "entries beyond the budget could not be evicted");
                    return;
                }
                left = left.saturating_sub(1);
                if left == 0 && self.measure().total() <= self.target() {
                    self.is_behind = true;
                    return;
                }
                plan = self.cut(bounds);
            }
        }
        self.measure();
    }

    /// Whether compacting the index is the way to give `excess` bytes back.
    fn is_loose(&self, disk: DiskUsage, excess: u64) -> bool {
        let (short, values) = {
            let live = self.shared.live.read();
            (live.catalog.weight(Side::Index), live.catalog.values())
        };
        // What volumes have to give, marks apart, is not enough.
        let is_last = excess > values;
        let enough = if is_last && short == 0 { 0 } else { disk.index / 8 };
        (is_last || disk.index > self.target() / 2) && self.loosened > enough
    }

    /// Bytes that a group may add to disk before something has to go.
    pub(super) fn room(&self) -> u64 {
        self.target().saturating_sub(self.shared.disk().total()).min(self.spare())
    }

    /// The longest envelope that is kept in the index when `requests` are carried out.
    ///
    /// When the index has its share, short entries go to volumes as well: to their free space at first, then as many as
    /// there are entries, so that both age alike.
    pub(super) fn inline_max(&self, requests: &[Request]) -> u64 {
        let longest = self.shared.config.inline_max;
        let lens = requests.iter().map(Request::len).filter(|len| *len <= longest);
        let (count, bytes) = lens.fold((0, 0), |(count, bytes), len| (count + 1, bytes + inline_charge(&[], len)));
        let live = self.shared.live.read();
        let [short, all] = [live.catalog.count(Side::Index), live.catalog.len() as u64];
        let weight = live.catalog.weight(Side::Index);
        drop(live);
        let is_full = weight + bytes > self.index_bound.1 && count > 0;
        let in_volumes = is_full && (self.room() > count * 2 * BLOCK || self.turn() % all.max(1) >= short);
        if in_volumes { 0 } else { longest }
    }

    /// What the disk may take after a group.
    fn target(&self) -> u64 {
        let capacity = self.shared.config.capacity;
        (capacity - (capacity / MARGIN_SHARE).min(MARGIN_MAX)).saturating_sub(self.seal)
    }

    /// Bytes that are left free, so that a group may be written before what it evicts is gone: by one commit, not two.
    fn headroom(&self) -> u64 {
        (self.shared.config.capacity / MARGIN_SHARE).min(HEADROOM_MAX)
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

    /// What entries in the index and entries in volumes may weigh: what is there and what is free, or less by `excess`.
    fn bounds(&mut self, disk: DiskUsage, excess: u64) -> [u64; 2] {
        let free = self.target().saturating_sub(disk.total()).min(self.spare());
        let (short, long, values) = {
            let live = self.shared.live.read();
            let [short, long] = [Side::Index, Side::Volumes].map(|side| live.catalog.weight(side));
            (short, long, live.catalog.values())
        };
        // What volumes cannot give the index has to. Marks go when there is nothing else.
        let missing = excess.saturating_sub(values);
        let most =
            self.bound_index(disk.index, short, free).clamp(short.saturating_sub(STEP), short.saturating_add(free));
        let in_index = if missing > 0 { most.min(short.saturating_sub(missing.max(disk.index / 8))) } else { most };
        let kept = if short > 0 { long - values } else { 0 };
        let most = long.saturating_add(free).saturating_sub(excess.max(self.headroom())).max(kept);
        [in_index, most.min(self.shared.config.capacity)]
    }

    /// Limits the catalogs, and takes out of them what is beyond, or a part of that.
    fn cut(&self, bounds: [u64; 2]) -> Plan {
        let now = self.shared.config.clock.now();
        let mut plan = Plan::default();
        for (side, most) in [Side::Index, Side::Volumes].into_iter().zip(bounds) {
            plan.depart_all(self.shared.live.write().catalog.bound(side, most, now));
        }
        plan
    }

    /// What entries in the index of `weight` may weigh, when its file takes `taken` bytes.
    ///
    /// Into its share of the capacity it may grow. Then it holds as much as it has been seen to hold, and less each time
    /// when that made it grow all the same.
    fn bound_index(&mut self, taken: u64, weight: u64, free: u64) -> u64 {
        let share = self.shared.config.capacity / INDEX_SHARE;
        let (before, bound) = self.index_bound;
        let bound = if taken < share {
            weight.saturating_add((share - taken).min(free))
        } else if before == 0 {
            // Just opened: nobody knows how many of its pages are free.
            weight.max(share / 2)
        } else if before < share {
            weight - weight / 16
        } else if taken > before {
            bound.min(weight).saturating_sub((taken - before) / 2).max(share / 4)
        } else {
            bound
        };
        self.index_bound = (taken, bound);
        bound
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
        let (index, seal) = match &*self.shared.index.read() {
            Some(index) => (index.allocated().ok(), index.seal_allocated()),
            None => (None, 0),
        };
        self.seal = seal;
        let mut disk = self.shared.disk.lock();
        disk.volumes = self.volumes.allocated();
        disk.records = self.volumes.live();
        disk.index = index.unwrap_or(disk.index);
        disk.quarantine = self.quarantined;
        disk.recent = self.recent;
        *disk
    }
}
