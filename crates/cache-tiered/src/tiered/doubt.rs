//! `Doubt`: which entries of unshared tiers may be out of date because marks were missed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use cache_core::{Hlc, Key, Meta, Role, Stamp};
use futures_util::future::join_all;
use parking_lot::Mutex;

use super::tier::{Part, Tier};
use super::{Forecast, Tiered, Unconfirmed, WritePolicy};

/// The most keys remembered of a kind; then all are forgotten: that costs a question, or a copy.
const MOST: usize = 65_536;

/// Which entries of unshared tiers may be out of date because marks were missed.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Entries with an older stamp are in doubt.
    floor: AtomicU64,
    /// Invalidations under way.
    purges: AtomicUsize,
    /// Whether anything was served since then that nobody could vouch for.
    guessed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often marks may have been missed.
    gaps: u64,
    /// What shared tiers did not contradict since then.
    confirmed: HashMap<Key, Stamp>,
    /// What this process has stored since then.
    own: HashMap<Key, Stamp>,
    /// The newest that was seen in shared tiers, and perhaps served: nothing older is served without a question.
    seen: HashMap<Key, Stamp>,
    /// What was served since then although nobody could vouch for it.
    guessed: Guessed,
}

#[derive(Debug)]
enum Guessed {
    These(HashMap<Key, Stamp>),
    /// More than are remembered: perhaps everything.
    Any,
}

impl Default for Guessed {
    fn default() -> Self {
        Self::These(HashMap::new())
    }
}

/// An invalidation under way: until it is dropped, what this process stores is noted.
#[derive(Debug)]
pub(super) struct Purging<'a>(&'a AtomicUsize);

impl Doubt {
    /// Marks may have been missed: entries with stamps before `floor` are in doubt.
    fn begin(&self, floor: Stamp) {
        let mut state = self.state.lock();
        state.gaps += 1;
        state.confirmed.clear();
        state.own.clear();
        state.guessed = Guessed::default();
        self.guessed.store(false, Ordering::Release);
        self.floor.fetch_max(floor.as_u64(), Ordering::AcqRel);
    }

    /// Has what this process stores noted.
    pub(super) fn purging(&self) -> Purging<'_> {
        self.purges.fetch_add(1, Ordering::AcqRel);
        Purging(&self.purges)
    }

    /// Whether this process has stored this entry itself, while that was noted.
    pub(super) fn is_own(&self, key: &Key, stamp: Stamp) -> bool {
        self.state.lock().own.get(key) == Some(&stamp)
    }

    /// Whether an entry with this stamp needs no confirmation, or has it.
    fn is_cleared(&self, key: &Key, stamp: Stamp) -> bool {
        if stamp.as_u64() >= self.floor.load(Ordering::Acquire) {
            return true;
        }
        let state = self.state.lock();
        let is_newest = state.seen.get(key).is_none_or(|newest| *newest <= stamp);
        is_newest && (state.confirmed.get(key) == Some(&stamp) || state.own.get(key) == Some(&stamp))
    }

    /// Notes that an entry is served although nobody can vouch for it.
    fn guess(&self, key: &Key, stamp: Stamp) {
        let mut state = self.state.lock();
        match &mut state.guessed {
            Guessed::These(known) if known.len() < MOST => {
                known.insert(key.clone(), stamp);
            }
            known => *known = Guessed::Any,
        }
        self.guessed.store(true, Ordering::Release);
    }

    /// Whether an entry may have been served that nobody could vouch for.
    fn is_guessed(&self, key: &Key, stamp: Stamp) -> bool {
        self.guessed.load(Ordering::Acquire)
            && !self.is_cleared(key, stamp)
            && match &self.state.lock().guessed {
                Guessed::These(known) => known.get(key) == Some(&stamp),
                Guessed::Any => true,
            }
    }

    fn gaps(&self) -> u64 {
        self.state.lock().gaps
    }

    /// Notes that a shared tier has an entry with this stamp. A write reaches it and the tiers above in any order, so
    /// that one of those may have an older one yet.
    fn see(&self, key: &Key, stamp: Stamp) {
        if stamp.as_u64() < self.floor.load(Ordering::Acquire) {
            let seen = &mut self.state.lock().seen;
            let newest = seen.get(key).map_or(stamp, |newest| stamp.max(*newest));
            remember(seen, key, newest);
        }
    }

    /// Notes something about an entry, unless marks may have been missed since there were `gaps`.
    fn note(&self, gaps: u64, key: &Key, stamp: Stamp, kind: impl Fn(&mut State) -> &mut HashMap<Key, Stamp>) {
        let mut state = self.state.lock();
        if state.gaps == gaps {
            remember(kind(&mut state), key, stamp);
        }
    }
}

impl Drop for Purging<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Tiered {
    /// Marks may have been missed: what is not shared is in doubt from here on.
    pub(super) fn begin_doubt(&self) {
        // What is served was made at most so far ahead of this clock, by one that was pulled as far ahead again.
        let latest = self.clock().now().after(2 * Hlc::MAX_AHEAD).after(Duration::from_millis(1));
        self.0.fleet.doubt.begin(Stamp::first_of(latest).max(self.stamps().tick()));
        self.each_listener(|listener| listener.gap());
    }

    /// How often marks may have been missed until now: what is stored from here on is [`confirm`](Self::confirm)ed
    /// with it.
    pub(crate) fn gaps(&self) -> u64 {
        self.0.fleet.doubt.gaps()
    }

    /// Notes that this process has stored an entry, begun when there were `gaps`.
    pub(super) fn confirm(&self, key: &Key, stamp: Stamp, gaps: u64) {
        let doubt = &self.0.fleet.doubt;
        let is_doubted = stamp.as_u64() < doubt.floor.load(Ordering::Acquire);
        let is_purging = || doubt.purges.load(Ordering::Acquire) > 0;
        if is_doubted || is_purging() || self.0.tiers.iter().any(|tier| tier.recovery.has_marks()) {
            doubt.note(gaps, key, stamp, |state| &mut state.own);
        }
    }

    /// Whether an entry that was found may be kept where nobody asks the tiers about it again.
    pub(crate) fn vouches_for(&self, key: &Key, stamp: Stamp) -> bool {
        !self.0.fleet.doubt.is_guessed(key, stamp)
    }

    /// Whether an entry of a tier needs no confirmation, or has it.
    ///
    /// An entry in doubt is confirmed by a shared tier that has the same, and contradicted by one that has a newer
    /// entry or a tombstone. One that no shared tier would take is confirmed when none contradicts it: that another
    /// process has replaced it by a second such entry remains unknown. An entry of a tier that has yet to carry out an
    /// invalidation is not confirmed when the invalidation selects it and it may be older. Where nobody can be asked
    /// who would know, [`Unconfirmed`] decides.
    pub(super) async fn is_confirmed<T: Part>(&self, tier: &Tier, key: &Key, part: &T) -> bool {
        let (doubt, meta) = (&self.0.fleet.doubt, part.meta());
        if tier.recovery.withholds(key, meta) && !doubt.is_own(key, meta.stamp) {
            return false;
        }
        if tier.info.shared {
            doubt.see(key, meta.stamp);
            return true;
        }
        if meta.role != Role::Value || doubt.is_cleared(key, meta.stamp) {
            return true;
        }
        let gaps = doubt.gaps();
        let shared: Vec<&Tier> = self.0.tiers.iter().filter(|tier| tier.info.shared).collect();
        let present = join_all(shared.iter().map(|tier| tier.stat(key))).await;
        let metas = || present.iter().filter_map(|answer| answer.as_ref().ok()?.as_ref());
        let forecast = forecast_of(part);
        let wants = |tier: &Tier| tier.options.write != WritePolicy::Skip && tier.admits(&forecast);
        let wanted = shared.iter().any(|tier| wants(tier));
        let same = metas().any(|found| found.stamp == meta.stamp);
        if metas().any(|found| found.stamp > meta.stamp) {
            return false;
        }
        if same || (!wanted && present.iter().all(Result::is_ok)) {
            doubt.note(gaps, key, meta.stamp, |state| &mut state.confirmed);
            return true;
        }
        let silent = shared.iter().zip(&present).all(|(tier, answer)| answer.is_err() || !wants(tier));
        let served = silent && self.0.unconfirmed == Unconfirmed::Serve;
        if served {
            doubt.guess(key, meta.stamp);
        }
        served
    }
}

fn remember(known: &mut HashMap<Key, Stamp>, key: &Key, stamp: Stamp) {
    if known.len() >= MOST && !known.contains_key(key) {
        known.clear();
    }
    known.insert(key.clone(), stamp);
}

/// What is known of an entry of which perhaps only the meta is there.
fn forecast_of<T: Part>(part: &T) -> Forecast {
    let meta: &Meta = part.meta();
    let cost = Some(meta.cost).filter(|cost| !cost.is_zero());
    Forecast {
        weight: part.entry().map(cache_core::Entry::len),
        cost,
        content_type: meta.content_type.clone(),
        expected: meta.cost,
        beyond: None,
    }
}
