//! Many callers of one source: none is kept waiting for ever, none fails because of others, and limits hold for all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, Result, SystemClock};
use cache_mem::MemBackend;
use cache_testkit::{Fleet, LocalLeases};
use cache_tiered::{Phase, TierOptions, Tiered};
use futures_util::future::join_all;
use pipeline::{
    AnyStage, ArtifactCache, ArtifactOptions, BodyRef, KeyframeParams, Kind, Limits, Output, Pass, Plan, Recipe,
    Resource, Segment, Selection, Source, Span, Stage, Work,
};
use serde::{Deserialize, Serialize};

use super::fake::{Alpha, Beta, Fake, Gamma, Log};
use super::forgetful::Forgetful;
use super::support::{Home, stage, until};

/// The second of the source that begins after `index` of them.
fn second(index: u32) -> Selection {
    let start = i64::from(index) * 1_000_000;
    Selection::all().span(Span::new(start, start + 1_000_000))
}

#[tokio::test]
async fn thirty_callers_of_different_parts_of_one_pass_are_all_served() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), Source::from(home.clip("clip.mp4", 30)), Log::default());
    let yields = |_| async {
        tokio::task::yield_now().await;
        Ok(())
    };
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).does(yields).done();
    let callers = (0..30).map(|index| {
        let (cache, clip, alpha) = (cache.clone(), clip.clone(), alpha.clone());
        async move { cache.compute(&clip, &alpha, &second(index)).await.map(drop) }
    });
    for ended in join_all(callers).await {
        ended.unwrap();
    }
    let mut computed = log.of::<Alpha>();
    computed.sort_unstable();
    assert_eq!(computed, (0..30).collect::<Vec<_>>(), "each once");
}

#[tokio::test]
async fn a_failure_elsewhere_in_a_source_is_no_matter() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), Source::from(home.clip("clip.mp4", 4)), Log::default());
    let fails = |segment: Segment| async move {
        tokio::task::yield_now().await;
        let error = Error::new(ErrorKind::Unavailable, "the model server is down");
        if segment.index == 0 { Err(error) } else { Ok(()) }
    };
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).does(fails).done();
    let callers = [0, 2, 3, 0].map(second).map(|selection| {
        let (cache, clip, alpha) = (cache.clone(), clip.clone(), alpha.clone());
        async move { cache.compute(&clip, &alpha, &selection).await.is_ok() }
    });
    assert_eq!(join_all(callers).await, [false, true, true, false]);
    let mut computed = log.of::<Alpha>();
    computed.sort_unstable();
    assert_eq!(computed, [0, 2, 3], "who wants the same shares the failure");
}

/// Tiers that have no room for what is computed.
fn without_room(home: &Home) -> ArtifactCache {
    let tier = TierOptions::new().admit(|entry| entry.content_type.as_deref() != Some("application/msgpack"));
    let tiers = Tiered::builder().tier_with(MemBackend::new(1 << 20), tier);
    let tiers = tiers.clock(Arc::new(SystemClock::new())).build().unwrap();
    let limits = Limits { cpu: 1, gpu: 1, net: 1 };
    let options = ArtifactOptions { limits, scratch: home.path("scratch"), ..ArtifactOptions::default() };
    ArtifactCache::new(tiers, options).unwrap()
}

#[tokio::test]
async fn limits_hold_for_what_no_tier_has_room_for() {
    let home = Home::new();
    let (cache, clip, log) = (without_room(&home), Source::from(home.clip("clip.mp4", 2)), Log::default());
    let yields = |_| async {
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let stage = |model: u32| {
        let fake = Fake::<Alpha>::new(&log).on(Resource::Gpu, Pass::Run).does(yields);
        fake.recipe(|recipe| recipe.model("m", model.to_string())).done()
    };
    let made = join_all((0..4).map(stage).map(|stage| {
        let (cache, clip) = (cache.clone(), clip.clone());
        async move { cache.compute(&clip, &stage, &Selection::all()).await.map(|made| made.value().0.len()) }
    }));
    for made in made.await {
        assert_eq!(made.unwrap(), 2);
    }
    assert_eq!(log.most(), 1);
}

/// Seconds, each of which is told of by the part before it, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Twice(BTreeMap<i64, BodyRef>);

impl Kind for Twice {
    const NAME: &'static str = "twice";
    const SCHEMA: u32 = 1;
    const OVERLAPS: bool = true;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        Self(parts.into_iter().flat_map(|(_, part)| part.0).collect())
    }

    fn within(&self, span: Span) -> Self {
        Self(self.0.iter().filter(|(at, _)| span.contains(**at)).map(|(at, body)| (*at, *body)).collect())
    }

    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.0 = std::mem::take(&mut self.0).into_iter().take(usize::try_from(most).unwrap()).collect();
    }

    fn bodies(&self) -> Vec<BodyRef> {
        self.0.values().copied().collect()
    }
}

#[derive(Debug)]
struct TellsTwice;

#[async_trait]
impl Stage for TellsTwice {
    type Kind = Twice;

    fn recipe(&self) -> Recipe {
        Recipe::new("twice", 1).segment(Duration::from_secs(1)).pass(Pass::Run)
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Twice>) -> Result<()> {
        for segment in work.segments() {
            let body = out.body("body".into()).await?;
            let told = [segment.span.start_us, segment.span.end_us].map(|at| (at, body));
            if out.part(*segment, &Twice(told.into())).await? == pipeline::Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn so_many_as_are_asked_for_are_given_though_parts_overlap_and_nothing_is_kept() {
    let home = Home::with(Forgetful::new(&["application/octet-stream"]));
    let (cache, clip) = (home.cache(), Source::from(home.clip("clip.mp4", 9)));
    for most in [1, 4, 7] {
        let few = cache.compute(&clip, &Arc::new(TellsTwice), &Selection::all().most(most)).await.unwrap();
        assert_eq!(few.value().0.len() as u64, most);
        assert_eq!(few.bodies(&few.value().bodies()).await.unwrap().len() as u64, most);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_evicted_as_soon_as_it_is_computed_is_handed_to_all_who_wait_for_it() {
    const CALLERS: usize = 40;
    for pass in [Pass::Each, Pass::Run] {
        let home = Home::with(Forgetful::new(&["application/msgpack"]));
        let (cache, clip, log) = (home.cache(), Source::from(home.clip("clip.mp4", 2)), Log::default());
        let (inner, has_waited) = (cache.clone(), AtomicBool::new(false));
        let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, pass).does(move |_| {
            let (cache, waits) = (inner.clone(), !has_waited.swap(true, Ordering::SeqCst));
            async move {
                if waits {
                    until("all wait", || cache.jobs().iter().any(|job| job.waiting == CALLERS)).await;
                }
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        });
        let alpha = alpha.done();
        let callers = (0..CALLERS).map(|_| {
            let (cache, clip, alpha) = (cache.clone(), clip.clone(), alpha.clone());
            tokio::spawn(async move { cache.compute(&clip, &alpha, &Selection::all()).await })
        });
        for ended in join_all(callers).await {
            assert_eq!(ended.unwrap().unwrap().value().0.len(), 2);
        }
        // Those who came after it had begun share another one, or a few.
        let times = log.of::<Alpha>().iter().filter(|index| **index == 0).count();
        assert!(times < CALLERS / 4, "{times} times");
        drop(alpha);
        cache.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_are_evicted_at_once_are_computed_once_more_for_all() {
    const CALLERS: usize = 20;
    let mut home = Home::with(Forgetful::new(&["application/msgpack", "image/jpeg"]));
    home.count_runs();
    let (cache, clip) = (home.cache(), Source::from(home.clip("clip.mp4", 3)));
    let stage = stage(KeyframeParams::default(), &home.ffmpeg);
    let callers = (0..CALLERS).map(|_| {
        let (cache, clip, stage) = (cache.clone(), clip.clone(), stage.clone());
        tokio::spawn(async move {
            let mut frames = cache.frames(&clip, &stage, &Selection::all()).await?;
            let mut count = 0;
            while let Some(batch) = frames.next().await? {
                count += batch.len();
            }
            Ok::<_, Error>(count)
        })
    });
    for ended in join_all(callers).await {
        assert_eq!(ended.unwrap().unwrap(), 3);
    }
    // Not all need to have come before the first began.
    assert!(home.runs() < CALLERS / 2, "{} runs", home.runs());
}

#[tokio::test]
async fn what_was_begun_before_an_invalidation_is_not_handed_to_who_asks_after_it() {
    let home = Home::with(Forgetful::new(&["application/msgpack"]));
    let (cache, clip, log) = (home.cache(), Source::from(home.clip("clip.mp4", 1)), Log::default());
    let (begun, go) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Semaphore::new(0)));
    let (inner_begun, inner_go) = (begun.clone(), go.clone());
    let alpha = Fake::<Alpha>::new(&log).does(move |_| {
        let (begun, go) = (inner_begun.clone(), inner_go.clone());
        async move {
            begun.notify_one();
            drop(go.acquire().await);
            Ok(())
        }
    });
    let alpha = alpha.done();
    let compute = || {
        let (cache, clip, alpha) = (cache.clone(), clip.clone(), alpha.clone());
        tokio::spawn(async move { cache.compute(&clip, &alpha, &Selection::all()).await.map(drop) })
    };
    let first = compute();
    begun.notified().await;
    cache.invalidate(&clip).await.unwrap();
    let second = compute();
    until("both wait", || cache.jobs().iter().any(|job| job.waiting == 2)).await;
    go.add_permits(9);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(log.of::<Alpha>(), [0, 0], "once before, and once after");
}

/// A stage that asks for its inputs while it works, some of which it did not announce.
#[derive(Debug)]
struct Asking<K> {
    fake: Arc<Fake<K>>,
    inputs: Arc<AtomicBool>,
}

macro_rules! asking {
    ($kind:ident asks $input:ident) => {
        #[async_trait]
        impl Stage for Asking<$kind> {
            type Kind = $kind;

            fn recipe(&self) -> Recipe {
                AnyStage::plan(&*self.fake)
            }

            async fn compute(&self, work: &Work, out: &mut Output<'_, $kind>) -> Result<()> {
                self.inputs.store(true, Ordering::SeqCst);
                for segment in work.segments() {
                    // More than was announced: it is computed from within.
                    work.input::<$input>(Span::ALL).await?;
                    if out.part(*segment, &$kind::from(*segment)).await? == pipeline::Next::Enough {
                        break;
                    }
                }
                Ok(())
            }
        }
    };
}

asking!(Beta asks Alpha);
asking!(Gamma asks Alpha);

#[tokio::test]
async fn classes_that_wait_for_each_other_through_inputs_do_not_hang() {
    let home = Home::new();
    let clip = Source::from(home.clip("clip.mp4", 4));
    for pass in [Pass::Each, Pass::Run] {
        let limits = Limits { cpu: 1, gpu: 1, net: 1 };
        let options = ArtifactOptions { limits, scratch: home.path("scratch"), ..ArtifactOptions::default() };
        let tiers = Tiered::builder().tier(MemBackend::new(1 << 30)).build().unwrap();
        let cache = ArtifactCache::new(tiers, options).unwrap();
        let log = Log::default();
        let alpha = |resource, model: &str| {
            let yields = |_| async {
                tokio::task::yield_now().await;
                Ok(())
            };
            let model = model.to_owned();
            let fake = Fake::<Alpha>::new(&log).on(resource, pass).does(yields);
            fake.recipe(|recipe| recipe.model("m", model)).done()
        };
        let (on_cpu, on_net) = (alpha(Resource::Cpu, "cpu"), alpha(Resource::Net, "net"));
        let beta = Fake::<Beta>::new(&log).on(Resource::Net, pass).input(&on_cpu).done();
        let gamma = Fake::<Gamma>::new(&log).on(Resource::Cpu, pass).input(&on_net).done();
        let beta = Arc::new(Asking { fake: beta, inputs: Arc::default() });
        let gamma = Arc::new(Asking { fake: gamma, inputs: Arc::default() });
        // Of few things inputs are computed from within alone; of all of them, the rest is.
        for selection in [Selection::all().most(1), Selection::all()] {
            let plan = Plan::new().stage(beta.clone()).stage(gamma.clone()).select(selection);
            let ran = tokio::time::timeout(Duration::from_secs(30), cache.run(&clip, &plan)).await;
            assert!(ran.expect("no deadlock").unwrap().error().is_none());
        }
        assert!(beta.inputs.load(Ordering::SeqCst) && gamma.inputs.load(Ordering::SeqCst));
    }
}

#[tokio::test]
async fn the_first_of_a_span_that_begins_within_a_segment_are_kept() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), Source::from(home.clip("clip.mp4", 6)), Log::default());
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).done();
    let selection = Selection::all().span(Span::new(500_000, 6_000_000)).most(2);
    for _ in 0..2 {
        cache.compute(&clip, &alpha, &selection).await.unwrap();
    }
    let computed = log.of::<Alpha>();
    let mut once = computed.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(computed, once, "none twice");
}

#[tokio::test]
async fn after_a_failure_no_further_segment_is_begun() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), Source::from(home.clip("clip.mp4", 100)), Log::default());
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Each).fails(0).done();
    let error = cache.compute(&clip, &alpha, &Selection::all()).await.unwrap_err();
    assert!(error.message().ends_with("the model server is down"), "{error}");
    assert!(log.of::<Alpha>().len() <= 4, "two run at a time: {:?}", log.of::<Alpha>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_has_just_computed_is_not_computed_again() {
    let home = Home::new();
    let clock = Arc::new(SystemClock::new());
    let leases = Arc::new(LocalLeases::new(clock.clone()));
    let processes = [0, 1].map(|_| {
        let backend = Fleet::new(home.backend.clone()).with_leases(leases.clone());
        let tiers = Tiered::builder().tier(backend).clock(clock.clone()).build().unwrap();
        ArtifactCache::new(tiers, ArtifactOptions::default()).unwrap()
    });
    let (clip, log) = (Source::from(home.clip("clip.mp4", 2)), Log::default());
    let go = Arc::new(tokio::sync::Semaphore::new(0));
    let inner = go.clone();
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).does(move |_| {
        let go = inner.clone();
        async move {
            drop(go.acquire().await);
            Ok(())
        }
    });
    let alpha = alpha.done();
    let mut running = Vec::new();
    for cache in &processes {
        let (cache, clip, alpha) = (cache.clone(), clip.clone(), alpha.clone());
        running.push(tokio::spawn(async move { cache.compute(&clip, &alpha, &Selection::all()).await.map(drop) }));
    }
    let is_elsewhere = |cache: &ArtifactCache| cache.jobs().iter().any(|job| job.phase == Phase::Elsewhere);
    until("one waits for the other", || processes.iter().any(is_elsewhere)).await;
    go.add_permits(1);
    for ended in running {
        ended.await.unwrap().unwrap();
    }
    assert_eq!(log.of::<Alpha>(), [0, 1], "once in the fleet");
}
