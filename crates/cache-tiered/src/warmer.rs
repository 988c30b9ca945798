//! `Warmer`: brings keys up to date before anybody asks for them.

mod progress;
mod task;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{DAY, Error, ErrorKind, Freshness, HOUR, Key, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::watch;

pub use progress::{WarmEnd, WarmProgress, WarmReport};

use crate::{Cache, Load, Origin};
use progress::Shared;

/// How keys are warmed: how fast, how many at once, for how long. Cloning copies these settings.
///
/// Warming is a task of its own that refreshes keys in the order given. One that fails, panics or exceeds its patience
/// is counted, and the others go on.
///
/// ```
/// # use cache_core::{Key, Result};
/// # use cache_mem::MemBackend;
/// # use cache_tiered::{Cache, Load, Popularity, WarmEnd, Warmer};
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let songs = Cache::<String>::builder("songs").backend(MemBackend::new(64 << 20)).build()?;
/// let popularity = Popularity::builder().build();
/// popularity.hit(&Key::of("song").part(1).build()?);
///
/// let listen = |load: Load| async move { Ok::<_, std::io::Error>(format!("the song of {}", load.key())) };
/// let warmer = Warmer::new().rate(5, Duration::from_secs(1)).at_once(2);
/// let keys = popularity.top(100).into_iter().map(|(key, _)| key);
/// let report = warmer.start_cache(&songs, keys, listen)?.report().await;
/// assert_eq!((report.end, report.refreshed), (WarmEnd::Complete, 1));
/// # songs.close().await
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a warmer does nothing until it is started"]
pub struct Warmer {
    gap: Duration,
    at_once: usize,
    patience: Duration,
    max_failures: Option<u64>,
}

/// What warming one key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Warmed {
    /// A new value was loaded.
    Refreshed,
    /// The value was fresh and left alone.
    Fresh,
}

/// A warming under way. Dropping it cancels the warming.
pub struct Warming {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    /// Its sender is dropped when the task ends.
    ended: watch::Receiver<()>,
}

impl Warmer {
    /// Ten keys a second, four at once, an hour for each, however many fail.
    pub fn new() -> Self {
        Self { gap: Duration::from_millis(100), at_once: 4, patience: HOUR, max_failures: None }
    }

    /// Begins at most `keys` keys, at least one, in `span`, at most a day, evenly spread. A key that turns out to be
    /// fresh before the next is begun does not count.
    pub fn rate(mut self, keys: u32, span: Duration) -> Self {
        self.gap = span.min(DAY) / keys.max(1);
        self
    }

    /// Sets how many keys are under way at once, at least one. The default is 4.
    pub fn at_once(mut self, keys: usize) -> Self {
        self.at_once = keys.max(1);
        self
    }

    /// Sets how long one key may take before its refresh is dropped and counts as failed. The default is an hour.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Ends the warming when more than `failures` keys have failed. Without it, no number of failures does.
    pub fn max_failures(mut self, failures: u64) -> Self {
        self.max_failures = Some(failures);
        self
    }

    /// Warms `keys` through `refresh`, which says what it did; a key given twice is warmed once.
    ///
    /// All its futures run in one task. They are dropped where they stand when the warming is cancelled, has seen too
    /// many failures, or loses patience.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] outside a Tokio runtime.
    pub fn start<F, W>(&self, keys: impl IntoIterator<Item = Key>, refresh: F) -> Result<Warming>
    where
        F: Fn(Key) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Warmed>> + Send + 'static,
    {
        let Ok(runtime) = Handle::try_current() else {
            return Err(Error::new(ErrorKind::Invalid, "a warming is started within a Tokio runtime"));
        };
        let mut seen = HashSet::new();
        let keys: Vec<Key> = keys.into_iter().filter(|key| seen.insert(key.clone())).collect();
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = watch::channel(());
        let shared = Arc::new(Shared::new(keys.len() as u64));
        runtime.spawn(task::run(self.clone(), keys, refresh, shared.clone(), stopped, end));
        Ok(Warming { shared, stop, ended })
    }

    /// Warms `keys` of `cache` with `loader`: those whose value is fresh are left alone, the others
    /// [refreshed](Cache::refresh), be it by the load of another process. A refresh whose load fails has failed, although
    /// a stale value stands in.
    ///
    /// Loads under way when the warming ends go on as those of any caller who leaves.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_cache<V, L, F, E>(
        &self,
        cache: &Cache<V>,
        keys: impl IntoIterator<Item = Key>,
        loader: L,
    ) -> Result<Warming>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
        L: Fn(Load) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let cache = cache.clone();
        self.start(keys, move |key| {
            let (cache, loader) = (cache.clone(), loader.clone());
            async move { warm(&cache, &key, loader).await }
        })
    }
}

impl Warming {
    /// How far it is.
    pub fn progress(&self) -> WarmProgress {
        self.shared.progress()
    }

    /// Ends it: what is under way is dropped, the rest is not begun. Does nothing when it has ended.
    pub fn cancel(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the end, as long as that takes, and says how it went. Cancelling it has no effect on the warming; a
    /// second call gives the same answer.
    pub async fn report(&self) -> WarmReport {
        let mut ended = self.ended.clone();
        // An error: the sender is gone, which is what ends the wait.
        let _ = ended.changed().await;
        self.shared.report()
    }
}

impl Default for Warmer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Warming {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Warming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warming").field("progress", &self.progress()).finish_non_exhaustive()
    }
}

async fn warm<V, L, F, E>(cache: &Cache<V>, key: &Key, loader: L) -> Result<Warmed>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    L: FnOnce(Load) -> F + Send + 'static,
    F: Future<Output = Result<V, E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    // Tiers that cannot be read are no reason not to load.
    if let Ok(Some(Freshness::Fresh)) = cache.freshness(key).await {
        return Ok(Warmed::Fresh);
    }
    let hit = cache.request(key).refresh().behind().load(loader).await?;
    match hit.origin {
        Origin::Loaded | Origin::Joined => Ok(Warmed::Refreshed),
        _ => Err(Error::new(ErrorKind::Load, "the load failed: an older value stands in").with_key(key)),
    }
}
