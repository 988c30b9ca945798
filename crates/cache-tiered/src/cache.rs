//! `Cache`: typed values, loaded once and found again in the nearest tier.

mod builder;
mod chain;
mod codec;
mod flight;
mod hit;
mod inner;
mod load;
mod near;
mod pauses;
mod stats;
mod trip;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::{Entry, Error, ErrorKind, Freshness, Key, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

pub use builder::CacheBuilder;
pub use codec::Codec;
pub use hit::{Hit, Origin};
pub use load::Load;
pub use stats::CacheStats;

use inner::Inner;
use near::Held;

use crate::tiered::detached;

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
/// whoever started it. Its failure, a panic included, is everybody's who waits then, and is not remembered: who asks
/// next starts anew. When a stale value is at hand, it stands in for a failed load, and the key is not loaded again
/// for the backoff. Nothing is served past its `valid_until`: a value that is loaded too late for it is a failed load.
/// One with a lifetime of zero is given once to all who wait, and not kept. A load that exceeds its deadline is stopped; one that
/// blocks its thread cannot be, but no one waits for it any more.
///
/// A loader that asks its own cache for its own key, or by way of loads that it starts, is refused with
/// [`ErrorKind::Invalid`] there: it would wait for itself. Asked from a task that the loader spawned, or by way of a
/// load that another has started, it does wait for itself, until the deadline.
///
/// # Writes win
/// A [`put`](Self::put) or [`remove`](Self::remove), or one of the stored key through the [`Tiered`](crate::Tiered)
/// itself, wins over every load that began before it ended: those who wait get the loaded value, but it is not kept,
/// and who asks afterwards starts a new load. A write that bypasses the cache does not reach its near tier.
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
    /// under way; else from `loader`.
    ///
    /// Cancelling it disturbs neither the load nor anybody else.
    ///
    /// # Errors
    /// [`ErrorKind::Load`] when the loader failed or panicked, [`ErrorKind::Timeout`] when it exceeded its deadline,
    /// in both cases without a stale value to stand in; [`ErrorKind::Invalid`] for a key that is too long, and
    /// within a load of that key;
    /// [`ErrorKind::Unavailable`] when too many loads are under way or the runtime ends; [`ErrorKind::Closed`].
    pub async fn get_or_load<L, F, E>(&self, key: &Key, loader: L) -> Result<Hit<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.0.check_open("load")?;
        if let Some(hit) = self.0.near_hit(key) {
            return Ok(hit);
        }
        let began = Instant::now();
        let (flight, lead) = self.0.board(key, false, &mut Some(trip::boxed(loader)))?;
        let landed = flight.wait().await?;
        Ok(self.0.hit(&landed, lead, began))
    }

    /// Loads `key` although it may have a fresh value, or joins a load of it that is under way. It waits for the store
    /// of a load that has just ended.
    ///
    /// When the load fails, the answer is what the cache has, if anything: its origin tells. Cancelling it disturbs
    /// nobody.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn refresh<L, F, E>(&self, key: &Key, loader: L) -> Result<Hit<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let began = Instant::now();
        let mut loader = Some(trip::boxed(loader));
        loop {
            let (flight, lead) = self.0.board(key, true, &mut loader)?;
            if !lead && flight.has_landed() {
                // Its load had ended before this call, and a load begun during its store would not be kept.
                flight.ended().await;
                continue;
            }
            let landed = flight.wait().await?;
            // A flight that was joined may have found a value without loading it, and has left the table then.
            if lead || landed.tried {
                return Ok(self.0.hit(&landed, lead, began));
            }
        }
    }

    /// The value of `key`, if the cache has one; a stale one is marked as such. Nothing is loaded or waited for but the
    /// tiers. Cancelling it has no effect.
    ///
    /// # Errors
    /// Those of the tiers, when no tier could say whether it holds the key; [`ErrorKind::Invalid`] for a key that is
    /// too long; [`ErrorKind::Closed`].
    pub async fn get(&self, key: &Key) -> Result<Option<Hit<V>>> {
        self.0.check_open("get")?;
        if let Some(hit) = self.0.near_hit(key) {
            return Ok(Some(hit));
        }
        let began = Instant::now();
        let stored = self.0.stored_key(key)?;
        let watch = self.0.tiers.watch(&stored);
        let near = self.0.near.get(key).map(|held| (held, Origin::Near));
        let looked = self.0.look(&stored).await;
        let Some((held, origin)) = self.0.better(near, looked.found) else {
            stats::count(&self.0.counters.misses);
            return looked.error.map_or(Ok(None), Err);
        };
        self.0.fill_near(key, &held, &watch);
        let freshness = held.freshness(self.0.clock.now());
        Ok((freshness != Freshness::Expired).then(|| self.0.serve(&held, origin, freshness, began)))
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
        let rights = self.0.tiers.begin(&stored, "put").await?;
        let (cache, key) = (self.0.clone(), key.clone());
        detached(async move {
            let meta = cache.meta(cache.stamps.tick()).with_lifetime(cache.lifetime);
            cache.near.put(&key, Held::new(Arc::new(value), &meta));
            let stored = cache.store_over(&stored, &Entry::new(meta, body), true).await;
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
            let near = cache.near.remove(&key);
            let below = cache.tiers.clear(&stored).await;
            cache.pauses.end(&key);
            drop((rights, place));
            below.map(|below| near || below)
        })
        .await
    }

    /// The figures of now.
    pub fn stats(&self) -> CacheStats {
        let idle = self.0.tasks.available_permits() as u64;
        CacheStats {
            name: self.0.name.clone(),
            running: u64::from(self.0.max_loads).saturating_sub(idle),
            near_entries: self.0.near.len(),
            ..self.0.counters.snapshot()
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
