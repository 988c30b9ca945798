//! What the tests share: a provider that does as it is told and counts, and tiers on a clock that stands still.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Backend, Clock, ManualClock, Result, Timestamp};
use cache_testkit::{Faulty, NaiveModel, Operation};
use cache_tiered::{TierOptions, Tiered};
use parking_lot::Mutex;
use providers::http::{Fetch, FetchOptions};
use providers::{
    CacheOptions, CachedProvider, Link, LinkKind, LinkRequest, Links, Provider, SearchPage, SearchQuery, SearchResult,
};

/// When the tests begin.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_784_000_000_000);
/// A wait that no test needs.
pub(crate) const LONG: Duration = Duration::from_mins(1);

type Answer = Box<dyn Fn(u64, &LinkRequest) -> Result<Links> + Send + Sync>;

/// A provider that answers as it is told, and counts what it is asked.
pub(crate) struct Fake {
    name: &'static str,
    version: &'static str,
    answer: Mutex<Answer>,
    pub(crate) pause: Mutex<Duration>,
    /// How long its answers take to arrive.
    pub(crate) way: Mutex<Duration>,
    asked: Mutex<HashMap<String, u64>>,
    pub(crate) loads: AtomicU64,
    pub(crate) searches: AtomicU64,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fake").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Fake {
    /// Its links name the page and how often it was asked for that page.
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Self::versioned(name, "")
    }

    pub(crate) fn versioned(name: &'static str, version: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            version,
            answer: Mutex::new(Box::new(|time, request| Ok(Links::of([link(request.url(), time)])))),
            pause: Mutex::new(Duration::ZERO),
            way: Mutex::new(Duration::ZERO),
            asked: Mutex::default(),
            loads: AtomicU64::new(0),
            searches: AtomicU64::new(0),
        })
    }

    /// From here on it answers with what `answer` makes of the request and of how often it came.
    pub(crate) fn answers(&self, answer: impl Fn(u64, &LinkRequest) -> Result<Links> + Send + Sync + 'static) {
        *self.answer.lock() = Box::new(answer);
    }

    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }
}

/// The link of `page` that was made the `time`th time.
pub(crate) fn link(page: &str, time: u64) -> Link {
    Link::new(format!("{page}?take={time}"), LinkKind::Audio)
}

pub(crate) fn request(url: &str) -> LinkRequest {
    LinkRequest::new(url).unwrap()
}

/// Limits that no test waits for.
pub(crate) fn fast() -> FetchOptions {
    FetchOptions::new().gap(Duration::ZERO).at_once(64).clock(ManualClock::new(START))
}

pub(crate) fn fetch() -> Fetch {
    Fetch::new(fast()).unwrap()
}

/// An example of what a site answers.
pub(crate) fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A program that behaves as the address that it is given says.
pub(crate) fn fake_yt_dlp() -> String {
    format!("{}/tests/fixtures/fake-yt-dlp.sh", env!("CARGO_MANIFEST_DIR"))
}

/// The address of the first link.
pub(crate) fn first(links: &Links) -> &str {
    &links.links[0].url
}

#[async_trait]
impl Provider for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn version(&self) -> &str {
        self.version
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        let time = self.searches.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(SearchPage::of([SearchResult::new(format!("{} {time}", query.text), "https://example.org/found")]))
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let time = {
            let mut asked = self.asked.lock();
            let time = asked.entry(request.url().to_owned()).or_default();
            *time += 1;
            *time
        };
        let pause = *self.pause.lock();
        if !pause.is_zero() {
            // A provider that takes its time.
            pass(pause).await;
        }
        let answer = (self.answer.lock())(time, request);
        let way = *self.way.lock();
        if !way.is_zero() {
            pass(way).await;
        }
        answer
    }
}

/// Lets time pass, of a runtime whose clock is paused, or as a slow provider does.
pub(crate) async fn pass(span: Duration) {
    _ = tokio::time::timeout(span, std::future::pending::<()>()).await;
}

/// Two tiers that count, on a clock that stands still.
pub(crate) struct Bed {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) near: Arc<Faulty<NaiveModel>>,
    pub(crate) far: Arc<Faulty<NaiveModel>>,
    pub(crate) tiers: Tiered,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let far = Arc::new(Faulty::new(NaiveModel::new(clock.clone())));
        Self::over(clock, far)
    }

    /// A stack with a new near tier over `far`: what a restart leaves.
    pub(crate) fn over(clock: Arc<ManualClock>, far: Arc<Faulty<NaiveModel>>) -> Self {
        let near = Arc::new(Faulty::new(NaiveModel::new(clock.clone())));
        let tiers = Tiered::builder()
            .tier_with(near.clone(), TierOptions::new().name("near").patience(LONG))
            .tier_with(far.clone(), TierOptions::new().name("far").patience(LONG))
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { clock, near, far, tiers }
    }

    pub(crate) fn restarted(&self) -> Self {
        Self::over(self.clock.clone(), self.far.clone())
    }

    pub(crate) fn provider(&self, fake: &Arc<Fake>) -> CachedProvider<Arc<Fake>> {
        self.provider_with(fake, CacheOptions::default())
    }

    pub(crate) fn provider_with(&self, fake: &Arc<Fake>, options: CacheOptions) -> CachedProvider<Arc<Fake>> {
        CachedProvider::builder(fake.clone()).tiers(self.tiers.clone()).options(options).build().unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn settle(&self) {
        self.tiers.settle(LONG).await.unwrap();
    }

    /// How often each tier was asked for many keys, and for one.
    pub(crate) fn reads(&self) -> [(u64, u64); 2] {
        [&self.near, &self.far].map(|tier| (tier.calls(Operation::GetMany), tier.calls(Operation::Get)))
    }

    pub(crate) async fn entries(&self) -> [u64; 2] {
        [self.near.usage().await.unwrap().entries, self.far.usage().await.unwrap().entries]
    }
}
