//! `Backlog`: entries that a tier is going to be given in the background.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Entry, Key, Meta, Stamp};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::common::just_after;
use super::marking::is_reserved;
use super::recover::Op;
use super::tier::Placed;
use super::{Tiered, WRITE_LIMIT};

/// Bytes of body that take one unit of room; every entry takes at least one.
const UNIT: u64 = 64 << 10;
/// The room for entries that wait: 1,024 of them, 64 MiB of bodies together.
const UNITS: u32 = 1024;
/// Writes of one tier under way at a time.
const LANES: usize = 16;

/// Entries that wait, the newest of each key.
#[derive(Debug)]
pub(super) struct Backlog {
    state: Mutex<State>,
    units: Arc<Semaphore>,
    lanes: Semaphore,
    idle: Notify,
    pub(super) dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Key, Waiting>,
    /// Tasks that have not ended.
    tasks: usize,
    /// How many entries have begun to wait.
    numbers: u64,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    number: u64,
    _room: OwnedSemaphorePermit,
}

impl Default for Backlog {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            units: Arc::new(Semaphore::new(UNITS as usize)),
            lanes: Semaphore::new(LANES),
            idle: Notify::new(),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Backlog {
    /// Number of entries waiting.
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// The metas of all that waits.
    pub(super) fn metas(&self) -> Vec<(Key, Meta)> {
        let state = self.state.lock();
        state.waiting.iter().map(|(key, waiting)| (key.clone(), waiting.entry.meta.clone())).collect()
    }

    /// Takes out what waits under `key`, if it is older than `stamp`; whether it was there. The caller has the turn of
    /// the key.
    pub(super) fn take_older(&self, key: &Key, stamp: Stamp) -> bool {
        let mut state = self.state.lock();
        let older = state.waiting.get(key).is_some_and(|waiting| waiting.entry.meta.stamp < stamp);
        // Dropped after the lock, as the room it has is given back.
        let taken = if older { state.waiting.remove(key) } else { None };
        drop(state);
        taken.is_some()
    }

    /// What waits under `key`.
    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.state.lock().waiting.get(key).map(|waiting| waiting.entry.clone())
    }

    /// Takes out what waits under `key` if that is the entry with this number.
    fn take_number(&self, key: &Key, number: u64) -> Option<Entry> {
        let mut state = self.state.lock();
        state.waiting.get(key).filter(|waiting| waiting.number == number)?;
        state.waiting.remove(key).map(|waiting| waiting.entry)
    }

    /// Takes out what waits under `key`. The caller has the turn of the key.
    pub(super) fn take(&self, key: &Key) -> Option<Entry> {
        self.state.lock().waiting.remove(key).map(|waiting| waiting.entry)
    }

    /// Gives what waits under `key` with the stamp `present` a new meta; whether it was there.
    pub(super) fn renew(&self, key: &Key, present: Stamp, meta: &Meta) -> bool {
        let mut state = self.state.lock();
        let waiting = state.waiting.get_mut(key).filter(|waiting| waiting.entry.meta.stamp == present);
        waiting.map(|waiting| waiting.entry.meta = meta.clone()).is_some()
    }

    /// Waits until nothing waits or is under way.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.state.lock().tasks == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Tiered {
    /// Has `entry` written to a tier in the background, and waits for room. Until then, the tier serves nothing older
    /// from its backend. The caller has the turn of the key.
    pub(super) async fn write_back(&self, index: usize, key: &Key, entry: &Entry) -> Placed {
        let tier = &self.0.tiers[index];
        // Before the wait: who replaces an entry takes its room.
        drop(tier.backlog.take(key));
        tier.suspects.add(key, entry.meta.stamp, self.clock().now());
        let units = u32::try_from(entry.len().div_ceil(UNIT)).unwrap_or(UNITS).clamp(1, UNITS);
        let room = timeout(tier.patience, tier.backlog.units.clone().acquire_many_owned(units)).await;
        let Ok(Ok(room)) = room else {
            tier.backlog.dropped.fetch_add(1, Ordering::Relaxed);
            self.miss_in_background(index, key, &entry.meta).await;
            return Placed::Later;
        };
        let mut state = tier.backlog.state.lock();
        state.numbers += 1;
        let number = state.numbers;
        state.waiting.insert(key.clone(), Waiting { entry: entry.clone(), number, _room: room });
        state.tasks += 1;
        drop(state);
        let task = Task { stack: self.clone(), tier: index, key: key.clone(), number };
        tokio::spawn(task.run());
        Placed::Later
    }

    /// Has a write in the background done again that a tier has missed, and makes sure that nothing older comes back
    /// with a restart.
    async fn miss_in_background(&self, index: usize, key: &Key, meta: &Meta) {
        self.recover(index, key, Op::Put(Box::new(meta.clone())));
        if self.0.tiers[index].is_lasting() && !is_reserved(key) {
            self.mark_key(key, meta.stamp, &[index]).await;
        }
    }
}

/// The writing of one entry.
struct Task {
    stack: Tiered,
    tier: usize,
    key: Key,
    number: u64,
}

impl Task {
    async fn run(self) {
        let tier = &self.stack.0.tiers[self.tier];
        let Ok(_lane) = tier.backlog.lanes.acquire().await else { return };
        let Ok(_turn) = self.stack.0.common.fence.turn(&self.key, WRITE_LIMIT).await else {
            // Whoever has the turn for so long may have put another entry in its place.
            if let Some(entry) = tier.backlog.take_number(&self.key, self.number) {
                tier.backlog.dropped.fetch_add(1, Ordering::Relaxed);
                self.stack.miss_in_background(self.tier, &self.key, &entry.meta).await;
            }
            return;
        };
        // It stays there to be read until it is written; whoever would replace it waits for the turn.
        let Some(entry) = tier.backlog.get(&self.key) else { return };
        if tier.info.shared
            && let Ok(Some(present)) = tier.stat(&self.key).await
            && present.stamp > entry.meta.stamp
            && !tier.is_ahead(present.stamp)
        {
            // What others find counts here, too.
            drop(tier.backlog.take(&self.key));
            let _ = self.stack.withdraw(&self.key, present.stamp).await;
            return;
        }
        if let Err(error) = tier.put(&self.key, &entry).await {
            tier.puts_failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(tier = %tier.name(), %error, "a tier did not take an entry in the background");
            self.stack.miss_in_background(self.tier, &self.key, &entry.meta).await;
        } else if self.stack.covering(&self.key, &entry.meta).is_some() {
            // Invalidated meanwhile. A failure leaves the key suspect.
            let _ = tier.discard(&self.key, just_after(entry.meta.stamp)).await;
        } else {
            tier.recovery.forget(&self.key);
            self.stack.unmark_key(&self.key).await;
        }
        drop(tier.backlog.take(&self.key));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let backlog = &self.stack.0.tiers[self.tier].backlog;
        let mut state = backlog.state.lock();
        state.tasks -= 1;
        let idle = state.tasks == 0;
        // With nobody left to write it, as when the runtime ends: the key stays suspect, and a sweep drops what is there.
        let left = if idle { std::mem::take(&mut state.waiting) } else { BTreeMap::new() };
        drop(state);
        backlog.dropped.fetch_add(left.len() as u64, Ordering::Relaxed);
        drop(left);
        if idle {
            backlog.idle.notify_waiters();
        }
    }
}
