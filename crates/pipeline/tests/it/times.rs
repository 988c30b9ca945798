//! Times of keyframes are those that ffprobe finds.

use std::path::{Path, PathBuf};
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

/// The first frame as ffmpeg alone shows it.
fn shown(home: &Home, clip: &Path) -> Vec<u8> {
    let picture = home.path("shown.jpg");
    let arguments = ["-frames:v", "1", "-q:v", "3", "-flags", "+bitexact"];
    let made =
        Command::new("ffmpeg").args(["-v", "error", "-y", "-i"]).arg(clip).args(arguments).arg(&picture).status();
    assert!(made.expect("ffmpeg runs").success());
    std::fs::read(picture).expect("a picture")
}

/// A copy of the mp4 at `clip` whose display matrix is `matrix`, in 16.16 numbers.
fn turned(home: &Home, clip: &Path, matrix: [i32; 4]) -> PathBuf {
    let mut bytes = std::fs::read(clip).expect("a clip");
    let upright: Vec<u8> = [0x1_0000_i32, 0, 0, 0, 0x1_0000, 0, 0, 0].iter().flat_map(|n| n.to_be_bytes()).collect();
    // The last such is that of the track; the first is that of the film.
    let at = bytes.windows(upright.len()).rposition(|window| window == upright).expect("a matrix");
    for (place, number) in [0, 1, 3, 4].into_iter().zip(matrix) {
        bytes[at + 4 * place..][..4].copy_from_slice(&number.to_be_bytes());
    }
    let path = home.path(format!("{matrix:?}.mp4"));
    std::fs::write(&path, bytes).expect("a clip");
    path
}

#[tokio::test]
async fn a_turned_or_flipped_video_gives_the_frames_that_players_show() {
    let home = Home::new();
    let clip = home.clip("flat.mp4", 1);
    let one = 0x1_0000;
    for [a, b, c, d] in [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0], [-1, 0, 0, 1], [1, 0, 0, -1]]
        .into_iter()
        .chain([[0, 1, 1, 0], [0, -1, -1, 0]])
    {
        let path = turned(&home, &clip, [a * one, b * one, c * one, d * one]);
        let frames = home.frames(&path).await;
        let shape = if a == 0 { (72, 128) } else { (128, 72) };
        assert_eq!((frames[0].info.width, frames[0].info.height), shape, "{path:?}");
        assert!(frames[0].jpeg == shown(&home, &path), "{path:?}");
    }
}

#[tokio::test]
async fn a_turned_video_may_change_its_dimensions() {
    let home = Home::new();
    let size = "scale=w='if(lt(n,10),320,160)':h='if(lt(n,10),240,120)':eval=frame";
    let raw = ["-f", "lavfi", "-i", "testsrc=duration=2:size=320x240:rate=10", "-vf", size];
    let clip = home.clip_of("changing.mkv", &[&raw[..], &["-autoscale", "0", "-c:v", "mjpeg", "-g", "10"]].concat());
    let mp4 = home.path("changing.mp4");
    let copied = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&clip).args(["-c", "copy"]).arg(&mp4).status();
    assert!(copied.expect("ffmpeg runs").success());
    let path = turned(&home, &mp4, [0, 0x1_0000, -0x1_0000, 0]);
    let frames = home.frames(&path).await;
    assert_eq!(frames.len(), 20);
    assert!(frames.iter().all(|frame| (frame.info.width, frame.info.height) == (240, 320)));
}
