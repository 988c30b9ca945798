//! What is verified, and what is removed because it is wrong; and what is kept for how long.

use std::sync::Arc;

use cache_core::{Backend, Clock, DAY, HOUR, Key, KeyPrefix, ManualClock, SystemClock, ttl};
use cache_tiered::Tiered;
use futures_util::StreamExt;
use pipeline::{ArtifactCache, ArtifactOptions, KeyframeParams, Plan, Selection, Source};

use super::fake::{Alpha, Beta, Fake, Log};
use super::support::{Home, stage};

#[tokio::test]
async fn what_is_damaged_is_found_removed_and_computed_again() {
    let home = Home::new();
    let (cache, clip) = (home.cache(), Source::from(home.clip("clip.mp4", 3)));
    let stage = stage(KeyframeParams::default(), &home.ffmpeg);
    let made = cache.compute(&clip, &stage, &Selection::all()).await.unwrap();
    let verified = cache.verify(&clip, stage.clone()).await.unwrap();
    assert_eq!((verified.parts, verified.bodies, verified.gone, verified.damaged), (1, 3, 0, 0));

    let told = cache.explain(&clip, stage.clone(), &Selection::all()).await.unwrap();
    let bundle = Key::parse(&told.key).unwrap().child(0).part(0).build().unwrap();
    let mut wrong = home.backend.get(&bundle).await.unwrap().unwrap();
    let mut bytes = wrong.body.to_vec();
    bytes[700] ^= 1;
    wrong.body = bytes.into();
    home.backend.put(&bundle, wrong).await.unwrap();
    let verified = cache.verify(&clip, stage.clone()).await.unwrap();
    assert_eq!((verified.bodies, verified.damaged), (0, 1));
    assert_eq!(cache.verify(&clip, stage.clone()).await.unwrap().gone, 1);

    let again = cache.compute(&clip, &stage, &Selection::all()).await.unwrap();
    assert_eq!(again.value(), made.value());
    assert_eq!(cache.verify(&clip, stage).await.unwrap().bodies, 3);
}

#[tokio::test]
async fn each_kind_lives_as_long_as_it_is_told() {
    let home = Home::new();
    let clip = Source::from(home.clip("clip.mp4", 1));
    let options = ArtifactOptions { lifetimes: [("alpha".to_owned(), ttl(HOUR))].into(), ..ArtifactOptions::default() };
    let tiers = Tiered::builder().tier(home.backend.clone()).build().unwrap();
    let cache = ArtifactCache::new(tiers, options).unwrap();
    cache.compute(&clip, &Fake::<Alpha>::new(&Log::default()).done(), &Selection::all()).await.unwrap();
    cache.compute(&clip, &stage(KeyframeParams::default(), &home.ffmpeg), &Selection::all()).await.unwrap();
    let all = KeyPrefix::all();
    let mut entries = home.backend.scan(&all);
    let mut seen = 0;
    while let Some(Ok((key, meta))) = entries.next().await {
        let expected = match &*meta.tags {
            [kind] if **kind == *"alpha" => HOUR,
            [kind] if **kind == *"keyframes" => 7 * DAY,
            _ => continue,
        };
        seen += 1;
        assert_eq!(meta.fresh_until.since(meta.created), expected, "{key}");
    }
    assert_eq!(seen, 3, "a part of each, and pictures");
}

#[tokio::test]
async fn what_is_known_of_a_video_outlives_what_was_made_of_it() {
    let home = Home::new();
    let clip = Source::from(home.clip("clip.mp4", 2));
    let clock = Arc::new(ManualClock::new(SystemClock::new().now().after(DAY)));
    let lifetimes = [("alpha".to_owned(), ttl(30 * DAY))].into();
    let options = ArtifactOptions { lifetimes, ..ArtifactOptions::default() };
    let tiers = Tiered::builder().tier(home.backend.clone()).clock(clock.clone()).build().unwrap();
    let cache = ArtifactCache::new(tiers, options).unwrap();
    let (log, all) = (Log::default(), Selection::all());
    let (alpha, beta) = (Fake::<Alpha>::new(&log).done(), Fake::<Beta>::new(&log).done());
    cache.compute(&clip, &alpha, &all).await.unwrap();
    clock.advance(29 * DAY);
    assert!(cache.get(&clip, &alpha, &all).await.unwrap().is_some(), "it has another day to live");
    cache.compute(&clip, &beta, &all).await.unwrap();
    clock.advance(6 * DAY);
    assert!(cache.get(&clip, &alpha, &all).await.unwrap().is_none(), "its time is over");
    let found = cache.artifacts(&clip, &Plan::new().stage(beta.clone())).await.unwrap();
    assert!(found.is_complete() && found.get::<Beta>().unwrap().is_some(), "what was made last has a day to live");
    assert!(cache.missing(&clip, &Plan::new().stage(beta)).await.unwrap().is_empty());
}
