//! What is found again, and what is computed.

use std::fs;
use std::time::Duration;

use pipeline::{KeyframeParams, KeyframeStage, Selection};

use super::support::{Home, origins, process, process_with};

#[tokio::test]
async fn the_first_run_computes_and_a_new_process_finds_everything_in_the_tiers() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 3);
    let cold = home.process(&clip).await;
    assert_eq!(origins(&cold)[..3], ["loaded"; 3]);
    assert_eq!(cold.frame_count(), 3);
    assert_eq!(cold.keyframe_stage().bytes, cold.frames.bytes);
    assert_eq!(cold.keyframe_stage().not_kept, 0);

    let warm = home.process(&clip).await;
    assert_eq!(origins(&warm), ["memory"; 4]);
    assert_eq!(warm.keyframes, cold.keyframes);
    assert_eq!(warm.probe, cold.probe);
    assert!(warm.keyframe_stage().saved > Duration::ZERO);
}

#[tokio::test]
async fn frames_are_the_same_jpegs_cold_and_warm() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 3);
    let cold = home.frames(&clip).await;
    let warm = home.frames(&clip).await;
    assert_eq!(cold, warm);
    for frame in cold {
        assert!(frame.jpeg.starts_with(&[0xFF, 0xD8]));
        assert_eq!((frame.info.width, frame.info.height), (128, 72));
    }
}

#[tokio::test]
async fn warm_needs_no_programs() {
    let mut home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let cold = home.process(&clip).await;
    home.ffmpeg.ffmpeg = "/nowhere/ffmpeg".into();
    home.ffmpeg.ffprobe = "/nowhere/ffprobe".into();
    assert_eq!(home.process(&clip).await.keyframes, cold.keyframes);
}

#[tokio::test]
async fn a_second_run_in_the_same_process_is_answered_from_memory() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 2);
    let cache = home.cache();
    process(&home, &cache, &clip).await;
    assert_eq!(origins(&process(&home, &cache, &clip).await), ["memory"; 4]);
    assert_eq!(home.runs(), 1);
}

#[tokio::test]
async fn changed_content_is_a_miss_and_a_touch_or_another_name_is_not() {
    let mut home = Home::new();
    home.count_runs();
    let clip = home.clip("clip.mp4", 2);
    let cache = home.cache();
    let first = process(&home, &cache, &clip).await;

    let file = fs::File::options().append(true).open(&clip).unwrap();
    file.set_modified(fs::metadata(&clip).unwrap().modified().unwrap() - Duration::from_hours(1)).unwrap();
    let touched = process(&home, &cache, &clip).await;
    assert_eq!(touched.fingerprint, first.fingerprint);
    assert_eq!(origins(&touched), ["loaded", "memory", "memory", "memory"]);

    fs::copy(&clip, home.path("copy.mkv")).unwrap();
    assert_eq!(process(&home, &cache, &home.path("copy.mkv")).await.fingerprint, first.fingerprint);
    assert_eq!(home.runs(), 1);

    fs::rename(home.clip("other.mp4", 3), &clip).unwrap();
    let changed = process(&home, &cache, &clip).await;
    assert_ne!(changed.fingerprint, first.fingerprint);
    assert_eq!(origins(&changed)[..3], ["loaded"; 3]);
}

#[tokio::test]
async fn other_parameters_are_a_miss_and_the_probe_is_shared() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 3);
    let cache = home.cache();
    let all = process(&home, &cache, &clip).await;
    for params in [
        KeyframeParams { quality: 20, ..KeyframeParams::default() },
        KeyframeParams { interval: Some(2.0), ..KeyframeParams::default() },
        KeyframeParams { max_width: Some(64), ..KeyframeParams::default() },
    ] {
        let other = process_with(&home, &cache, &clip, params, Selection::all()).await.unwrap();
        assert_eq!(origins(&other), ["memory", "memory", "loaded", "memory"], "{params:?}");
        assert_ne!(other.frames.bytes, all.frames.bytes);
    }
}

#[tokio::test]
async fn parameters_shape_the_frames() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 3);
    let cache = home.cache();
    let narrow = KeyframeParams { max_width: Some(64), ..KeyframeParams::default() };
    let report = process_with(&home, &cache, &clip, narrow, Selection::all().most(2)).await.unwrap();
    let shapes: Vec<_> = report.keyframes.frames.iter().map(|frame| (frame.width, frame.height)).collect();
    assert_eq!(shapes, [(64, 36); 2]);
    let wide = KeyframeParams { max_width: Some(4096), ..KeyframeParams::default() };
    let report = process_with(&home, &cache, &clip, wide, Selection::all()).await.unwrap();
    assert_eq!(report.keyframes.frames[0].width, 128, "never scaled up");
}

#[test]
fn parameters_out_of_range_are_refused_before_anything_runs() {
    let params = KeyframeParams { quality: 0, ..KeyframeParams::default() };
    let error = KeyframeStage::new(params, pipeline::Ffmpeg::default()).unwrap_err();
    assert!(error.message().contains("quality is 0"), "{error}");
}
