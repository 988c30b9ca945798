//! Frames that are gone or damaged are computed again, and tiers without room are no failure.

use std::sync::Arc;

use cache_core::{Backend, BackendExt, Key, KeyPrefix};
use cache_mem::MemBackend;
use futures_util::StreamExt;
use pipeline::KeyframeParams;

use super::support::{Home, origins, process};

/// The keys of frames that the tiers hold.
async fn frame_keys(backend: &Arc<dyn Backend>) -> Vec<Key> {
    let all = KeyPrefix::all();
    let found = backend.scan(&all).filter_map(|found| async move { found.ok() });
    let keys = found.map(|(key, _)| key).filter(|key| std::future::ready(key.as_str().contains(":frame:")));
    keys.collect().await
}

#[tokio::test]
async fn missing_frames_are_computed_again_once() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 3);
    let cold = home.frames(&clip).await;
    let keys = frame_keys(&home.backend).await;
    assert_eq!(keys.len(), 3);
    home.backend.remove(&keys[1]).await.unwrap();

    assert_eq!(home.frames(&clip).await, cold);
    assert_eq!(home.runs(), 2);
    assert!(home.backend.contains(&keys[1]).await.unwrap(), "kept again");
    assert_eq!(origins(&home.process(&clip).await), ["memory"; 4]);
    assert_eq!(home.runs(), 2);
}

#[tokio::test]
async fn a_frame_that_is_not_the_one_computed_is_computed_again() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 3);
    let cold = home.frames(&clip).await;
    let keys = frame_keys(&home.backend).await;
    for key in &keys {
        let mut wrong = home.backend.get(key).await.unwrap().unwrap();
        let mut jpeg = wrong.body.to_vec();
        jpeg[700] ^= 1;
        wrong.body = jpeg.into();
        home.backend.put(key, wrong).await.unwrap();
    }
    assert_eq!(home.frames(&clip).await, cold);
    assert_eq!(home.runs(), 2);
}

#[tokio::test]
async fn tiers_without_room_still_give_every_frame() {
    let mut home = Home::with(MemBackend::new(3000));
    home.count_runs();
    let clip = home.clip("clip.mp4", 5);
    let cold = home.process(&clip).await;
    assert_eq!(cold.stages[3].entries, 5);
    assert!(cold.not_kept > 0);
    for _ in 0..2 {
        let again = home.process(&clip).await;
        assert_eq!(again.keyframes, cold.keyframes);
        assert_eq!(again.stages[3].entries, 5);
    }
    assert!(home.runs() <= 1 + 2 * 2, "at most twice for each run: {}", home.runs());
}

#[tokio::test]
async fn frames_lost_in_the_middle_of_a_run_are_delivered_once_each() {
    let home = Home::new();
    let clip = home.clip_of("many.mkv", &["-f", "lavfi", "-i", "testsrc=duration=30:size=64x64:rate=10", "-g", "1"]);
    home.process(&clip).await;
    let mut run = home.cache().open(&clip, &KeyframeParams::default()).await.unwrap();
    let mut indexes: Vec<u32> = Vec::new();
    while let Some(batch) = run.next_frames().await.unwrap() {
        indexes.extend(batch.iter().map(|frame| frame.info.index));
        for key in frame_keys(&home.backend).await {
            home.backend.remove(&key).await.unwrap();
        }
    }
    assert!(indexes.into_iter().eq(0..300));
    assert_eq!(&*run.into_report().stages[3].origin, "loaded+memory");
}

#[tokio::test]
async fn frames_that_come_out_differently_start_over() {
    let mut home = Home::new();
    let other = home.path("other");
    let body = format!(
        "[ -e '{}' ] && for a; do shift; [ \"$a\" = 3 ] && a=25; set -- \"$@\" \"$a\"; done\nexec ffmpeg \"$@\"",
        other.display()
    );
    home.ffmpeg.ffmpeg = home.script("changing", &body);
    let clip = home.clip_of("many.mkv", &["-f", "lavfi", "-i", "testsrc=duration=30:size=64x64:rate=10", "-g", "1"]);
    home.process(&clip).await;
    let mut run = home.cache().open(&clip, &KeyframeParams::default()).await.unwrap();
    let first = run.next_frames().await.unwrap().unwrap();
    for key in frame_keys(&home.backend).await {
        home.backend.remove(&key).await.unwrap();
    }
    std::fs::write(other, "").unwrap();
    let mut all = run.next_frames().await.unwrap().unwrap();
    assert_eq!(all[0].info.index, 0);
    assert_ne!(all[0].info.digest, first[0].info.digest);
    while let Some(batch) = run.next_frames().await.unwrap() {
        all.extend(batch);
    }
    assert!(all.iter().map(|frame| &frame.info).eq(&run.keyframes().frames));
    assert_eq!(run.into_report().stages[3].entries, 300);
}

#[tokio::test]
async fn a_list_in_the_near_tier_whose_frames_were_cleared_below_is_computed_again() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 2);
    let cache = home.cache();
    let cold = process(&cache, &clip).await;
    home.backend.remove_prefix(&KeyPrefix::all()).await.unwrap();
    let again = process(&cache, &clip).await;
    assert_eq!(again.keyframes, cold.keyframes);
    assert_eq!((&*again.stages[2].origin, again.stages[3].entries), ("loaded", 2));
    assert_eq!(home.runs(), 2);
}

#[tokio::test]
async fn frames_that_are_gone_and_cannot_be_computed_are_the_error_of_ffmpeg() {
    let mut home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    home.process(&clip).await;
    for key in frame_keys(&home.backend).await {
        home.backend.remove(&key).await.unwrap();
    }
    home.ffmpeg.ffmpeg = home.path("no-ffmpeg");
    let error = home.cache().process(&clip, &KeyframeParams::default()).await.unwrap_err();
    assert!(pipeline::is_tool_missing(&error), "{error}");
}
