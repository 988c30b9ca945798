//! Runs that are dropped at any point leave no process, no file and no place behind, and the next run works.

use std::sync::Arc;
use std::time::Duration;

use cache_mem::MemBackend;
use cache_testkit::{drop_after, eventually};
use cache_tiered::Tiered;
use pipeline::{AnyStage, ArtifactCache, ArtifactOptions, Describer, Embedder, Ffmpeg, KeyframeParams, KeyframeStage};
use pipeline::{CommandLine, Limits, Plan, Source, Transcriber};

use crate::kit::Kit;

/// Every real stage, each of whose programs tells its number, in a cache that runs one at a time.
struct Bench {
    kit: Kit,
    cache: ArtifactCache,
    film: Source,
    plan: Plan,
}

impl Bench {
    fn new() -> Self {
        let kit = Kit::new();
        let film = kit.tone("film.mp4", 2);
        let ffmpeg = Ffmpeg {
            ffmpeg: kit.telling("ffmpeg", "exec ffmpeg \"$@\""),
            ffprobe: kit.telling("ffprobe", "exec ffprobe \"$@\""),
            ..Ffmpeg::default()
        };
        let tiers = Tiered::builder().tier(MemBackend::new(64 << 20)).build().unwrap();
        let limits = Limits { cpu: 1, gpu: 1, net: 1 };
        let options = ArtifactOptions {
            ffmpeg: ffmpeg.clone(),
            limits,
            scratch: kit.path("scratch"),
            ..ArtifactOptions::default()
        };
        let command = |name: &str, body: &str, argument: &str| {
            CommandLine::new(kit.telling(name, body), [argument]).scratch(kit.path("scratch"))
        };
        let keyframes = Arc::new(KeyframeStage::new(KeyframeParams::default(), ffmpeg).unwrap());
        let hear = command("hear", r#"echo '{"segments": [{"start": 0, "end": 1, "text": "yes"}]}'"#, "{audio}");
        let transcriber = Arc::new(Transcriber::new(hear).unwrap());
        let describer =
            Arc::new(Describer::command(keyframes.clone(), command("see", "echo seen", "{image}")).unwrap());
        let embedder = Embedder::command(transcriber.clone(), command("embed", "echo '[[1, 2]]'", "{texts}")).unwrap();
        let stages: [Arc<dyn AnyStage>; 4] = [Arc::new(embedder), describer, transcriber, keyframes];
        let plan = stages.into_iter().fold(Plan::new(), Plan::stage);
        Self { cache: ArtifactCache::new(tiers, options).unwrap(), kit, film, plan }
    }

    async fn assert_nothing_is_left(&self, polls: usize) {
        let is_idle = || std::future::ready(self.cache.jobs().is_empty());
        assert!(eventually(Duration::from_mins(1), is_idle).await, "{polls}: something is computed for nobody");
        assert!(self.kit.read("told").is_empty() || self.kit.has_ended().await, "{polls}: a program still runs");
        assert!(self.kit.is_clear().await, "{polls}: a file is left");
    }
}

/// Points at which runs are dropped, at least.
const ENOUGH: u32 = 12;

#[tokio::test]
async fn a_run_dropped_after_any_poll_leaves_nothing_and_the_next_one_works() {
    let bench = Bench::new();
    let (mut polls, mut step, mut points) = (0, 1, 0);
    loop {
        if drop_after(polls, bench.cache.run(&bench.film, &bench.plan)).await.is_none() {
            bench.assert_nothing_is_left(polls).await;
            points += 1;
            // Every point at first, where most differs, then ever fewer.
            step += usize::from(points % 4 == 0);
            polls += step;
        } else if points < ENOUGH {
            // The faster its programs are, the fewer polls a run takes.
            (polls, step) = (0, 1);
        } else {
            break;
        }
        if points % 4 == 0 {
            bench.cache.invalidate(&bench.film).await.unwrap();
        }
    }
    let run = bench.cache.run(&bench.film, &bench.plan).await.unwrap();
    assert!(run.error().is_none() && run.artifacts.is_complete(), "{:?}", run.error());
    bench.assert_nothing_is_left(polls).await;
}

#[tokio::test]
async fn a_run_dropped_while_a_program_runs_ends_that_and_gives_its_place_back() {
    let bench = Bench::new();
    for round in 0..3 {
        bench.cache.invalidate(&bench.film).await.unwrap();
        let before = bench.kit.read("told").lines().count();
        let run = {
            let (cache, film, plan) = (bench.cache.clone(), bench.film.clone(), bench.plan.clone());
            tokio::spawn(async move { cache.run(&film, &plan).await })
        };
        let has_begun = || std::future::ready(bench.kit.read("told").lines().count() > before + round);
        assert!(eventually(Duration::from_mins(1), has_begun).await);
        run.abort();
        bench.assert_nothing_is_left(round).await;
    }
    let run = bench.cache.run(&bench.film, &bench.plan).await.unwrap();
    assert!(run.error().is_none() && run.artifacts.is_complete(), "{:?}", run.error());
}
