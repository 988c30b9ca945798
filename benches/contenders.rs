//! The same work through Reelcache and through its peers: a value found or loaded, one load for all who ask.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::Key;
use cache_mem::MemBackend;
use cache_tiered::{Cache, Tiered};

/// What every cache holds, behind an `Arc` in all of them.
pub(crate) type Value = u64;

/// What Reelcache gives each value by default.
const LIFETIME: Duration = Duration::from_hours(1);

/// A cache that loads what it lacks.
pub(crate) trait Contender: Clone + Send + Sync + 'static {
    /// Its name and version in reports.
    const NAME: &'static str;

    /// The cheapest key that it has to offer for text: all of them are cloned without copying the text.
    type Key: Clone + Send + Sync + 'static;

    /// A cache for `entries` values, with the crate's own defaults for everything else.
    fn new(entries: usize) -> Self;

    /// The key of this number, 60 bytes long.
    fn key(number: impl Display) -> Self::Key;

    /// The value of `key`, from `loader` when it is absent.
    fn fetch<L, F>(&self, key: &Self::Key, loader: L) -> impl Future<Output = Value> + Send
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Value> + Send + 'static;
}

/// Reelcache: a near tier over a memory tier.
#[derive(Clone)]
pub(crate) struct Reelcache(Cache<Value>);

impl Contender for Reelcache {
    const NAME: &'static str = "Reelcache";

    type Key = Key;

    fn new(entries: usize) -> Self {
        let tiers = Tiered::builder().tier(MemBackend::new(1 << 20)).build().expect("tiers");
        let cache = Cache::builder("near").near(entries as u64).tiers(tiers);
        Self(cache.max_loads(100_000).build().expect("a cache"))
    }

    fn key(number: impl Display) -> Key {
        Key::parse(&text(number)).expect("a valid key")
    }

    async fn fetch<L, F>(&self, key: &Key, loader: L) -> Value
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Value> + Send + 'static,
    {
        let load = async move |_| Ok::<_, Infallible>(loader().await);
        *self.0.get_or_load(key, load).await.expect("a value").value
    }
}

/// The asynchronous cache of moka.
#[derive(Clone)]
pub(crate) struct Moka(moka::future::Cache<Arc<str>, Arc<Value>>);

impl Contender for Moka {
    const NAME: &'static str = "moka 0.12.16";

    type Key = Arc<str>;

    fn new(entries: usize) -> Self {
        Self(moka::future::Cache::new(entries as u64))
    }

    fn key(number: impl Display) -> Arc<str> {
        text(number).into()
    }

    async fn fetch<L, F>(&self, key: &Arc<str>, loader: L) -> Value
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Value> + Send + 'static,
    {
        *self.0.get_with_by_ref(key, async move { Arc::new(loader().await) }).await
    }
}

/// The asynchronous face of `quick_cache`.
#[derive(Clone)]
pub(crate) struct QuickCache(Arc<quick_cache::sync::Cache<Arc<str>, Arc<Value>>>);

impl Contender for QuickCache {
    const NAME: &'static str = "quick_cache 0.7.0";

    type Key = Arc<str>;

    fn new(entries: usize) -> Self {
        Self(Arc::new(quick_cache::sync::Cache::new(entries)))
    }

    fn key(number: impl Display) -> Arc<str> {
        text(number).into()
    }

    async fn fetch<L, F>(&self, key: &Arc<str>, loader: L) -> Value
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Value> + Send + 'static,
    {
        let load = async move { Ok::<_, Infallible>(Arc::new(loader().await)) };
        *self.0.get_or_insert_async(key, load).await.expect("a value")
    }
}

/// `quick_cache` with a deadline beside each value, checked at each hit: what it takes to never serve an expired one.
#[derive(Clone)]
pub(crate) struct QuickCacheTimed(Arc<quick_cache::sync::Cache<Arc<str>, Timed>>);

type Timed = (Instant, Arc<Value>);

impl Contender for QuickCacheTimed {
    const NAME: &'static str = "quick_cache, deadlines checked";

    type Key = Arc<str>;

    fn new(entries: usize) -> Self {
        Self(Arc::new(quick_cache::sync::Cache::new(entries)))
    }

    fn key(number: impl Display) -> Arc<str> {
        text(number).into()
    }

    async fn fetch<L, F>(&self, key: &Arc<str>, loader: L) -> Value
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Value> + Send + 'static,
    {
        let load = async move { Ok::<_, Infallible>((Instant::now() + LIFETIME, Arc::new(loader().await))) };
        let (deadline, value) = self.0.get_or_insert_async(key, load).await.expect("a value");
        assert!(Instant::now() < deadline, "a benchmark ends before a value expires");
        *value
    }
}

/// The memory half of foyer.
#[derive(Clone)]
pub(crate) struct Foyer(foyer_memory::Cache<Arc<str>, Arc<Value>>);

impl Contender for Foyer {
    const NAME: &'static str = "foyer 0.22.6";

    type Key = Arc<str>;

    fn new(entries: usize) -> Self {
        Self(foyer_memory::CacheBuilder::new(entries).build())
    }

    fn key(number: impl Display) -> Arc<str> {
        text(number).into()
    }

    async fn fetch<L, F>(&self, key: &Arc<str>, loader: L) -> Value
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Value> + Send + 'static,
    {
        let load = || async move { Ok::<_, Infallible>(Arc::new(loader().await)) };
        **self.0.get_or_fetch(key, load).await.expect("a value").value()
    }
}

/// 60 bytes, most of them the same in every key, as keys of one cache are.
fn text(number: impl Display) -> String {
    format!("video:a3f4b2c1d5e6f7:keyframes:id={number:0>10}:max_frames=3000")
}
