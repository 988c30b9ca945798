//! `Store`: a typed cache whose entries are also read in batches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Backend, Clock, Error, ErrorKind, Freshness, Key, KeyPrefix, Result, Selector, Swept};
use cache_tiered::{Cache, CacheBuilder, Class, Codec, Found, Invalidation, Load, Origin, Popularity, Tiered};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{Answer, CacheOptions, failure};

/// Expired entries dropped in one step.
const STEP: usize = 1000;

/// A typed cache, and the tiers under it for what the cache does not do: reading many keys at once.
#[derive(Debug)]
pub(crate) struct Store<V> {
    cache: Cache<V>,
    /// The name of the cache: the first part of its keys in the tiers.
    name: Key,
    tiers: Tiered,
    popularity: Option<Popularity>,
    batches: Batches,
}

/// What batches did. The cache does not see them.
#[derive(Debug, Default)]
struct Batches {
    hits: AtomicU64,
    saved_micros: AtomicU64,
}

impl<V: Serialize + DeserializeOwned + Send + Sync + 'static> Store<V> {
    /// A store in `tiers` of the entries below `name`. The name is to be another one whenever a stored value may mean
    /// something else.
    pub(crate) fn open(
        name: &str,
        group: &str,
        tiers: Tiered,
        options: &CacheOptions,
        popularity: Option<Popularity>,
    ) -> Result<Self> {
        let class = Class::new(group, options.at_once.max(1));
        let mut builder: CacheBuilder<V> = Cache::builder(name)
            // What batches read is decoded here.
            .codec(Codec::Json)
            .lifetime(options.lifetime)
            .empty(options.empty)
            .partial(options.partial)
            .near(options.near)
            .deadline(options.deadline)
            .class(&class)
            .tiers(tiers.clone());
        if let Some(popularity) = &popularity {
            builder = builder.popularity(popularity.clone());
        }
        let cache = builder.build()?;
        Ok(Self { cache, name: Key::of(name).build()?, tiers, popularity, batches: Batches::default() })
    }

    pub(crate) fn cache(&self) -> &Cache<V> {
        &self.cache
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.tiers.clock()
    }

    pub(crate) fn tiers(&self) -> &Tiered {
        &self.tiers
    }

    /// The value of `key`, or what `loader` makes. An error of the loader comes as it is.
    pub(crate) async fn get<L, F>(&self, key: &Key, loader: L) -> Result<Answer<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V>> + Send + 'static,
    {
        self.cache.get_or_load(key, loader).await.map(Answer::from).map_err(|error| loaders_own(error, key))
    }

    /// As [`get`](Self::get), loaded now.
    pub(crate) async fn refresh<L, F>(&self, key: &Key, loader: L) -> Result<Answer<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V>> + Send + 'static,
    {
        self.cache.refresh(key, loader).await.map(Answer::from).map_err(|error| loaders_own(error, key))
    }

    /// What is to be used in place of a value that `is_bad`: what others have replaced it by, or what was loaded less than
    /// `gap` ago, because it could not be had better; else what `loader` makes, with the value out of every tier.
    pub(crate) async fn replace<L, F>(
        &self,
        key: &Key,
        gap: Duration,
        is_bad: impl Fn(&V) -> bool,
        loader: L,
    ) -> Result<Answer<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V>> + Send + 'static,
    {
        match self.cache.get(key).await {
            Ok(Some(hit)) if !is_bad(&hit.value) || hit.age < gap => return Ok(hit.into()),
            // A load that is under way began after the value had gone: it counts.
            Ok(None) => {}
            // Even when a tier fails to remove it, this process does not serve it any more.
            Ok(Some(_)) | Err(_) => {
                if let Err(error) = self.cache.remove(key).await {
                    tracing::warn!(%key, %error, "a bad link was not removed from every tier");
                }
            }
        }
        self.get(key, loader).await
    }

    /// What the tiers have of `keys` that is fresh, each tier asked once for all that those above it lack. What is not
    /// in the answer has to be asked for one by one.
    pub(crate) async fn find(&self, keys: &[Key]) -> HashMap<Key, Answer<V>> {
        let began = Instant::now();
        let (mut asked, mut stored) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        for key in keys {
            // One that is too long is refused when it is asked for.
            if let Ok(long) = Key::parse(&format!("{}:{key}", self.name)) {
                asked.push(key);
                stored.push(long);
            }
        }
        let lookups = self.tiers.lookup_many(&stored).await;
        let took = began.elapsed();
        let mut answers = HashMap::with_capacity(keys.len());
        for (key, lookup) in asked.into_iter().zip(lookups) {
            if let Some(answer) = lookup.found.and_then(|found| self.answer(found, took)) {
                self.note(key, &answer);
                answers.insert(key.clone(), answer);
            }
        }
        answers
    }

    /// Makes everything below `prefix` out of date, in every tier and for every load under way; what was there.
    pub(crate) async fn clear(&self, prefix: &Key) -> Result<Invalidation> {
        self.cache.invalidate(&Selector::Prefix(KeyPrefix::below(prefix))).await
    }

    /// Drops what has expired in the tiers.
    pub(crate) async fn remove_expired(&self) -> Result<Swept> {
        let mut all = Swept::default();
        loop {
            let swept = self.tiers.sweep(self.clock().now(), STEP).await?;
            all.expired += swept.expired;
            all.bytes += swept.bytes;
            // A tier that says that there is more and drops nothing would be asked for ever.
            if !swept.more || swept.expired == 0 {
                return Ok(all);
            }
        }
    }

    /// Hits of batches, and the seconds that they saved.
    pub(crate) fn batched(&self) -> (u64, f64) {
        let saved = Duration::from_micros(self.batches.saved_micros.load(Ordering::Relaxed));
        (self.batches.hits.load(Ordering::Relaxed), saved.as_secs_f64())
    }

    fn answer(&self, found: Found, took: Duration) -> Option<Answer<V>> {
        let Found { entry, tier, name, .. } = found;
        let (now, meta) = (self.clock().now(), &entry.meta);
        // The cache has another way with stale ones: it refreshes them.
        if meta.freshness(now) != Freshness::Fresh || meta.codec.as_deref() != Some(Codec::Json.name()) {
            return None;
        }
        let value = Arc::new(serde_json::from_slice(&entry.body).ok()?);
        let (age, saved) = (now.since(meta.created), meta.cost.saturating_sub(took));
        Some(Answer { value, origin: Origin::Tier { index: tier, name }, age, saved, freshness: Freshness::Fresh })
    }

    fn note(&self, key: &Key, answer: &Answer<V>) {
        self.batches.hits.fetch_add(1, Ordering::Relaxed);
        let saved = u64::try_from(answer.saved.as_micros()).unwrap_or(u64::MAX);
        self.batches.saved_micros.fetch_add(saved, Ordering::Relaxed);
        if let Some(popularity) = &self.popularity {
            popularity.hit(key);
        }
    }
}

/// The error of the loader behind that of its load, if there is one: it says whether and when to try again.
fn loaders_own(error: Error, key: &Key) -> Error {
    if error.kind() != ErrorKind::Load {
        return error;
    }
    let own = failure::behind(&error).skip(1).find_map(|cause| cause.downcast_ref::<Error>()).cloned();
    own.map_or(error, |own| own.with_key(key))
}
