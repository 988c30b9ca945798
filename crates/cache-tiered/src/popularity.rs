//! `Popularity`: which keys are hit most, lately.

mod saved;
mod sketch;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_core::{Backend, Clock, DAY, Entry, Error, ErrorKind, Key, Result, Stamp, SystemClock, Timestamp};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::timeout;

use saved::Saved;
use sketch::{Sketch, Slot};

/// The most shards, and how many keys each has at least when there are several.
const SHARDS: usize = 16;
const SHARD_KEYS: usize = 64;
/// Less than this many hits is not remembered by name.
const FAINT: f64 = 1e-3;
/// How long a backend may take to store or give the entry.
const LIMIT: Duration = Duration::from_secs(30);

/// Which keys are hit most, lately: hits counted with exponential decay, in bounded memory. Cloning shares it.
///
/// A hit is worth one when it is counted, a half after one half-life, a quarter after two. The score of a key is the
/// sum over its hits: a key that is hit `r` times per half-life, steadily, settles at `1.44 r`.
///
/// # Exactness
/// The counts are those of Space-Saving (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k
/// Elements in Data Streams", 2005) over weights that decay forward (Cormode, Shkapenyuk, Srivastava, Xu: "Forward
/// Decay", 2009). The keys are spread over up to 16 shards by their hash. With `W` the decayed sum of all hits of a
/// shard, and `k` the keys that it may track: a score is never above the true one, at most `W / k` below it, and every
/// key whose true score exceeds `W / k` is tracked. With fewer keys than that, scores are exact. Of two keys with the
/// same 64-bit hash, only the one that is tracked first is counted. All of this is about hits counted here: what is
/// [restored](Self::restore) comes with the errors of the popularity that saved it, which add up.
///
/// # Cost
/// A hit of a tracked key takes one short critical section: tens of nanoseconds over the reading of the clock. One of
/// another key costs O(log keys) over time. It never waits: a hit that finds its shard busy is lost, and counted as
/// lost. The hottest keys lose most then; decay and rank forgive that.
///
/// # Time
/// While the clock is behind the latest instant that it has shown, nothing decays.
///
/// ```
/// # use cache_core::{HOUR, Key, Result};
/// # use cache_tiered::Popularity;
/// let popularity = Popularity::builder().keys(1_000).half_life(6 * HOUR).build();
/// let (song, film) = (Key::of("song").build()?, Key::of("film").build()?);
/// for key in [&song, &film, &song] {
///     popularity.hit(key);
/// }
/// assert_eq!(popularity.top(1)[0].0, song);
/// assert!(popularity.score(&film) > 0.9);
/// # Result::<()>::Ok(())
/// ```
#[derive(Clone)]
pub struct Popularity(Arc<Inner>);

/// Sets up a [`Popularity`].
#[derive(Debug, Clone)]
#[must_use = "a builder counts nothing until it is built"]
pub struct PopularityBuilder {
    keys: usize,
    half_life: Duration,
    clock: Arc<dyn Clock>,
}

/// Figures of a [`Popularity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PopularityStats {
    /// Keys tracked.
    pub keys: u64,
    /// The most keys that are tracked.
    pub max_keys: u64,
    /// Hits not counted because another thread was counting.
    pub lost: u64,
}

struct Inner {
    keys: usize,
    half_life: Duration,
    clock: Arc<dyn Clock>,
    /// At least one.
    shards: Vec<Mutex<Sketch>>,
    lost: AtomicU64,
    /// The stamp of the newest entry stored or loaded, so that the next one is not older, whatever the clocks.
    stamp: AtomicU64,
}

impl Popularity {
    /// Starts a popularity of at most 4,096 keys with a half-life of one day.
    pub fn builder() -> PopularityBuilder {
        PopularityBuilder { keys: 4096, half_life: DAY, clock: Arc::new(SystemClock::new()) }
    }

    /// Counts a hit. Reads of a key count, not its loads and writes. Never waits.
    pub fn hit(&self, key: &Key) {
        self.hit_at(key, self.0.clock.now());
    }

    /// Counts a hit at `now`, for callers that have read the clock already.
    pub fn hit_at(&self, key: &Key, now: Timestamp) {
        match self.shard(key).try_lock() {
            Some(mut shard) => shard.hit(key, now),
            None => _ = self.0.lost.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The score of `key`: its hits, decayed; zero for a key that is not tracked.
    pub fn score(&self, key: &Key) -> f64 {
        let slot = self.shard(key).lock().get(key, self.0.clock.now());
        slot.as_ref().map_or(0.0, score)
    }

    /// The `n` keys of the highest scores, the highest first; fewer when fewer are tracked. What has decayed to less
    /// than a thousandth of a hit is not named.
    ///
    /// It copies all tracked keys' handles, and hits of the shard being copied are lost.
    pub fn top(&self, n: usize) -> Vec<(Key, f64)> {
        let slots = self.slots(self.0.clock.now()).into_iter();
        let mut scores: Vec<_> =
            slots.map(|slot| (score(&slot), slot.key)).filter(|(score, _)| *score >= FAINT).collect();
        scores.sort_unstable_by(|(a, a_key), (b, b_key)| b.total_cmp(a).then_with(|| a_key.cmp(b_key)));
        scores.truncate(n);
        scores.into_iter().map(|(score, key)| (key, score)).collect()
    }

    /// The figures of now.
    pub fn stats(&self) -> PopularityStats {
        PopularityStats {
            keys: self.0.shards.iter().map(|shard| shard.lock().len() as u64).sum(),
            max_keys: self.0.keys as u64,
            lost: self.0.lost.load(Ordering::Relaxed),
        }
    }

    /// All that is known, as bytes for [`restore`](Self::restore): versioned and checksummed.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] when the keys take more than 64 MiB: track fewer.
    pub fn save(&self) -> Result<Bytes> {
        self.entry()?.encode()
    }

    /// Adds what [`save`](Self::save) wrote, in this process or an earlier one, decayed by the time between; how many
    /// keys that were. Bytes that are damaged, or no popularity of this version, add nothing.
    ///
    /// Scores are still never above the truth. They may be below it by what the other missed, decayed likewise, on top
    /// of the bound of this one: restoring adds no precision that was not saved.
    pub fn restore(&self, bytes: Bytes) -> usize {
        Entry::decode(bytes).map_or(0, |entry| self.absorb(&entry))
    }

    /// Stores all that is known as the entry `key` of `backend`. Processes that share a backend need a key each.
    ///
    /// Cancelling it leaves the older entry, this one or none.
    ///
    /// # Errors
    /// Those of the backend; [`ErrorKind::Timeout`] after half a minute; as [`save`](Self::save).
    pub async fn store(&self, backend: &dyn Backend, key: &Key) -> Result<()> {
        let entry = self.entry()?;
        timeout(LIMIT, backend.put(key, entry)).await.unwrap_or_else(|_| Err(too_slow("put", key)))
    }

    /// Adds what [`store`](Self::store) stored as the entry `key`, decayed by the time between; how many keys that
    /// were.
    ///
    /// It is meant for a start, and stops none: an entry that is absent, damaged or foreign adds nothing, nor does a
    /// backend that fails or takes longer than half a minute, which is logged. Cancelling it has no effect.
    pub async fn load(&self, backend: &dyn Backend, key: &Key) -> usize {
        match timeout(LIMIT, backend.get(key)).await.unwrap_or_else(|_| Err(too_slow("get", key))) {
            Ok(entry) => entry.map_or(0, |entry| self.absorb(&entry)),
            Err(error) => {
                tracing::warn!(%error, "popularity starts empty");
                0
            }
        }
    }

    fn entry(&self) -> Result<Entry> {
        let at = self.0.clock.now();
        let wall = Stamp::first_of(at).as_u64();
        let stamp = self.0.stamp.fetch_max(wall, Ordering::Relaxed).max(wall);
        let slots = self.slots(at).into_iter().filter(|slot| score(slot) >= FAINT);
        Saved { at, slots: slots.collect() }.into_entry(Stamp::from_u64(stamp))
    }

    fn absorb(&self, entry: &Entry) -> usize {
        self.0.stamp.fetch_max(entry.meta.stamp.as_u64(), Ordering::Relaxed);
        let Some(Saved { at, mut slots }) = Saved::of_entry(entry) else {
            tracing::warn!("a saved popularity is damaged or of another version: its counts are left out");
            return 0;
        };
        let now = self.0.clock.now();
        let left = self.decay(now.since(at));
        // The lightest first: where not all have room, the heaviest stay.
        slots.sort_unstable_by(|a, b| a.weight.total_cmp(&b.weight));
        let mut restored = HashSet::new();
        for Slot { key, weight, error } in slots {
            let slot = Slot { key, weight: weight * left, error: error * left };
            if score(&slot) >= FAINT {
                self.shard(&slot.key).lock().merge(&slot, now);
                restored.insert(slot.key);
            }
        }
        restored.len()
    }

    /// What a hit is worth after `span`.
    fn decay(&self, span: Duration) -> f64 {
        (-span.div_duration_f64(self.0.half_life)).exp2()
    }

    fn slots(&self, now: Timestamp) -> Vec<Slot> {
        let mut slots = Vec::new();
        for shard in &self.0.shards {
            slots.extend(shard.lock().slots(now));
        }
        slots
    }

    fn shard(&self, key: &Key) -> &Mutex<Sketch> {
        &self.0.shards[(key.hash64() % self.0.shards.len() as u64) as usize]
    }
}

impl PopularityBuilder {
    /// Sets how many keys are tracked at most, at least one. A key takes its own length and some 150 bytes.
    pub fn keys(mut self, keys: usize) -> Self {
        self.keys = keys.max(1);
        self
    }

    /// Sets after which time a hit is worth half, at least a millisecond. Short ones follow fashions, long ones
    /// remember classics.
    pub fn half_life(mut self, half_life: Duration) -> Self {
        self.half_life = half_life.max(Duration::from_millis(1));
        self
    }

    /// Sets the source of time. The default is a [`SystemClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The popularity, empty.
    pub fn build(self) -> Popularity {
        let Self { keys, half_life, clock } = self;
        let (now, shards) = (clock.now(), (keys / SHARD_KEYS).clamp(1, SHARDS));
        // Shares that add up to exactly `keys`.
        let share = |shard| keys / shards + usize::from(shard < keys % shards);
        let shards = (0..shards).map(|shard| Mutex::new(Sketch::new(share(shard), half_life, now))).collect();
        let (lost, stamp) = (AtomicU64::new(0), AtomicU64::new(0));
        Popularity(Arc::new(Inner { keys, half_life, clock, shards, lost, stamp }))
    }
}

impl fmt::Debug for Popularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Popularity").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What certainly belongs to the key itself.
fn score(slot: &Slot) -> f64 {
    slot.weight - slot.error
}

fn too_slow(operation: &'static str, key: &Key) -> Error {
    let message = format!("the popularity was not read or written within {LIMIT:?}");
    Error::new(ErrorKind::Timeout, message).with_operation(operation).with_key(key)
}
