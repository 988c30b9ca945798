//! Times of keyframes are those that ffprobe finds.

use std::path::Path;
use std::process::Command;

use pipeline::{KeyframeParams, Selection};

use super::support::{Home, process_with};

/// The times of keyframes in microseconds, by ffprobe.
fn expected(clip: &Path) -> Vec<i64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-skip_frame", "nokey"])
        .args(["-show_entries", "frame=best_effort_timestamp_time", "-print_format", "json"])
        .arg(clip)
        .output()
        .expect("ffprobe runs");
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let time = |frame: &serde_json::Value| {
        let seconds: f64 = frame["best_effort_timestamp_time"].as_str().expect("a time").parse().expect("a number");
        (seconds * 1e6).round() as i64
    };
    printed["frames"].as_array().expect("frames").iter().map(time).collect()
}

async fn times(home: &Home, clip: &Path) -> Vec<i64> {
    home.process(clip).await.keyframes.frames.iter().map(|frame| frame.pts_us).collect()
}

const SOURCE: [&str; 6] = ["-f", "lavfi", "-i", "testsrc=duration=4:size=128x72:rate=30000/1001", "-g", "12"];

async fn assert_exact(name: &str, options: &[&str], least: usize) {
    let home = Home::new();
    let clip = home.clip_of(name, &[&SOURCE[..], options].concat());
    let expected = expected(&clip);
    assert!(expected.len() >= least, "{expected:?}");
    assert_eq!(times(&home, &clip).await, expected, "{name}");
}

#[tokio::test]
async fn frames_after_a_change_of_resolution_are_scaled_to_the_first() {
    let home = Home::new();
    let [small, large] = [("small.ts", "320x240"), ("large.ts", "640x360")].map(|(name, size)| {
        let input = format!("testsrc=duration=3:size={size}:rate=10");
        std::fs::read(home.clip_of(name, &["-f", "lavfi", "-i", &input, "-c:v", "libx264", "-g", "10"])).unwrap()
    });
    for (name, parts, dimensions) in
        [("up.ts", [&small, &large], (320, 240)), ("down.ts", [&large, &small], (640, 360))]
    {
        let clip = home.path(name);
        std::fs::write(&clip, parts.map(Vec::as_slice).concat()).unwrap();
        let frames = home.process(&clip).await.keyframes.frames.clone();
        assert_eq!(frames.len(), 6, "as many keyframes as the parts have");
        assert_eq!(times(&home, &clip).await, expected(&clip));
        assert!(frames.iter().all(|frame| (frame.width, frame.height) == dimensions), "{frames:?}");
        let narrow = KeyframeParams { max_width: Some(160), ..KeyframeParams::default() };
        let frames =
            process_with(&home, &home.cache(), &clip, narrow, Selection::all()).await.unwrap().keyframes.frames.clone();
        assert!(frames.len() == 6 && frames.iter().all(|frame| frame.width == 160), "{frames:?}");
    }
}

#[tokio::test]
async fn constant_rate() {
    assert_exact("cfr.mp4", &[], 10).await;
    assert_exact("cfr.mkv", &[], 10).await;
}

#[tokio::test]
async fn variable_rate() {
    assert_exact("vfr.mkv", &["-vf", "select='not(mod(n,3))+lt(n,40)'", "-fps_mode", "vfr"], 5).await;
}

#[tokio::test]
async fn a_start_that_is_not_zero() {
    assert_exact("offset.ts", &["-output_ts_offset", "5.5"], 10).await;
}

#[tokio::test]
async fn an_hour_and_a_half_in() {
    assert_exact("late.mkv", &["-output_ts_offset", "5400"], 10).await;
}

#[tokio::test]
async fn times_before_zero() {
    let home = Home::new();
    let clip = home.clip_of("early.mp4", &[&SOURCE[..], &["-c:v", "mpeg4", "-bf", "0"]].concat());
    // An edit list of an mp4 is what makes times start before zero.
    let early = home.path("negative.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", "0.7", "-i"])
        .arg(&clip)
        .args(["-c", "copy", "-copyts", "-output_ts_offset", "-2"])
        .arg(&early)
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(times(&home, &early).await, expected(&early));
}

#[tokio::test]
async fn a_raw_stream_without_times_is_counted_from_zero() {
    let home = Home::new();
    let options = [&SOURCE[..4], &["-c:v", "libx264", "-g", "15"]].concat();
    let raw = home.clip_of("raw.h264", &options);
    let times = times(&home, &raw).await;
    assert_eq!(times.len(), 8);
    assert!(times[0].abs() < 1000, "{times:?}");
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 500_500).abs() < 20_000), "{times:?}");
}

#[tokio::test]
async fn times_that_go_back_lose_no_frame() {
    let home = Home::new();
    let clip = home.clip("part.ts", 3);
    let mut bytes = std::fs::read(&clip).unwrap();
    bytes.extend(bytes.clone());
    let twice = home.path("twice.ts");
    std::fs::write(&twice, bytes).unwrap();
    assert_eq!(times(&home, &twice).await.len(), 6);
}

#[tokio::test]
async fn a_rotated_video_gives_upright_frames() {
    let home = Home::new();
    let clip = home.clip("flat.mp4", 1);
    let turned = home.path("turned.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&clip)
        .args(["-c", "copy", "-metadata:s:v:0", "rotate=90"])
        .arg(&turned)
        .status()
        .unwrap();
    assert!(made.success());
    let report = home.process(&turned).await;
    let video = report.probe.video.as_ref().unwrap();
    assert_eq!((video.width, video.height, video.rotation % 180), (128, 72, 90));
    assert_eq!((report.keyframes.frames[0].width, report.keyframes.frames[0].height), (72, 128));
}
