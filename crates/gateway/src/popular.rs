//! `Popular`: the pages whose links are asked for most, which a restart does not forget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::{Clock, DAY, Key, Result};
use cache_tiered::{Popularity, Tiered};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use utoipa::ToSchema;

/// The most pages whose requests are counted.
const PAGES: usize = 4_096;
/// After this time a request counts half: what was asked for in the evening is known at night.
const HALF_LIFE: Duration = DAY;
/// How often the counts are stored, and so what a kill loses.
const PERIOD: Duration = Duration::from_mins(5);
/// How long the end of the server waits for them to be stored.
const LAST: Duration = Duration::from_secs(3);

/// The pages whose links are asked for most. Bounded; cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Popular(Popularity);

/// A page whose links are asked for often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PopularPage {
    pub(crate) provider: String,
    pub(crate) page: String,
    /// Requests, of which one a day ago counts half.
    pub(crate) score: f64,
}

/// Keeps the counts in the tiers while a server runs. Dropping it leaves them as they were stored last.
#[derive(Debug)]
pub(crate) struct Keeper {
    popular: Popular,
    tiers: Tiered,
    /// Whether what was there before is part of the counts.
    has_loaded: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Popular {
    /// Nobody has asked for anything at the instant that `clock` tells.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Popularity::builder().keys(PAGES).half_life(HALF_LIFE).clock(clock).build())
    }

    /// What `tiers` keep of an earlier process; nothing, where they keep nothing that can be read.
    pub(crate) async fn load(tiers: &Tiered) -> Self {
        let popular = Self::new(tiers.clock().clone());
        popular.absorb(tiers).await;
        popular
    }

    /// Somebody has asked `provider` for the links of `page`.
    pub(crate) fn asked_for(&self, provider: &str, page: &str) {
        // An address that is too long for a key is not among those that are counted.
        if let Ok(key) = Key::of(provider).part(page).build() {
            self.0.hit(&key);
        }
    }

    /// The `most` pages asked for most, the most popular first; of `provider`, if one is named.
    pub(crate) fn top(&self, most: usize, provider: Option<&str>) -> Vec<PopularPage> {
        let pages = self.0.top(PAGES).into_iter().filter_map(|(key, score)| {
            let mut segments = key.segments();
            let (provider, page) = (segments.next()?.into_owned(), segments.next()?.into_owned());
            Some(PopularPage { provider, page, score })
        });
        pages.filter(|page| provider.is_none_or(|provider| page.provider == provider)).take(most).collect()
    }

    async fn absorb(&self, tiers: &Tiered) {
        if let Ok(key) = stored_as() {
            self.0.load(tiers, &key).await;
        }
    }

    async fn store(&self, tiers: &Tiered) -> Result<()> {
        if self.0.stats().keys == 0 {
            return Ok(());
        }
        self.0.store(tiers, &stored_as()?).await
    }
}

impl Keeper {
    /// Adds to `popular` what `tiers` keep, and stores there every few minutes what is counted.
    pub(crate) fn start(popular: Popular, tiers: Tiered) -> Self {
        let has_loaded = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let (popular, tiers, has_loaded) = (popular.clone(), tiers.clone(), has_loaded.clone());
            async move {
                popular.absorb(&tiers).await;
                has_loaded.store(true, Ordering::Relaxed);
                loop {
                    sleep(PERIOD).await;
                    told(popular.store(&tiers).await);
                }
            }
        });
        Self { popular, tiers, has_loaded, task }
    }

    /// Stores what is counted, within a limit; the tiers are still open.
    pub(crate) async fn close(self) {
        self.task.abort();
        // Counts that lack what was there before would take its place.
        if self.has_loaded.load(Ordering::Relaxed)
            && let Ok(stored) = timeout(LAST, self.popular.store(&self.tiers)).await
        {
            told(stored);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Nodes that share a tier share the counts: those that one of them stored last.
fn stored_as() -> Result<Key> {
    Key::of("popularity").part("pages").build()
}

fn told(stored: Result<()>) {
    if let Err(error) = stored {
        tracing::warn!(%error, "which pages are popular was not stored");
    }
}

#[cfg(test)]
mod tests {
    use cache_core::{Backend, ManualClock, Timestamp};
    use cache_mem::MemBackend;

    use super::*;

    #[test]
    fn pages_are_named_as_they_were_asked_for_the_most_popular_first() {
        let popular = Popular::new(Arc::new(ManualClock::new(Timestamp::from_millis(1))));
        let pages = ["https://a.example/?q=1:2*%41", "magnet:?xt=urn:btih:00&dn=b", "c"];
        for (times, page) in pages.iter().enumerate() {
            (0..=times).for_each(|_| popular.asked_for("films", page));
        }
        popular.asked_for("songs:and more", "d");
        popular.asked_for("films", &"long".repeat(500));
        let told = popular.top(3, Some("films"));
        assert_eq!(told.iter().map(|page| page.page.as_str()).collect::<Vec<_>>(), [pages[2], pages[1], pages[0]]);
        assert_eq!(popular.top(10, Some("songs:and more"))[0].page, "d");
        assert_eq!((popular.top(10, None).len(), popular.top(1, None).len()), (4, 1));
    }

    #[tokio::test]
    async fn what_is_popular_is_known_after_the_end_and_what_was_not_read_is_not_overwritten() {
        let tiers = Tiered::builder().tier(MemBackend::new(1 << 20)).build().unwrap();
        let popular = Popular::new(tiers.clock().clone());
        let keeper = Keeper::start(popular.clone(), tiers.clone());
        popular.asked_for("films", "a");
        // Before its task has run once.
        keeper.close().await;
        assert!(Popular::load(&tiers).await.top(9, None).is_empty());

        let keeper = Keeper::start(popular.clone(), tiers.clone());
        let has_loaded = || std::future::ready(keeper.has_loaded.load(Ordering::Relaxed));
        assert!(cache_testkit::eventually(Duration::from_secs(10), has_loaded).await);
        keeper.close().await;
        assert_eq!(Popular::load(&tiers).await.top(9, None)[0].page, "a");
        tiers.close().await.unwrap();
    }
}
