//! Parts belong together: a table is never joined with bodies of another run, nor with parts of another axis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Backend, Key, KeyPrefix, Result};
use futures_util::{StreamExt, future::join_all};
use pipeline::{
    Artifact, BodyRef, KeyframeParams, KeyframeStage, Kind, Output, Recipe, Segment, Selection, Source, Span, Stage,
    Work,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;

use super::support::Home;

/// In which run it was computed, and a body that says the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Runs(Vec<(u32, BodyRef)>);

impl Kind for Runs {
    const NAME: &'static str = "runs";
    const SCHEMA: u32 = 1;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        Self(parts.into_iter().flat_map(|(_, part)| part.0).collect())
    }

    fn within(&self, _span: Span) -> Self {
        self.clone()
    }

    fn bodies(&self) -> Vec<BodyRef> {
        self.0.iter().map(|(_, body)| *body).collect()
    }
}

/// Comes out differently each time.
#[derive(Debug, Default)]
struct Counting {
    runs: AtomicU32,
    /// Of those that compute at the same time.
    together: Option<Arc<Barrier>>,
}

#[async_trait]
impl Stage for Counting {
    type Kind = Runs;

    fn recipe(&self) -> Recipe {
        Recipe::new("counting", 1).segment(Duration::from_secs(1))
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Runs>) -> Result<()> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        for segment in work.segments() {
            // Who finds the parts of two runs mixed computes again, and has nobody to wait for.
            if let Some(together) = self.together.as_ref().filter(|_| run < 2) {
                together.wait().await;
            }
            let body = out.body(run.to_string().into()).await?;
            tokio::task::yield_now().await;
            let _ = out.part(*segment, &Runs(vec![(run, body)])).await?;
        }
        Ok(())
    }
}

async fn assert_consistent(artifact: &Artifact<Runs>) {
    let bodies = artifact.bodies(&artifact.value().bodies()).await.expect("bodies");
    for ((run, _), body) in artifact.value().0.iter().zip(bodies) {
        assert_eq!(body, run.to_string());
    }
}

fn key(root: &str, parts: &[u32]) -> Key {
    let root = Key::parse(root).expect("a key");
    parts.iter().fold(root, |key, part| key.child(part).build().expect("a key"))
}

#[tokio::test]
async fn processes_that_compute_the_same_at_once_never_mix_their_parts() {
    let home = Home::new();
    let source = Source::from(home.clip("clip.mp4", 3));
    // Without leases both compute; the barrier has them store at the same time, with whatever order then happens.
    let stage = Arc::new(Counting { together: Some(Arc::new(Barrier::new(2))), ..Counting::default() });
    let caches = [home.cache(), home.cache()];
    let all = Selection::all();
    let made = join_all(caches.iter().map(|cache| cache.compute(&source, &stage, &all))).await;
    assert!(made.iter().all(std::result::Result::is_ok), "{made:?}");
    let stage = Arc::new(Counting { runs: AtomicU32::new(100), ..Counting::default() });
    for cache in [home.cache(), home.cache()] {
        let found = cache.compute(&source, &stage, &Selection::all()).await.unwrap();
        assert_eq!(found.value().0.len(), 3);
        assert_consistent(&found).await;
    }
}

#[tokio::test]
async fn a_body_of_another_run_is_a_miss_and_only_its_segment_is_computed_again() {
    let home = Home::new();
    let (cache, source) = (home.cache(), Source::from(home.clip("clip.mp4", 3)));
    let stage = Arc::new(Counting::default());
    let first = cache.compute(&source, &stage, &Selection::all()).await.unwrap();
    let root = cache.explain(&source, stage.clone(), &Selection::all()).await.unwrap().key;
    let (other, mine) = (key(&root, &[0, 0]), key(&root, &[1, 0]));
    let foreign = home.backend.get(&other).await.unwrap().unwrap();
    assert!(home.backend.remove(&mine).await.unwrap());
    home.backend.put(&mine, foreign).await.unwrap();

    let coverage = cache.coverage(&source, &stage, &Selection::all()).await.unwrap();
    assert_eq!(coverage.partial.iter().map(|segment| segment.index).collect::<Vec<_>>(), [1]);
    assert!(!coverage.complete, "partial is not complete");
    let plan = pipeline::Plan::new().stage(stage.clone());
    assert_eq!(cache.missing(&source, &plan).await.unwrap()[0].coverage, coverage);
    assert!(!cache.artifacts(&source, &plan).await.unwrap().is_complete());
    let again = cache.compute(&source, &stage, &Selection::all()).await.unwrap();
    assert_consistent(&again).await;
    let runs = |made: &Artifact<Runs>| made.value().0.iter().map(|(run, _)| *run).collect::<Vec<_>>();
    let (before, after) = (runs(&first), runs(&again));
    assert_eq!((before[0], before[2]), (after[0], after[2]));
    assert_ne!(before[1], after[1]);
    assert_eq!(stage.runs.load(Ordering::SeqCst), 4, "three segments, and one of them again");
}

#[tokio::test]
async fn parts_of_another_axis_are_not_joined() {
    let mut home = Home::new();
    let clip = home.clip("clip.mp4", 4);
    let source = Source::from(&clip);
    let stage = KeyframeStage::new(KeyframeParams::default(), home.ffmpeg.clone()).unwrap();
    let stage = Arc::new(stage.segment(Duration::from_secs(1)));
    let cold = home.cache().compute(&source, &stage, &Selection::all()).await.unwrap();
    assert_eq!((cold.coverage().segments, cold.value().frames.len()), (4, 4));

    // The description is evicted, and another ffprobe tells another start.
    let all = KeyPrefix::all();
    let probe = home.backend.scan(&all).filter_map(|found| async move { found.ok() });
    let probe = probe.filter(|(key, _)| std::future::ready(key.as_str().contains(":probe:")));
    let probe: Vec<Key> = probe.map(|(key, _)| key).collect().await;
    assert_eq!(probe.len(), 1);
    assert!(home.backend.remove(&probe[0]).await.unwrap());
    let shifting = r#"exec ffprobe "$@" | sed 's/"start_time": "0.0*"/"start_time": "-0.500000"/'"#;
    home.ffmpeg.ffprobe = home.script("ffprobe", &shifting.replace("exec ", ""));
    let cache = home.cache();
    cache.compute(&source, &stage, &Selection::all().most(1)).await.unwrap();
    let coverage = cache.coverage(&source, &stage, &Selection::all()).await.unwrap();
    assert_eq!((coverage.present.len(), coverage.absent.len()), (1, 3), "only what was computed on this axis");
    let warm = cache.compute(&source, &stage, &Selection::all()).await.unwrap();
    let times = |made: &Artifact<pipeline::Keyframes>| made.value().frames.iter().map(|f| f.pts_us).collect::<Vec<_>>();
    assert_eq!(times(&warm), times(&cold), "none twice, none lost");
}

#[tokio::test]
async fn every_part_has_a_content_type_by_which_tiers_choose() {
    let home = Home::new();
    let (cache, source) = (home.cache(), Source::from(home.clip("clip.mp4", 2)));
    cache.compute(&source, &Arc::new(Counting::default()), &Selection::all()).await.unwrap();
    let stage = Arc::new(KeyframeStage::new(KeyframeParams::default(), home.ffmpeg.clone()).unwrap());
    cache.compute(&source, &stage, &Selection::all()).await.unwrap();
    let all = KeyPrefix::all();
    let mut entries = home.backend.scan(&all);
    let mut seen = Vec::new();
    while let Some(found) = entries.next().await {
        let (key, meta) = found.unwrap();
        let depth = key.as_str().split(':').count();
        let expected = match (meta.tags.first().map(|kind| &**kind), depth) {
            (Some("runs" | "keyframes"), 5) => "application/msgpack",
            (Some("runs"), 6) => "application/octet-stream",
            (Some("keyframes"), 6) => "image/jpeg",
            _ => continue,
        };
        assert_eq!(meta.content_type.as_deref(), Some(expected), "{key}");
        seen.push(expected);
    }
    seen.sort_unstable();
    let [json, bytes, jpeg] = ["application/msgpack", "application/octet-stream", "image/jpeg"];
    assert_eq!(seen, [json, json, json, bytes, bytes, jpeg]);
}
