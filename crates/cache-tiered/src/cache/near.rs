//! The near tier: decoded values in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Clock, Freshness, Key, Meta, Stamp, Timestamp};
use cache_mem::{MemCache, Terms};

/// A decoded value with its meta.
#[derive(Debug)]
pub(super) struct Held<V> {
    pub(super) value: Arc<V>,
    pub(super) meta: Arc<Meta>,
    /// From here on it is served while a new one is loaded; not later than the end of its freshness.
    due: Timestamp,
    /// The epoch of the marks when it was made.
    epoch: u64,
}

impl<V> Held<V> {
    /// `eager` is the share of its freshness after which a refresh is due.
    pub(super) fn new(value: Arc<V>, meta: Arc<Meta>, eager: Option<f64>, epoch: u64) -> Arc<Self> {
        let mut due = meta.fresh_until.min(meta.expires());
        if let Some(share) = eager.filter(|_| due != Timestamp::NEVER) {
            due = due.min(meta.created.after(due.since(meta.created).mul_f64(share)));
        }
        Arc::new(Self { value, meta, due, epoch })
    }

    pub(super) fn stamp(&self) -> Stamp {
        self.meta.stamp
    }

    pub(super) fn cost(&self) -> Duration {
        self.meta.cost
    }

    pub(super) fn freshness(&self, now: Timestamp) -> Freshness {
        self.meta.freshness(now)
    }

    /// Whether it is fresh and no refresh is due.
    pub(super) fn is_current(&self, now: Timestamp) -> bool {
        now < self.due
    }
}

/// A value in the near tier, with all that a hit needs in one place: each line of memory more that a hit touches costs
/// as much as the rest of it.
#[derive(Debug)]
pub(super) struct Kept<V> {
    held: Arc<Held<V>>,
    value: Arc<V>,
    created: Timestamp,
    due: Timestamp,
    cost: Duration,
    /// The epoch of the marks at which none of them covered it.
    checked: AtomicU64,
    /// Hits that nobody has added up yet. Counted here: the line is at hand, and no other key's hits write to it.
    hits: AtomicU64,
}

impl<V> Kept<V> {
    fn new(held: &Arc<Held<V>>) -> Self {
        Self {
            held: held.clone(),
            value: held.value.clone(),
            created: held.meta.created,
            due: held.due,
            cost: held.meta.cost,
            checked: AtomicU64::new(held.epoch),
            hits: AtomicU64::new(0),
        }
    }

    pub(super) const fn value(&self) -> &Arc<V> {
        &self.value
    }

    pub(super) const fn created(&self) -> Timestamp {
        self.created
    }

    pub(super) const fn cost(&self) -> Duration {
        self.cost
    }

    /// Whether it is fresh, no refresh is due, and it was found to be covered by no mark at `epoch`.
    pub(super) fn is_current(&self, now: Timestamp, epoch: u64) -> bool {
        // Relaxed: an older number only makes the caller check once more.
        now < self.due && self.checked.load(Ordering::Relaxed) == epoch
    }

    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }
}

/// A copy has no hits yet.
impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        let copy = Self::new(&self.held);
        copy.checked.store(self.checked.load(Ordering::Relaxed), Ordering::Relaxed);
        copy
    }
}

/// Hits of values, and what they have saved.
#[derive(Debug, Default)]
pub(super) struct Tally {
    hits: AtomicU64,
    saved_micros: AtomicU64,
}

impl Tally {
    fn add<V>(&self, kept: &Kept<V>) {
        let hits = kept.hits.swap(0, Ordering::Relaxed);
        let cost = u64::try_from(kept.cost.as_micros()).unwrap_or(u64::MAX);
        self.hits.fetch_add(hits, Ordering::Relaxed);
        self.saved_micros.fetch_add(hits.saturating_mul(cost), Ordering::Relaxed);
    }
}

/// Decoded values, the newest of each key, bounded by their number.
#[derive(Debug)]
pub(super) struct Near<V> {
    values: MemCache<Key, Kept<V>>,
    tally: Arc<Tally>,
}

impl<V: Send + Sync + 'static> Near<V> {
    pub(super) fn new(values: u64, clock: Arc<dyn Clock>) -> Self {
        let tally = Arc::new(Tally::default());
        let leaving = tally.clone();
        let builder = MemCache::builder().entries(values).clock(clock);
        let values = builder.listener(move |_: &Key, kept: &Kept<V>, _| leaving.add(kept)).build();
        Self { values, tally }
    }
}

impl<V> Near<V> {
    /// How many hits there were until `now`, and the sum of what they saved. Costs a look at each value.
    pub(super) fn hits(&self, now: Timestamp) -> (u64, Duration) {
        // What has expired is not looked at, and counted when it leaves.
        self.values.sweep(now, usize::MAX);
        let looked = self.values.scan(|_, kept| {
            self.tally.add(kept);
            Some(())
        });
        looked.for_each(drop);
        let saved = Duration::from_micros(self.tally.saved_micros.load(Ordering::Relaxed));
        (self.tally.hits.load(Ordering::Relaxed), saved)
    }

    /// The value of `key`, and whether it was found to be covered by no mark at `epoch`.
    pub(super) fn get(&self, key: &Key, epoch: u64) -> Option<(Arc<Held<V>>, bool)> {
        self.values.get_with(key, |kept, _| (kept.held.clone(), kept.checked.load(Ordering::Relaxed) == epoch))
    }

    /// What `pick` makes of the value of `key` and the instant of the look, under a shared lock.
    pub(super) fn get_with<T>(&self, key: &Key, pick: impl FnOnce(&Kept<V>, Timestamp) -> Option<T>) -> Option<T> {
        self.values.get_with(key, |kept, now| pick(kept, now)).flatten()
    }

    /// Notes that no mark covered `held` at `epoch`.
    pub(super) fn check(&self, key: &Key, held: &Arc<Held<V>>, epoch: u64) {
        self.values.get_with(key, |kept, _| {
            if Arc::ptr_eq(&kept.held, held) {
                kept.checked.store(epoch, Ordering::Relaxed);
            }
        });
    }

    /// Keeps what was read or loaded, if `agrees` under the lock of its place, and nothing newer is there.
    pub(super) fn fill(&self, key: &Key, held: &Arc<Held<V>>, agrees: impl FnOnce() -> bool) {
        let _ = self.values.insert_if(key.clone(), Kept::new(held), terms(held), |present| {
            present.is_none_or(|present| present.held.stamp() <= held.stamp()) && agrees()
        });
    }

    /// Keeps what is being written; the caller has the rights to the key.
    pub(super) fn put(&self, key: &Key, held: &Arc<Held<V>>) {
        let _ = self.values.insert_with(key.clone(), Kept::new(held), terms(held));
    }

    /// Drops the value of `key`.
    pub(super) fn remove(&self, key: &Key) {
        drop(self.values.remove(key));
    }

    /// Drops the value of `key` if its stamp is older.
    pub(super) fn remove_older(&self, key: &Key, stamp: Stamp) {
        drop(self.values.remove_if(key, |kept| kept.held.stamp() < stamp));
    }

    /// Drops `held`, if it is still there.
    pub(super) fn remove_same(&self, key: &Key, held: &Arc<Held<V>>) {
        drop(self.values.remove_if(key, |present| Arc::ptr_eq(&present.held, held)));
    }

    pub(super) fn clear(&self) {
        self.values.clear();
    }

    pub(super) fn len(&self) -> u64 {
        self.values.len() as u64
    }
}

fn terms<V>(held: &Held<V>) -> Terms {
    Terms::new().expires(held.meta.expires()).cost(held.cost())
}
