//! `Store`: a typed cache whose errors are those of its loaders.

mod batch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Clock, Error, ErrorKind, Freshness, Key, KeyPrefix, Lifetime, Result, Selector, Swept, ttl};
use cache_tiered::{Cache, CacheBuilder, Class, Codec, Hit, Invalidation, Load, Popularity, Tiered};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use batch::Batch;

use crate::{Answer, CacheOptions, failure};

/// Expired entries dropped in one step.
const STEP: usize = 1000;
/// Steps of one call.
const STEPS: usize = 10_000;

/// A typed cache with the tiers under it, and what is asked for in it.
#[derive(Debug)]
pub(crate) struct Store<V> {
    cache: Cache<V>,
    tiers: Tiered,
    popularity: Option<Popularity>,
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
            .lifetime(options.lifetime)
            .empty(brief(options.empty, options.lifetime))
            .partial(brief(options.partial, options.lifetime))
            .near(options.near)
            .deadline(options.deadline)
            .class(&class)
            // What is kept of others is text that people can read.
            .codec(Codec::Json)
            .tiers(tiers.clone());
        if let Some(popularity) = &popularity {
            builder = builder.popularity(popularity.clone());
        }
        let cache = builder.build()?;
        Ok(Self { cache, tiers, popularity })
    }

    /// What is loaded from here on is kept for as long as `options` say; the rest of them is left alone.
    pub(crate) fn set_lifetimes(&self, options: &CacheOptions) {
        let CacheOptions { lifetime, partial, empty, .. } = *options;
        self.cache.set_lifetimes(lifetime, brief(partial, lifetime), brief(empty, lifetime));
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
        // What a clock far ahead has loaded may be of any age.
        let is_new = |hit: &Hit<V>| hit.age < gap && hit.created.since(self.clock().now()) < gap;
        match self.cache.get(key).await {
            Ok(Some(hit)) if !is_bad(&hit.value) || is_new(&hit) => return Ok(hit.into()),
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

    /// What is there of `keys` and fresh, each tier asked once for all that those above it lack. What is not in the
    /// answer has to be asked for one by one.
    pub(crate) async fn find(&self, keys: &[Key]) -> HashMap<Key, Answer<V>> {
        let found = keys.iter().zip(self.cache.get_many(keys).await);
        let fresh = found.filter_map(|(key, hit)| Some((key, hit.ok()??)));
        let fresh = fresh.filter(|(_, hit)| hit.freshness == Freshness::Fresh);
        let noted = fresh.inspect(|(key, _)| {
            if let Some(popularity) = &self.popularity {
                popularity.hit(key);
            }
        });
        noted.map(|(key, hit)| (key.clone(), hit.into())).collect()
    }

    /// Makes everything below `prefix` out of date, in every tier and for every load under way; what was there.
    pub(crate) async fn clear(&self, prefix: &Key) -> Result<Invalidation> {
        self.cache.invalidate(&Selector::Prefix(KeyPrefix::below(prefix))).await
    }

    /// Drops what has expired in the tiers.
    pub(crate) async fn remove_expired(&self) -> Result<Swept> {
        let mut all = Swept::new(0, 0, true);
        // A tier that always says that there is more would be asked for ever.
        for _ in 0..STEPS {
            let swept = self.tiers.sweep(self.clock().now(), STEP).await?;
            all.expired += swept.expired;
            all.bytes += swept.bytes;
            all.more = swept.more;
            if !swept.more {
                break;
            }
        }
        Ok(all)
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

/// Of a part, or of nothing, no more is expected than of all.
fn brief(lifetime: Lifetime, all: Lifetime) -> Lifetime {
    ttl(lifetime.fresh_for().min(all.fresh_for())).stale(lifetime.stale_for().min(all.stale_for()))
}
