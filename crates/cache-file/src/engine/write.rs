//! `Writer`: carries groups of writes out in an order that survives a crash at any point.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cache_core::{Key, Result, Timestamp};
use cache_local::{Buffers, GroupWriter};
use tracing::warn;

use super::budget::Steps;
use super::group::{Answer, Departed, Plan, Prepared, Request};
use super::load::{self, Occasion};
use super::{Counters, Shared, Side, reclaim};
use crate::config::FileConfig;
use crate::dir::Layout;
use crate::error::{IndexError, from_io, is_full};
use crate::index::Change;
use crate::recent;
use crate::report::{IndexOrigin, OpenReport};
use crate::volume::Volumes;

/// Bytes of buffers that are kept while nobody uses them.
const IDLE_BYTES: usize = 24 << 20;
/// Bytes evicted at least when the disk is full.
const RELIEF: u64 = 256 << 10;

/// The one that changes a directory.
///
/// A group goes: decide in the catalog, append bodies, commit one transaction of the index, publish, give freed space
/// back, answer. What the index names is always written before; what it no longer names is erased after.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) volumes: Volumes,
    generation: u64,
    /// Set while index and catalog may disagree: nothing is written before both were loaded again and agree.
    broken: bool,
    /// Bytes of the index that became free since it was compacted; the greatest number where nobody knows.
    pub(super) loosened: u64,
    /// Whether entries are still to be evicted for the floor of free space.
    pub(super) is_behind: bool,
    /// Bytes on disk of what is in quarantine.
    pub(super) quarantined: u64,
    /// What the index took when its share was bounded last, and the bound on the weight of what is in it.
    pub(super) index_bound: (u64, u64),
    /// When the list of what was read lately was written, and after how many hits.
    pub(super) remembered: Option<(Timestamp, u64)>,
    /// Bytes on disk of that list.
    pub(super) recent: u64,
    /// Bytes on disk that the seal of the index will take.
    pub(super) seal: u64,
}

impl Writer {
    /// Opens what is in the directory `layout`, which the caller has locked.
    pub(crate) fn open(config: FileConfig, layout: Layout) -> Result<(Self, OpenReport)> {
        let mut generation = 0;
        let loaded = load::load(&config, &layout, Occasion::Opening, &mut generation)?;
        let shared = Shared {
            config,
            layout,
            live: loaded.live.into(),
            index: Some(loaded.index).into(),
            counters: Counters::default(),
            disk: parking_lot::Mutex::default(),
            buffers: Buffers::new(IDLE_BYTES),
            hits: AtomicU64::default(),
            suspect: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        shared.heat_after(loaded.moment);
        let mut writer = Self {
            recent: recent::allocated(&shared.layout),
            shared,
            volumes: loaded.volumes,
            generation,
            broken: loaded.stale.is_some(),
            loosened: u64::MAX,
            is_behind: false,
            quarantined: 0,
            index_bound: (0, 0),
            remembered: None,
            seal: 0,
        };
        let report = writer.settle_in(loaded.report, Volumes::renumber);
        Ok((writer, report))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// After an error nothing of the group is acknowledged: its keys read as before, or as absent. A full disk is
    /// answered by evicting and trying once more.
    fn carry_out_group(&mut self, requests: &[Request]) -> Vec<Result<Answer>> {
        let mut done = self.attempt(requests);
        if let Err(error) = &done
            && is_full(error)
            && !self.broken
            && self.relieve(requests.iter().map(Request::len).sum())
        {
            done = self.attempt(requests);
        }
        done.unwrap_or_else(|error| requests.iter().map(|_| Err(error.clone())).collect())
    }

    fn attempt(&mut self, requests: &[Request]) -> Result<Vec<Result<Answer>>> {
        self.shared.check_place()?;
        if self.broken || self.shared.index_failed() {
            self.recover()?;
        }
        let inline_max = self.inline_max(requests);
        let prepared: Vec<_> = requests.iter().map(|request| self.prepare(request, inline_max)).collect();
        let mut plan = Plan::default();
        let answers = {
            let now = self.shared.config.clock.now();
            let mut live = self.shared.live.write();
            let answers = prepared.into_iter().map(|request| Ok(plan.apply(&mut live, request?, now))).collect();
            plan.cast_shadows(&mut live);
            answers
        };
        let committed = self.commit(plan);
        if committed.is_ok() {
            self.fit(Steps::Few);
            self.thin_out();
            self.remember(false);
        }
        self.mend();
        committed.map(|()| answers)
    }

    /// A number for decisions by lot, another one for each group.
    pub(super) const fn turn(&self) -> u64 {
        self.generation.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
    }

    /// Makes room for `incoming` bytes and some more on a disk that is full; whether that worked.
    ///
    /// The index needs space to forget something, so here space comes first: should the commit fail, the index names
    /// places where nothing is, which reads as absent, as evicted entries may.
    fn relieve(&mut self, incoming: u64) -> bool {
        let mut plan = Plan::default();
        let now = self.shared.config.clock.now();
        let mut room = incoming.saturating_mul(2).max(self.shared.live.read().catalog.total() / 32).max(RELIEF);
        for side in [Side::Volumes, Side::Index] {
            let weight = self.shared.live.read().catalog.weight(side);
            loop {
                // Readers get their turn in between.
                let left = self.shared.live.write().catalog.bound(side, weight.saturating_sub(room), now);
                if left.is_empty() {
                    break;
                }
                plan.depart_all(left);
            }
            room = room.saturating_sub(weight);
        }
        let is_empty = plan.is_empty();
        let mut vacated = 0;
        for place in plan.before.values().filter_map(|departed| departed.entry.place()) {
            self.volumes.vacate(place);
            vacated += 1;
        }
        if let Err(error) = self.commit(plan) {
            warn!(%error, "the disk is full, and entries could not be evicted");
            self.shared.counters.evicted.fetch_add(vacated, Ordering::Relaxed);
            self.mend();
            return false;
        }
        // Back to the limit of the capacity, whatever came of it: what comes next is to be admitted.
        self.fit(Steps::Few);
        !is_empty && !self.broken
    }

    /// Opens the index again if it failed.
    pub(super) fn mend(&mut self) {
        if self.broken
            && let Err(error) = self.recover()
        {
            warn!(%error, "the index could not be opened again; the next write tries again");
        }
    }

    pub(super) fn prepare(&mut self, request: &Request, inline_max: u64) -> Result<Prepared> {
        self.generation += 1;
        Prepared::new(request, self.generation, inline_max, |key| self.shared.read_index(key))
    }

    /// Brings a plan to disk and shows it to readers, or takes it back.
    pub(super) fn commit(&mut self, mut plan: Plan) -> Result<()> {
        if plan.is_empty() {
            plan.count(&self.shared);
            return Ok(());
        }
        if plan.incoming() > self.room() {
            self.make_room(&mut plan)?;
        }
        let mark = self.volumes.mark();
        if let Err(error) = self.append(&mut plan) {
            self.volumes.roll_back(mark);
            self.share_files();
            let now = self.shared.config.clock.now();
            self.broken |= !plan.roll_back(&mut self.shared.live.write(), now);
            return Err(error);
        }
        self.share_files();
        let written = plan.bodies.iter().map(|(key, body)| {
            let key = key.as_str().as_bytes();
            (key, Some(body.record(key)))
        });
        self.apply(written.chain(plan.ended().map(|key| (key.as_str().as_bytes(), None))))?;
        plan.publish(&mut self.shared.live.write());
        plan.count(&self.shared);
        self.free(plan.released());
        Ok(())
    }

    /// Carries out first what a plan ends, so that disk use stays within the capacity while its bodies are written.
    fn make_room(&mut self, plan: &mut Plan) -> Result<()> {
        if plan.ended().next().is_none() {
            return Ok(());
        }
        self.apply(plan.ended().map(|key| (key.as_str().as_bytes(), None)))?;
        let ended = plan.take_ended();
        self.free(ended);
        Ok(())
    }

    fn append(&mut self, plan: &mut Plan) -> Result<()> {
        let volumes = &mut self.volumes;
        let mut write = || {
            for (key, body) in &mut plan.bodies {
                body.append(|envelope| volumes.append(key.as_str().as_bytes(), envelope))?;
            }
            volumes.sync()
        };
        write().map_err(|error| from_io(error, &self.shared.layout.volumes()))
    }

    /// Commits changes of the index. After a failure nobody knows what it holds: everything is to be loaded again.
    fn apply<'a>(&mut self, changes: impl Iterator<Item = Change<'a>>) -> Result<()> {
        let applied = match &*self.shared.index.read() {
            Some(index) => index.apply(changes),
            None => Err(IndexError::Io(std::io::Error::other("the index is not open"))),
        };
        let Err(error) = applied else { return Ok(()) };
        self.broken = true;
        Err(error.into_error(&self.shared.layout.index()))
    }

    /// Gives the space of entries back that the index does not name any more.
    fn free(&mut self, departed: impl IntoIterator<Item = (Key, Departed)>) {
        let mut places = Vec::new();
        for (key, Departed { entry, weight, is_doubtful }) in departed {
            let place = entry.place();
            let charge = weight - place.map_or(0, |place| place.space().min(weight));
            self.loosened = self.loosened.saturating_add(charge);
            match place {
                Some(place) if is_doubtful && !self.volumes.has_header(place, key.as_str().as_bytes()) => {
                    self.volumes.disown(place);
                }
                place => places.extend(place),
            }
        }
        self.volumes.free(places);
        self.share_files();
    }

    fn share_files(&mut self) {
        if let Some(files) = self.volumes.changed_files() {
            let old = std::mem::replace(&mut self.shared.live.write().files, files);
            // Not under the lock: the last handle of a deleted volume gives its space back here.
            drop(old);
        }
    }

    /// Loads index and catalog again; what is on disk is the truth.
    fn recover(&mut self) -> Result<()> {
        self.broken = true;
        self.shared.check_place()?;
        let loaded = {
            let (config, mut index) = (&self.shared.config, self.shared.index.write());
            drop(index.take());
            let loaded = match load::load(config, &self.shared.layout, Occasion::Failure, &mut self.generation) {
                Ok(loaded) => loaded,
                Err(error) => {
                    // What it held when it failed can still be read.
                    *index = load::open_for_reading(config, &self.shared.layout);
                    return Err(error);
                }
            };
            *index = Some(loaded.index);
            (loaded.live, loaded.volumes, loaded.report, loaded.stale)
        };
        let (live, mut volumes, report, stale) = loaded;
        self.shared.serve(live);
        volumes.succeed(&self.volumes);
        self.volumes = volumes;
        self.broken = stale.is_some();
        let report = self.settle_in(report, |_| ());
        warn!(?report, "the index was opened again after a failure");
        stale.map_or(Ok(()), Err)
    }

    /// Puts a loaded directory in order: reclaims what nobody names, fits into the budget, counts. `number` is called
    /// before anything is written.
    fn settle_in(&mut self, mut report: OpenReport, number: impl FnOnce(&mut Volumes)) -> OpenReport {
        let live = &self.shared.live;
        self.loosened = u64::MAX;
        self.quarantined = self.shared.layout.bound_quarantine(self.shared.config.capacity / 16);
        let was_closed = report.index == IndexOrigin::Opened;
        report.reclaimed = reclaim::reclaim(&mut self.volumes, &live.read().catalog, was_closed);
        number(&mut self.volumes);
        self.share_files();
        let before = self.shared.usage().evicted;
        if self.broken {
            self.measure();
        } else {
            self.fit(Steps::All);
            self.thin_out();
        }
        report.evicted += self.shared.usage().evicted - before;
        report.entries = self.shared.usage().entries;
        report
    }
}

impl GroupWriter for Writer {
    type Request = Request;
    type Answer = Answer;

    /// Carries them out as far as possible together.
    fn carry_out(&mut self, requests: &[Request]) -> Vec<Result<Answer>> {
        groups(requests).into_iter().flat_map(|group| self.carry_out_group(group)).collect()
    }

    fn catch_up(&mut self) -> bool {
        self.evict_on()
    }

    fn finish(&mut self) {
        self.remember(true);
    }
}

/// Parts of `requests` in which no entry is renewed that was written in the same part: what is renewed is on disk.
fn groups(requests: &[Request]) -> Vec<&[Request]> {
    let (mut groups, mut start, mut written) = (Vec::new(), 0, HashSet::new());
    for (at, request) in requests.iter().enumerate() {
        let (Request::Put(key, _) | Request::Renew(key, ..)) = request else { continue };
        let is_first = written.insert(key);
        if !is_first && matches!(request, Request::Renew(..)) {
            groups.push(&requests[start..at]);
            start = at;
            written = HashSet::from([key]);
        }
    }
    groups.push(&requests[start..]);
    groups
}
