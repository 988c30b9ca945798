//! No link is served at or past its validity, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, DAY, ErrorKind, HOUR, ttl};
use cache_testkit::{Fault, Plan};
use futures_util::future::join_all;
use proptest::prelude::*;
use providers::{CacheOptions, CachedProvider, Failure, Links, ProviderSongs, Reason, SongCache, Validity};

use crate::kit::{Bed, Fake, link, pass, request};

/// What may happen to a cache of links.
#[derive(Debug, Clone)]
enum Step {
    /// Links of one of three pages are asked for.
    Get(u8),
    Batch,
    Refresh(u8),
    Report(u8),
    Song(u8),
    /// Time passes, in seconds.
    Wait(u32),
    /// The process begins anew; only the far tier stays.
    Restart,
    /// The near tier or the far one fails from here on, or works.
    Break(bool),
    Heal,
    /// The provider fails from here on, or works.
    ProviderDown(bool),
    Clear,
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..3).prop_map(Step::Get),
        2 => Just(Step::Batch),
        1 => (0_u8..3).prop_map(Step::Refresh),
        1 => (0_u8..3).prop_map(Step::Report),
        3 => (0_u8..3).prop_map(Step::Song),
        6 => prop_oneof![0_u32..60, 0_u32..4000, Just(1), Just(3600)].prop_map(Step::Wait),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::Break),
        1 => Just(Step::Heal),
        2 => any::<bool>().prop_map(Step::ProviderDown),
        1 => Just(Step::Clear),
        1 => Just(Step::Sweep),
    ]
}

/// The cache of links and that of songs over the same tiers, which let stale values stand in for a day.
struct World {
    bed: Bed,
    fake: Arc<Fake>,
    links: CachedProvider<Arc<Fake>>,
    songs: SongCache<ProviderSongs<Arc<Fake>>>,
    /// Whether steps are under way beside each other.
    is_crowded: bool,
}

impl World {
    fn new(lives: Vec<u32>) -> Self {
        let (bed, fake) = (Bed::new(), Fake::new("a"));
        let world = Self::over(bed, fake);
        world.revive(lives);
        world
    }

    /// Lets the provider answer with links that live as long as `lives` says.
    fn revive(&self, lives: Vec<u32>) {
        let clock = self.bed.clock.clone();
        self.fake.answers(move |time, request| {
            let now = clock.now();
            let life = Duration::from_secs(u64::from(lives[time as usize % lives.len()]));
            let of = |n, life| link(request.url(), 10 * time + n).with_validity(Validity::ending(now.after(life), now));
            let mut links = Links::of([of(0, life), of(1, 3 * life), link(request.url(), 10 * time + 2)]);
            links.duration = Some(Duration::from_secs(time * 7 % 200));
            Ok(links)
        });
    }

    fn over(bed: Bed, fake: Arc<Fake>) -> Self {
        let options = CacheOptions::default().lifetime(ttl(HOUR).stale(DAY));
        let links = bed.provider_with(&fake, options.clone());
        let songs = SongCache::builder(ProviderSongs::new(fake.clone())).tiers(bed.tiers.clone()).options(options);
        Self { bed, fake, links, songs: songs.build().unwrap(), is_crowded: false }
    }

    /// None may have ended; what was not loaded for this call has its margin left.
    fn judge(&self, links: &Links, was_cached: bool) -> Result<(), TestCaseError> {
        let now = self.bed.now();
        for link in &links.links {
            prop_assert!(now < link.validity.ends(), "{link:?} at {now:?}");
            prop_assert!(!was_cached || now < link.validity.until(), "{link:?} at {now:?}");
        }
        Ok(())
    }

    async fn take(&mut self, step: Step, lives: &[u32]) -> Result<(), TestCaseError> {
        if matches!(step, Step::Restart) {
            self.bed.settle().await;
            let (bed, fake) = (self.bed.restarted(), self.fake.clone());
            *self = Self::over(bed, fake);
            return Ok(());
        }
        self.ask(step, lives).await
    }

    /// One step that others may be under way beside.
    async fn ask(&self, step: Step, lives: &[u32]) -> Result<(), TestCaseError> {
        let page = |n: u8| request(&format!("https://example.org/{n}"));
        match step {
            Step::Get(n) => {
                if let Ok(answer) = self.links.get(&page(n)).await {
                    self.judge(&answer.value, answer.was_cached())?;
                }
            }
            Step::Batch => {
                for answer in self.links.get_many(&[page(0), page(1), page(2)]).await.into_iter().flatten() {
                    // What is asked for anew may take so long that the margin of others passes.
                    self.judge(&answer.value, answer.was_cached() && !self.is_crowded)?;
                }
            }
            Step::Refresh(n) => {
                if let Ok(answer) = self.links.refresh(&page(n)).await {
                    self.judge(&answer.value, answer.was_cached())?;
                }
            }
            Step::Report(n) => {
                let Ok(bad) = self.links.get(&page(n)).await else { return Ok(()) };
                if let Ok(answer) = self.links.report_bad(&page(n), &bad.value.links[0].url).await {
                    self.judge(&answer.value, answer.was_cached())?;
                }
            }
            Step::Song(n) => {
                if let Ok((song, was_cached)) = self.songs.get(&page(n)).await {
                    let now = self.bed.now();
                    prop_assert!(now < song.stream.validity.ends());
                    prop_assert!(!was_cached || now < song.playable().until());
                }
            }
            Step::Wait(seconds) => self.bed.clock.advance(Duration::from_secs(u64::from(seconds))),
            Step::Restart => {}
            Step::Break(near) => {
                let tier = if near { &self.bed.near } else { &self.bed.far };
                tier.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
            }
            Step::Heal => [&self.bed.near, &self.bed.far].into_iter().for_each(|tier| tier.heal()),
            Step::ProviderDown(true) => {
                self.fake.answers(|_, _| Err(Failure::new(Reason::Unavailable, "it is down").into_error("a", "links")));
            }
            Step::ProviderDown(false) => self.revive(lives.to_vec()),
            Step::Clear => _ = self.links.clear().await,
            Step::Sweep => _ = self.links.remove_expired().await,
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_link_is_served_at_or_past_its_validity(
        steps in prop::collection::vec(step(), 1..60),
        lives in prop::collection::vec(prop_oneof![1_u32..100, 1_u32..10_000], 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(lives.clone());
            for step in steps {
                world.take(step, &lives).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn no_link_is_served_at_or_past_its_validity_whatever_is_under_way_at_once(
        steps in prop::collection::vec((0_u64..2_000, step()), 1..80),
        lives in prop::collection::vec(prop_oneof![1_u32..100, 1_u32..10_000], 1..5),
        pause in 0_u64..400,
        way in 0_u64..400,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(lives.clone());
            world.is_crowded = true;
            *world.fake.pause.lock() = Duration::from_millis(pause);
            *world.fake.way.lock() = Duration::from_millis(way);
            let (world, lives) = (&world, &lives);
            // The clock of the cache is moved by steps; the runtime's, which is paused, says when each begins.
            let begun = steps.into_iter().map(|(at, step)| async move {
                pass(Duration::from_millis(at)).await;
                world.ask(step, lives).await
            });
            join_all(begun).await.into_iter().collect::<Result<(), TestCaseError>>()
        })?;
    }
}
