//! What an invalidation removes: everything that depends on it, with exact counts, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use cache_core::{Backend, KeyPrefix};
use futures_util::StreamExt;
use pipeline::{ArtifactCache, Plan, Selection, Source};

use super::fake::{Alpha, Beta, Fake, Gamma, Log};
use super::support::Home;

fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

type Graph = (Arc<Fake<Alpha>>, Arc<Fake<Beta>>, Arc<Fake<Gamma>>);

/// Gamma of beta of alpha of that version.
fn graph(log: &Log, version: &str) -> Graph {
    let alpha = Fake::<Alpha>::new(log).recipe(|recipe| recipe.model("m", version)).done();
    let beta = Fake::<Beta>::new(log).input(&alpha).done();
    let gamma = Fake::<Gamma>::new(log).input(&beta).done();
    (alpha, beta, gamma)
}

async fn compute(cache: &ArtifactCache, source: &Source, (alpha, beta, gamma): &Graph) {
    let plan = Plan::new().stage(alpha.clone()).stage(beta.clone()).stage(gamma.clone());
    let run = cache.run(source, &plan).await.unwrap();
    assert!(run.error().is_none() && run.artifacts.is_complete());
}

/// Forgets the hints that explanations use.
async fn forget_hints(home: &Home) {
    let all = KeyPrefix::all();
    let keys = home.backend.scan(&all).filter_map(|found| async move { found.ok() });
    let hints: Vec<_> =
        keys.map(|(key, _)| key).filter(|key| std::future::ready(key.as_str().ends_with(":known"))).collect().await;
    assert!(!hints.is_empty());
    for key in hints {
        assert!(home.backend.remove(&key).await.unwrap());
    }
}

#[tokio::test]
async fn everything_of_a_video_goes_by_kind_and_other_videos_stay() {
    let home = Home::new();
    let (cache, log) = (home.cache(), Log::default());
    let (first, second) = (Source::from(home.clip("a.mp4", 3)), Source::from(home.clip("b.mp4", 2)));
    for version in ["1", "2"] {
        compute(&cache, &first, &graph(&log, version)).await;
    }
    compute(&cache, &second, &graph(&log, "1")).await;
    forget_hints(&home).await;
    // In a new process, without what explanations remember: what is there counts.
    let cache = home.cache();
    let gone = cache.invalidate(&first).await.unwrap();
    assert_eq!(gone.entries, counts(&[("alpha", 6), ("beta", 6), ("gamma", 6), ("source", 1)]));
    assert_eq!(gone.total(), 19);
    assert_eq!(cache.invalidate(&first).await.unwrap().total(), 0);
    let log = Log::default();
    compute(&cache, &second, &graph(&log, "1")).await;
    assert!(log.of::<Alpha>().is_empty(), "the other video is as it was");
    compute(&cache, &first, &graph(&log, "2")).await;
    assert_eq!((log.of::<Alpha>().len(), log.of::<Gamma>().len()), (3, 3));
}

#[tokio::test]
async fn what_is_made_of_a_stage_goes_with_it_at_any_depth_and_other_versions_stay() {
    let home = Home::new();
    let (cache, log) = (home.cache(), Log::default());
    let source = Source::from(home.clip("clip.mp4", 3));
    let (old, new) = (graph(&log, "1"), graph(&log, "2"));
    compute(&cache, &source, &old).await;
    compute(&cache, &source, &new).await;
    forget_hints(&home).await;
    let cache = home.cache();
    let gone = cache.invalidate_stage(&source, old.0.clone()).await.unwrap();
    assert_eq!(gone.entries, counts(&[("alpha", 3), ("beta", 3), ("gamma", 3)]));
    let log = Log::default();
    compute(&cache, &source, &graph(&log, "2")).await;
    assert!(log.of::<Alpha>().is_empty() && log.of::<Beta>().is_empty() && log.of::<Gamma>().is_empty());
    compute(&cache, &source, &graph(&log, "1")).await;
    assert_eq!(log.of::<Gamma>().len(), 3);
    let gone = cache.invalidate_stage(&source, old.1.clone()).await.unwrap();
    assert_eq!(gone.entries, counts(&[("beta", 3), ("gamma", 3)]), "what it is made of stays");
    assert!(cache.coverage(&source, &old.0, &Selection::all()).await.unwrap().complete);
}
