//! Every cell of the table in docs/freshness.md, run and compared.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Freshness, Key, Lifetime, MINUTE, Selector, ttl};
use cache_mem::MemBackend;
use cache_tiered::{Cache, CacheBuilder, Hit, Load, Loaded, Origin, Tiered};
use futures_util::future::BoxFuture;

use crate::kit::{Paused, Runs, key, millis, pass};

const STATES: [State; 7] =
    [State::Absent, State::Fresh, State::Due, State::Stale, State::Paused, State::Expired, State::Ended];

const EVENTS: [Event; 14] = [
    Event::Succeeds,
    Event::Fails,
    Event::Hangs,
    Event::SaysNotModified,
    Event::SoonEnough,
    Event::TooLate,
    Event::OutlastsCaller,
    Event::FailsWithoutSoftTimeout,
    Event::Got,
    Event::RefreshSucceeds,
    Event::RefreshFails,
    Event::RemovedMeanwhile,
    Event::InvalidatedMeanwhile,
    Event::PutMeanwhile,
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Absent,
    Fresh,
    Due,
    Stale,
    Paused,
    Expired,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Succeeds,
    Fails,
    Hangs,
    SaysNotModified,
    SoonEnough,
    TooLate,
    OutlastsCaller,
    FailsWithoutSoftTimeout,
    Got,
    RefreshSucceeds,
    RefreshFails,
    RemovedMeanwhile,
    InvalidatedMeanwhile,
    PutMeanwhile,
}

impl State {
    const fn title(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Fresh => "fresh",
            Self::Due => "refresh due",
            Self::Stale => "stale",
            Self::Paused => "stale, in backoff",
            Self::Expired => "expired",
            Self::Ended => "past `valid_until`",
        }
    }
}

impl Event {
    const fn title(self) -> &'static str {
        match self {
            Self::Succeeds => "asked; the load takes 1 s",
            Self::Fails => "asked; the load fails after 1 s",
            Self::Hangs => "asked; the load hangs",
            Self::SaysNotModified => "asked; the load finds the old value right",
            Self::SoonEnough => "asked, soft timeout 5 s; the load takes 1 s",
            Self::TooLate => "asked, soft timeout 5 s; the load takes 10 s",
            Self::OutlastsCaller => "asked, hard timeout 5 s; the load takes 10 s",
            Self::FailsWithoutSoftTimeout => "asked, stale on failure only; the load fails",
            Self::Got => "`get`",
            Self::RefreshSucceeds => "`refresh`; the load takes 1 s",
            Self::RefreshFails => "`refresh`; the load fails",
            Self::RemovedMeanwhile => "asked; the key is removed during the load",
            Self::InvalidatedMeanwhile => "asked; its tag is invalidated during the load",
            Self::PutMeanwhile => "asked; a value is put during the load",
        }
    }

    /// What the loader does.
    const fn loader(self) -> (Duration, Does) {
        match self {
            Self::Fails | Self::FailsWithoutSoftTimeout | Self::RefreshFails => (millis(1000), Does::Fail),
            Self::Hangs => (Duration::from_secs(1_000_000), Does::Make),
            Self::SaysNotModified => (millis(1000), Does::SayNotModified),
            Self::TooLate | Self::OutlastsCaller => (millis(10_000), Does::Make),
            _ => (millis(1000), Does::Make),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Make,
    Fail,
    SayNotModified,
}

const FRESH: Duration = Duration::from_secs(100);
const LIFETIME: Lifetime = ttl(FRESH).stale(Duration::from_secs(1000));

struct Cell {
    cache: Cache<String>,
    runs: Runs,
    key: Key,
}

impl Cell {
    async fn new(state: State, near: u64) -> Self {
        let clock = Arc::new(Paused::new());
        let tier = MemBackend::builder(1 << 20).clock(clock.clone()).build();
        let tiers = Tiered::builder().tier(tier).clock(clock).build().unwrap();
        let builder: CacheBuilder<String> = Cache::builder("values");
        let cache = builder
            .lifetime(LIFETIME)
            .near(near)
            .eager(0.8)
            .deadline(MINUTE)
            .backoff(Duration::from_secs(30))
            .tiers(tiers)
            .build()
            .unwrap();
        let cell = Self { cache, runs: Runs::default(), key: key("a") };
        cell.reach(state).await;
        cell
    }

    /// Brings the key into `state`, with "old" as its value.
    async fn reach(&self, state: State) {
        if state == State::Absent {
            return;
        }
        let now = Paused::START;
        let load = move |load: Load| async move {
            load.set_tags(["t"]);
            if state == State::Ended {
                load.set_valid_until(now.after(Duration::from_secs(50)));
            }
            Ok::<_, Error>("old".to_owned())
        };
        self.cache.get_or_load(&self.key, load).await.unwrap();
        let age = match state {
            State::Absent | State::Fresh => 10,
            State::Ended => 60,
            State::Due => 90,
            State::Stale => 200,
            State::Paused => 199,
            State::Expired => 2000,
        };
        pass(Duration::from_secs(age)).await;
        if state == State::Paused {
            let failed = self.cache.request(&self.key).refresh().load(|_| async { Err::<String, _>("down") }).await;
            assert_eq!(failed.unwrap().freshness, Freshness::Stale);
        }
    }

    fn loader(&self, event: Event) -> impl FnOnce(Load, Option<Arc<String>>) -> Loading + Send + 'static + use<> {
        let (runs, (span, does)) = (self.runs.clone(), event.loader());
        move |load, before| {
            Box::pin(async move {
                runs.begin();
                pass(span).await;
                load.set_tags(["t"]);
                match does {
                    Does::Fail => Err("the source is down"),
                    Does::SayNotModified if before.is_some() => Ok(Loaded::NotModified),
                    _ => Ok(Loaded::Value("new".to_owned())),
                }
            })
        }
    }

    async fn ask(&self, event: Event) -> cache_core::Result<Option<Hit<String>>> {
        let loader = self.loader(event);
        let request = self.cache.request(&self.key);
        let request = match event {
            Event::Got => return self.cache.get(&self.key).await,
            Event::SoonEnough | Event::TooLate => request.soft_timeout(millis(5000)),
            Event::OutlastsCaller => request.soft_timeout(Duration::from_secs(1000)).hard_timeout(millis(5000)),
            Event::FailsWithoutSoftTimeout => request.soft_timeout(Duration::MAX),
            Event::RefreshSucceeds | Event::RefreshFails => request.refresh(),
            _ => request,
        };
        request.revalidate(loader).await.map(Some)
    }

    async fn interfere(&self, event: Event) {
        pass(millis(500)).await;
        match event {
            Event::RemovedMeanwhile => drop(self.cache.remove(&self.key).await.unwrap()),
            Event::InvalidatedMeanwhile => drop(self.cache.invalidate(&Selector::tag("t")).await.unwrap()),
            Event::PutMeanwhile => self.cache.put(&self.key, "put".to_owned()).await.unwrap(),
            _ => {}
        }
    }

    /// What a caller gets, how many loads there are, and what is there afterwards.
    async fn run(&self, event: Event) -> String {
        let (answer, ()) = tokio::join!(self.ask(event), self.interfere(event));
        pass(Duration::from_secs(61)).await;
        let after = self.cache.get(&self.key).await.unwrap();
        let loads = if self.runs.count() == 0 { "no load".to_owned() } else { format!("{} load", self.runs.count()) };
        format!("{}; {loads}; then {}", told(answer), told(Ok(after)))
    }
}

type Loading = BoxFuture<'static, Result<Loaded<String>, &'static str>>;

fn told(answer: cache_core::Result<Option<Hit<String>>>) -> String {
    match answer {
        Err(error) if error.kind() == ErrorKind::Load => "the failure".to_owned(),
        Err(error) if error.kind() == ErrorKind::Timeout => "a timeout".to_owned(),
        Err(error) => format!("an unexpected error: {error}"),
        Ok(None) => "nothing".to_owned(),
        Ok(Some(hit)) => {
            let stale = if hit.freshness == Freshness::Stale { ", stale" } else { "" };
            let renewed = if hit.origin == Origin::Revalidated { ", renewed" } else { "" };
            format!("{}{stale}{renewed}", hit.value)
        }
    }
}

async fn table(near: u64) -> String {
    let titles: Vec<_> = STATES.iter().map(|state| state.title()).collect();
    let mut lines =
        vec![format!("| event | {} |", titles.join(" | ")), format!("|---|{}", "---|".repeat(STATES.len()))];
    for event in EVENTS {
        let mut cells = Vec::new();
        for state in STATES {
            cells.push(Cell::new(state, near).await.run(event).await);
        }
        lines.push(format!("| {} | {} |", event.title(), cells.join(" | ")));
    }
    lines.join("\n")
}

#[tokio::test(start_paused = true)]
async fn every_cell_of_the_documented_table_holds_with_and_without_a_near_tier() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/freshness.md");
    let page = std::fs::read_to_string(page).unwrap();
    let documented: Vec<_> = page.lines().filter(|line| line.starts_with('|')).collect();
    for near in [100, 0] {
        let found = table(near).await;
        assert!(documented.join("\n").contains(&found), "with {near} near values the table is\n{found}");
    }
}
