//! `Cache`: typed values, loaded once and found again in the nearest tier.

mod ask;
mod batch;
mod builder;
mod class;
mod codec;
mod flight;
mod hit;
mod inner;
mod keep;
mod leased;
mod load;
mod near;
mod pauses;
mod produce;
mod progress;
mod request;
mod stats;
mod traffic;
mod trip;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::{Entry, Error, ErrorKind, Freshness, Key, Lifetime, Result, Selector};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub use builder::CacheBuilder;
pub use class::{Class, Order};
pub use codec::Codec;
pub use hit::{Hit, Origin};
pub use load::{Load, Loaded};
pub use progress::{Phase, Progress, ProgressWatch};
pub use request::Request;
pub use stats::CacheStats;

use inner::{Inner, Storing};

use crate::Invalidation;
use crate::tiered::{Telling, detached};

/// How long closing waits for stores under way, and then for promotions.
const CLOSE_LIMIT: Duration = Duration::from_secs(30);

/// Typed values, loaded once and found again in the nearest tier. Cloning shares it.
///
/// # Keys
/// In the tiers, a key is prefixed with the cache's name, so caches of different names may share tiers. With the name,
/// keys must not exceed [`Key::MAX_BYTES`].
///
/// # Loads
/// One load runs for a key at a time, in a task of its own, for all who ask meanwhile. It goes on when callers leave,
/// whoever started it, until nobody has waited for it for the cache's [grace](CacheBuilder::grace). Its failure, a panic
/// included, is everybody's who waits then, and is remembered only [if asked](CacheBuilder::remember_failures): who asks
/// next starts anew. Nothing is served past its `valid_until`: a value that is loaded too late for it is a failed load.
/// One with a lifetime of zero is given once to all who wait, and not kept. A load that exceeds its
/// [deadline](CacheBuilder::deadline) is stopped and its key is free; one that blocks its thread cannot be stopped, but
/// no one waits for it any more. [`Class`]es bound how many loads run at once; [`progress`](Self::progress) tells how
/// far they are.
///
/// A loader that waits for its own key, be it by way of other loads, whoever has started them, is refused with
/// [`ErrorKind::Invalid`] there: it would wait for itself. Asked from a task that the loader spawned, it does wait for
/// itself, until the deadline.
///
/// # Freshness
/// A fresh value is served; when a refresh is [due](CacheBuilder::eager), one load begins behind it. A stale value is
/// served at once, or after the [soft timeout](CacheBuilder::soft_timeout), while one load runs behind it. When that
/// fails, the value stands in, and the key is not loaded again for the [backoff](CacheBuilder::backoff), counted from
/// the failure. An expired value is as good as none.
///
/// # Writes and invalidations win
/// A [`put`](Self::put), [`remove`](Self::remove) or [`invalidate`](Self::invalidate), or one of the stored key through
/// the [`Tiered`](crate::Tiered) itself, wins over every load that began before it ended, refreshes behind answers
/// included: those who wait get the loaded value, but it is not kept, and who asks afterwards starts a new load. An
/// invalidation by tag cannot know which tags a running load will set, so it wins over all loads that it could mean. A
/// write that bypasses the tiers does not reach the near tier.
///
/// # Processes that share a tier
/// Where a tier offers leases, one process of the fleet loads a key; the others find its value in the tier. Who loses
/// its lease discards what it has loaded. Where a tier has a backplane, writes and invalidations reach the near tiers
/// of all processes; until they arrive, a process may serve what it has. Fills are not told.
///
/// # The tiers' failures
/// A tier that fails is skipped; a value that cannot be stored is served all the same, and counted. It replaces what
/// was there before: that is not served again once the newer value has left the near tier.
///
/// # Runtime
/// It works within a Tokio runtime with time enabled.
///
/// ```
/// # use cache_core::{DAY, HOUR, Key, Result, ttl};
/// # use cache_mem::MemBackend;
/// # use cache_tiered::{Cache, Load, Origin, Tiered};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).build()?;
/// let songs = Cache::<String>::builder("songs").lifetime(ttl(2 * HOUR).stale(DAY)).tiers(tiers).build()?;
///
/// let key = Key::of("video").part("dQw4w9WgXcQ").build()?;
/// let listen = |load: Load| async move { Ok::<_, std::io::Error>(format!("the song of {}", load.key())) };
/// let hit = songs.get_or_load(&key, listen).await?;
/// assert_eq!((hit.value.as_str(), hit.origin), ("the song of video:dQw4w9WgXcQ", Origin::Loaded));
///
/// let hit = songs.get_or_load(&key, listen).await?;
/// assert_eq!(hit.origin, Origin::Near);
/// songs.close().await
/// # }
/// ```
pub struct Cache<V>(Arc<Inner<V>>);

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Cache<V> {
    /// Starts a cache; its name is the first part of its keys in the tiers.
    pub fn builder(name: &str) -> CacheBuilder<V> {
        CacheBuilder::new(name)
    }

    /// The value of `key`: from the near tier, without waiting or allocating; else from the tiers or a load that is
    /// under way; else from `loader`. [`request`](Self::request) does the same with options of its own.
    ///
    /// Cancelling it disturbs nobody else; the load is stopped when nobody waits for it and the
    /// [grace](CacheBuilder::grace) has passed.
    ///
    /// # Errors
    /// [`ErrorKind::Load`] when the loader failed or panicked, [`ErrorKind::Timeout`] when it exceeded its deadline, or
    /// the caller its [hard timeout](CacheBuilder::hard_timeout), in all cases without a stale value to stand in;
    /// [`ErrorKind::Invalid`] for a key that is too long, and within a load of that key; [`ErrorKind::Unavailable`] when
    /// too many loads are under way or the runtime ends; [`ErrorKind::Closed`].
    pub async fn get_or_load<L, F, E>(&self, key: &Key, loader: L) -> Result<Hit<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.0.check_open("load")?;
        if let Some((hit, now)) = self.0.near_hit(key) {
            self.0.asked(key, now);
            return Ok(hit);
        }
        self.0.ask(key, &self.0.wants, trip::boxed(loader)).await
    }

    /// Loads `key` although it may have a fresh value, or joins a load of it that is under way, where a tier offers
    /// leases also one in another process. It waits for the store of a load that has just ended.
    ///
    /// When the load fails, the answer is what the cache has, if anything. Its origin tells: what was loaded since this
    /// was asked for is [`Loaded`](Origin::Loaded), [`Revalidated`](Origin::Revalidated) or
    /// [`Joined`](Origin::Joined), in whatever process. Cancelling it disturbs nobody else.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn refresh<L, F, E>(&self, key: &Key, loader: L) -> Result<Hit<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.request(key).refresh().load(loader).await
    }

    /// A question with options of its own: timeouts, class, forecast, revalidation.
    pub fn request<'a>(&'a self, key: &'a Key) -> Request<'a, V> {
        Request::new(self, key, self.0.wants.clone())
    }

    /// The value of `key`, if the cache has one; a stale one is marked as such. Nothing is loaded or waited for but the
    /// tiers. Cancelling it has no effect.
    ///
    /// # Errors
    /// Those of the tiers, when no tier could say whether it holds the key; [`ErrorKind::Invalid`] for a key that is
    /// too long; [`ErrorKind::Closed`].
    pub async fn get(&self, key: &Key) -> Result<Option<Hit<V>>> {
        self.0.check_open("get")?;
        self.0.find(key).await
    }

    /// How fresh the value of `key` is, as [`get`](Self::get) would say, but for the statistics.
    pub(crate) async fn freshness(&self, key: &Key) -> Result<Option<Freshness>> {
        self.0.check_open("freshness")?;
        self.0.freshness(key).await
    }

    /// The values of `keys`, in their order, each as [`get`](Self::get) answers. Each tier is asked once for all that
    /// are neither near nor in a tier before it. Nothing is loaded. Cancelling it has no effect.
    ///
    /// Costs memory for all of the values at once: bound the number of keys.
    ///
    /// # Errors
    /// Of each key, as [`get`](Self::get).
    pub async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Hit<V>>>> {
        match self.0.check_open("get_many") {
            Ok(()) => self.0.find_many(keys).await,
            Err(error) => keys.iter().map(|key| Err(error.clone().with_key(key))).collect(),
        }
    }

    /// Stores a value that was made elsewhere. It is newer than everything before it.
    ///
    /// Once it has its turn among the writes of the key, it goes on when its future is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the value cannot be encoded, and nothing has changed then; otherwise as
    /// [`Backend::put`](cache_core::Backend::put) of the tiers. The value may be held in some tiers then, and what was
    /// there before is not served any more, not even after [`ErrorKind::TooLarge`], unless the write had no turn within
    /// its time, or the cache was closed or too busy for it.
    pub async fn put(&self, key: &Key, value: V) -> Result<()> {
        let stored = self.0.stored_key(key)?;
        let place = self.0.place("put")?;
        let body = self.0.codec.encode(&value)?;
        self.0.tiers.open().await;
        let rights = self.0.tiers.begin(&stored, "put").await?;
        let (cache, key) = (self.0.clone(), key.clone());
        detached(async move {
            let meta = cache.meta(cache.tiers.stamps().tick()).with_lifetime(cache.lifetimes.read().whole);
            let (value, stamp) = (Arc::new(value), meta.stamp);
            let mut entry = Entry::new(meta, body);
            let held = cache.hold(value.clone(), Arc::new(entry.meta.clone()));
            cache.near.put(&key, &held);
            let how = Storing { forecast: &cache.wants.forecast, telling: Telling::Write, newest: true };
            let stored = cache.store_over(&stored, &mut entry, &how).await;
            match stored {
                Ok(true) if entry.meta.stamp != stamp => cache.near.put(&key, &cache.hold(value, Arc::new(entry.meta))),
                // Another process has written a newer one since, or invalidated it.
                Ok(false) => cache.near.remove_same(&key, &held),
                _ => {}
            }
            cache.pauses.end(&key);
            drop((rights, place));
            stored.map(|_| ())
        })
        .await
    }

    /// Drops the value of `key` everywhere; whether there was one.
    ///
    /// Once it has its turn among the writes of the key, it goes on when its future is dropped.
    ///
    /// # Errors
    /// As [`Backend::remove`](cache_core::Backend::remove) of the [tiers](crate::Tiered#writes). The key is not served
    /// any more by this process all the same, except after [`ErrorKind::Timeout`] while it waited for its turn.
    pub async fn remove(&self, key: &Key) -> Result<bool> {
        let stored = self.0.stored_key(key)?;
        let place = self.0.place("remove")?;
        let rights = self.0.tiers.begin(&stored, "remove").await?;
        let (cache, key) = (self.0.clone(), key.clone());
        detached(async move {
            let near = cache.near_valid(&key).is_some();
            // The tiers first: what a load has replaced may be in them until its store, and would come up from there.
            let below = cache.tiers.retire(&stored).await;
            cache.near.remove(&key);
            cache.pauses.end(&key);
            drop((rights, place));
            below.map(|below| near || below)
        })
        .await
    }

    /// Makes everything that `selector` selects among this cache's keys out of date, in every tier and for every load
    /// that began before; how many entries were there. Its keys, prefixes and patterns are those of callers, without
    /// the name of the cache.
    ///
    /// It is in force before the first entry is removed, and stays so when its future is dropped.
    ///
    /// # Errors
    /// As [`Tiered::invalidate`](crate::Tiered::invalidate).
    pub async fn invalidate(&self, selector: &Selector) -> Result<Invalidation> {
        self.0.check_open("invalidate")?;
        self.0.tiers.invalidate(&selector.below(&self.0.name)?).await
    }

    /// What [`invalidate`](Self::invalidate) would do, and nothing done.
    ///
    /// # Errors
    /// As [`Tiered::preview`](crate::Tiered::preview).
    pub async fn preview(&self, selector: &Selector) -> Result<Invalidation> {
        self.0.check_open("preview")?;
        self.0.tiers.preview(&selector.below(&self.0.name)?).await
    }

    /// Follows the load of `key`, if one runs.
    pub fn progress(&self, key: &Key) -> Option<ProgressWatch> {
        let flight = self.0.flights.get(key)?;
        Some(ProgressWatch::new(key.clone(), flight.report.subscribe(), flight.crew()))
    }

    /// How far each running load is, in no promised order.
    pub fn loads(&self) -> Vec<Progress> {
        let watch = |(key, flight): (Key, Arc<flight::Flight<V>>)| {
            ProgressWatch::new(key, flight.report.subscribe(), flight.crew()).current()
        };
        self.0.flights.all().into_iter().map(watch).collect()
    }

    /// Gives what is loaded or put from here on these lifetimes: as [`lifetime`](CacheBuilder::lifetime),
    /// [`partial`](CacheBuilder::partial) and [`empty`](CacheBuilder::empty) at the start. What is kept already keeps its
    /// own, also when it is found to be still right.
    pub fn set_lifetimes(&self, lifetime: Lifetime, partial: Lifetime, empty: Lifetime) {
        let mut lifetimes = self.0.lifetimes.write();
        (lifetimes.whole, lifetimes.partial, lifetimes.empty) = (lifetime, partial, empty);
    }

    /// The figures of now. Costs a look at each value of the near tier.
    pub fn stats(&self) -> CacheStats {
        let idle = self.0.tasks.available_permits() as u64;
        let (near_hits, near_saved) = self.0.near.hits(self.0.clock.now());
        let counted = self.0.counters.snapshot();
        CacheStats {
            name: self.0.name.to_string(),
            running: u64::from(self.0.max_loads).saturating_sub(idle),
            near_entries: self.0.near.len(),
            near_hits: counted.near_hits + near_hits,
            seconds_saved: counted.seconds_saved + near_saved.as_secs_f64(),
            ..counted
        }
    }

    /// Ends the cache: stops loads, waits for stores under way and for the tiers' promotions. The tiers stay open. A
    /// second call succeeds.
    ///
    /// Cancelling it leaves the cache closed, and stores under way.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when the stores or the promotions took longer than half a minute each.
    pub async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Release);
        self.0.closing.send_replace(true);
        let ended = timeout(CLOSE_LIMIT, self.0.tasks.acquire_many(self.0.max_loads)).await;
        self.0.tasks.close();
        self.0.near.clear();
        if ended.is_err() {
            let message = format!("stores of the cache {} have not ended within {CLOSE_LIMIT:?}", self.0.name);
            return Err(Error::new(ErrorKind::Timeout, message).with_operation("close"));
        }
        self.0.tiers.settle(CLOSE_LIMIT).await
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.0.name).field("tiers", &self.0.tiers).finish_non_exhaustive()
    }
}
