//! Frames that are gone or damaged are computed again, and tiers without room are no failure.

use std::sync::Arc;

use cache_core::{Backend, BackendExt, Key, KeyPrefix};
use cache_mem::MemBackend;
use futures_util::StreamExt;
use pipeline::{KeyframeParams, Selection};

use super::support::{Home, origins, process, process_with, stage, until};

/// The keys of bundles of frames that the tiers hold.
async fn bundle_keys(backend: &Arc<dyn Backend>) -> Vec<Key> {
    let all = KeyPrefix::all();
    let found = backend.scan(&all).filter_map(|found| async move { found.ok() });
    let bundles = found.filter(|(_, meta)| std::future::ready(meta.content_type.as_deref() == Some("image/jpeg")));
    bundles.map(|(key, _)| key).collect().await
}

#[tokio::test]
async fn missing_frames_are_computed_again_once() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 3);
    let cold = home.frames(&clip).await;
    let keys = bundle_keys(&home.backend).await;
    assert_eq!(keys.len(), 1);
    home.backend.remove(&keys[0]).await.unwrap();

    assert_eq!(home.frames(&clip).await, cold);
    assert_eq!(home.runs(), 2);
    assert!(home.backend.contains(&keys[0]).await.unwrap(), "kept again");
    assert_eq!(origins(&home.process(&clip).await), ["memory"; 4]);
    assert_eq!(home.runs(), 2);
}

#[tokio::test]
async fn of_a_segment_that_lost_some_frames_only_those_are_computed_again() {
    let mut home = Home::new();
    let log = home.path("asked");
    let body = format!("echo \"$@\" >> '{0}'\nffmpeg \"$@\" | tee -a '{0}.out'", log.display());
    home.ffmpeg.ffmpeg = home.script("telling", &body);
    let clip = many(&home);
    let cold = home.frames(&clip).await;
    let keys = bundle_keys(&home.backend).await;
    assert!(keys.len() > 3, "{keys:?}");
    let third = keys.iter().find(|key| key.as_str().ends_with(":0:2")).expect("a third bundle");
    let lost = home.backend.get(third).await.unwrap().unwrap();
    let other = keys.iter().find(|key| *key != third).expect("another bundle");
    let others = home.backend.get(other).await.unwrap().unwrap();
    home.backend.remove(third).await.unwrap();
    std::fs::remove_file(home.path("asked.out")).unwrap();

    assert!(home.frames(&clip).await == cold);
    assert_eq!(home.backend.get(third).await.unwrap().unwrap().body, lost.body);
    assert_eq!(home.backend.get(other).await.unwrap().unwrap().meta, others.meta, "the others stay as they are");
    let asked = std::fs::read_to_string(log).unwrap();
    assert_eq!(asked.lines().count(), 2);
    assert!(asked.lines().nth(1).unwrap().contains("-ss "), "from there on: {asked}");
    let printed = std::fs::metadata(home.path("asked.out")).unwrap().len();
    let all: usize = cold.iter().map(|frame| frame.jpeg.len()).sum();
    assert!(printed < all as u64 * 3 / 4, "{printed} of {all} bytes were decoded again");
}

#[tokio::test]
async fn frames_of_another_run_are_computed_again() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 3);
    let cold = home.frames(&clip).await;
    for key in &bundle_keys(&home.backend).await {
        let mut wrong = home.backend.get(key).await.unwrap().unwrap();
        wrong.meta.etag = Some("other".into());
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
    assert_eq!(cold.frame_count(), 5);
    assert!(cold.keyframe_stage().not_kept > 0);
    for _ in 0..2 {
        let again = home.process(&clip).await;
        assert_eq!(again.keyframes, cold.keyframes);
        assert_eq!(again.frame_count(), 5);
    }
    assert!(home.runs() <= 3 * 2, "at most twice for each run: {}", home.runs());
}

#[tokio::test]
async fn frames_lost_in_the_middle_are_delivered_once_each() {
    let home = Home::new();
    let clip = many(&home);
    home.process(&clip).await;
    let cache = home.cache();
    let stage = stage(KeyframeParams::default(), &home.ffmpeg);
    let mut frames = cache.frames(&clip.into(), &stage, &Selection::all()).await.unwrap();
    let mut indices: Vec<u32> = Vec::new();
    while let Some(batch) = frames.next().await.unwrap() {
        indices.extend(batch.iter().map(|frame| frame.index));
        for key in bundle_keys(&home.backend).await {
            home.backend.remove(&key).await.unwrap();
        }
    }
    assert!(indices.into_iter().eq(0..300));
}

#[tokio::test]
async fn frames_whose_reader_loses_patience_are_still_there_for_the_next_call() {
    let mut home = Home::new();
    let clip = home.clip("clip.mp4", 3);
    home.process(&clip).await;
    let (hangs, asked) = (home.path("hangs"), home.path("asked"));
    let body =
        format!("echo x >> '{}'; [ -e '{}' ] && exec sleep 1000\nexec ffmpeg \"$@\"", asked.display(), hangs.display());
    home.ffmpeg.ffmpeg = home.script("hanging", &body);
    let (cache, stage) = (home.cache(), stage(KeyframeParams::default(), &home.ffmpeg));
    let mut frames = cache.frames(&clip.into(), &stage, &Selection::all()).await.unwrap();
    for key in bundle_keys(&home.backend).await {
        home.backend.remove(&key).await.unwrap();
    }
    std::fs::write(&hangs, "").unwrap();
    for impatient in 1..=4 {
        let begun = || std::fs::read_to_string(&asked).unwrap_or_default().lines().count() == impatient;
        tokio::select! {
            read = frames.next() => panic!("{impatient}: {read:?}"),
            () = until("ffmpeg is asked", begun) => {}
        }
        // Who comes back at once shares what still runs.
        until("nothing is computed", || cache.jobs().is_empty()).await;
    }
    std::fs::remove_file(&hangs).unwrap();
    assert_eq!(frames.next().await.unwrap().map(|batch| batch.len()), Some(3));
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
    let clip = many(&home);
    home.process(&clip).await;
    let cache = home.cache();
    let stage = stage(KeyframeParams::default(), &home.ffmpeg);
    let mut frames = cache.frames(&clip.into(), &stage, &Selection::all()).await.unwrap();
    let first = frames.next().await.unwrap().unwrap();
    for key in bundle_keys(&home.backend).await {
        home.backend.remove(&key).await.unwrap();
    }
    std::fs::write(other, "").unwrap();
    let mut all = frames.next().await.unwrap().unwrap();
    assert_eq!(all[0].index, 0);
    assert_ne!(all[0].jpeg, first[0].jpeg);
    while let Some(batch) = frames.next().await.unwrap() {
        all.extend(batch);
    }
    assert!(all.iter().map(|frame| &frame.info).eq(&frames.artifact().value().frames));
    assert_eq!(all.len(), 300);
}

#[tokio::test]
async fn everything_cleared_below_a_cache_is_computed_again() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 2);
    let cache = home.cache();
    let cold = process(&home, &cache, &clip).await;
    home.backend.remove_prefix(&KeyPrefix::all()).await.unwrap();
    let again = process(&home, &cache, &clip).await;
    assert_eq!(again.keyframes, cold.keyframes);
    assert_eq!((&*again.keyframe_stage().origin(), again.frame_count()), ("loaded", 2));
    assert_eq!(home.runs(), 2);
}

#[tokio::test]
async fn frames_that_are_gone_and_cannot_be_computed_are_the_error_of_ffmpeg() {
    let mut home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    home.process(&clip).await;
    for key in bundle_keys(&home.backend).await {
        home.backend.remove(&key).await.unwrap();
    }
    home.ffmpeg.ffmpeg = home.path("no-ffmpeg");
    let failed = process_with(&home, &home.cache(), &clip, KeyframeParams::default(), Selection::all()).await;
    let error = failed.unwrap_err();
    assert!(pipeline::is_tool_missing(&error), "{error}");
}

/// Three hundred keyframes: several bundles and batches of them.
fn many(home: &Home) -> std::path::PathBuf {
    home.clip_of("many.mkv", &["-f", "lavfi", "-i", "testsrc2=duration=30:size=160x90:rate=10", "-g", "1"])
}
