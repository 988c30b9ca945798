//! Programs that are missing, fail, hang or lie: a clear error, and nothing wrong cached.

use std::time::Duration;

use cache_core::{Error, ErrorKind};
use pipeline::{KeyframeParams, Selection, is_tool_missing};

use super::support::{Home, process_with, until};

async fn failure(home: &Home) -> Error {
    let clip = home.path("clip.mp4");
    let error = process_with(home, &home.cache(), &clip, KeyframeParams::default(), Selection::all())
        .await
        .expect_err("a failure");
    assert!(!error.to_string().contains(char::is_control), "{error}");
    error
}

/// The programs work again: the failure was not remembered.
async fn assert_recovers(mut home: Home) {
    home.ffmpeg = pipeline::Ffmpeg::default();
    let report = home.process(&home.path("clip.mp4")).await;
    assert_eq!(report.keyframe_stage().origin(), "loaded");
}

fn home() -> Home {
    let home = Home::new();
    home.clip("clip.mp4", 2);
    home
}

#[tokio::test]
async fn a_missing_program_is_recognisable_and_says_what_to_install() {
    let mut first = home();
    first.ffmpeg.ffprobe = first.path("no-ffprobe");
    let error = failure(&first).await;
    assert!(is_tool_missing(&error), "{error:?}");
    assert!(error.to_string().contains("ffprobe was not found: install it"), "{error}");
    assert!(error.to_string().contains("REELCACHE_FFPROBE"), "{error}");

    let mut second = home();
    second.ffmpeg.ffmpeg = second.path("no-ffmpeg");
    let error = failure(&second).await;
    assert!(is_tool_missing(&error), "{error:?}");
    assert!(error.to_string().contains("ffmpeg was not found: install it"), "{error}");
    assert_recovers(second).await;
}

#[tokio::test]
async fn a_program_that_is_no_program_is_not_called_missing() {
    let mut home = home();
    home.ffmpeg.ffmpeg = home.path("clip.mp4");
    let error = failure(&home).await;
    assert!(!is_tool_missing(&error));
    assert!(error.to_string().contains("cannot be started"), "{error}");
}

#[tokio::test]
async fn a_program_that_hangs_is_stopped() {
    let mut home = home();
    let fifo = home.mkfifo("never");
    let pid = home.path("pid");
    let body = format!("echo $$ > '{}'\nread line < '{}'", pid.display(), fifo.display());
    home.ffmpeg.ffmpeg = home.script("hanging", &body);
    home.ffmpeg.extract_limit = Duration::from_millis(300);
    let error = failure(&home).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("did not finish within 0.3 s"), "{error}");
    let pid = std::fs::read_to_string(pid).expect("it was started");
    let process = std::path::Path::new("/proc").join(pid.trim());
    until("the program is gone", || !process.exists()).await;
    assert_recovers(home).await;
}

#[tokio::test]
async fn the_end_of_what_a_failing_program_complains_of_is_in_the_error() {
    let mut home = home();
    let body = "i=0; while [ $i -lt 3000 ]; do echo \"noise $i\" >&2; i=$((i+1)); done\nprintf '\\377\\033[2J out of luck\\n' >&2; exit 9";
    home.ffmpeg.ffmpeg = home.script("failing", body);
    let error = failure(&home).await;
    let text = error.to_string();
    assert!(text.ends_with("out of luck"), "{text}");
    assert!(text.len() < 6000, "{} bytes", text.len());
    assert_recovers(home).await;
}

#[tokio::test]
async fn a_program_that_is_killed_is_an_error() {
    let mut home = home();
    home.ffmpeg.ffmpeg = home.script("killed", "kill -9 $$");
    assert!(failure(&home).await.to_string().contains("signal"), "says how it ended");
    assert_recovers(home).await;
}

#[tokio::test]
async fn a_program_that_writes_nothing_is_an_error() {
    let mut home = home();
    home.ffmpeg.ffmpeg = home.script("idle", "exit 0");
    assert!(failure(&home).await.to_string().contains("no keyframe"));
    assert_recovers(home).await;
}

#[tokio::test]
async fn a_program_that_writes_fewer_frames_than_it_says_is_an_error() {
    let mut home = home();
    home.ffmpeg.ffmpeg = home.script("lying", "echo 'frame:0 pts:0 pts_time:0' >&2");
    assert!(failure(&home).await.to_string().contains("something else than pictures"));
    assert_recovers(home).await;
}

#[tokio::test]
async fn a_program_that_writes_garbage_is_an_error() {
    let mut home = home();
    let picture = "printf -- '--ffmpeg\\r\\nContent-length: 7\\r\\n\\r\\ngarbage'";
    home.ffmpeg.ffmpeg = home.script("no-jpeg", &format!("echo 'frame:0 pts:0 pts_time:0' >&2\n{picture}"));
    assert!(failure(&home).await.to_string().contains("no complete JPEG"));
    home.ffmpeg.ffmpeg = home.script("garbage", "head -c 100000 /dev/zero");
    assert!(failure(&home).await.to_string().contains("something else than pictures"));
    home.ffmpeg.ffmpeg = home.script("half", "echo 'frame:0 pts:0' >&2\nprintf 'Content-length: 7\\r\\n\\r\\ngarb'");
    assert!(failure(&home).await.to_string().contains("something else than pictures"));
    assert_recovers(home).await;
}

/// A program that prints much and then neither ends nor prints more is found out by what it has printed.
async fn assert_found_out(name: &str, body: &str) {
    let mut home = home();
    home.ffmpeg.ffmpeg = home.script(name, &format!("{body}\nexec sleep 1000"));
    let failed = tokio::time::timeout(Duration::from_mins(1), failure(&home)).await;
    let error = failed.expect("what it prints is looked at, not held");
    assert!(error.to_string().contains("something else than pictures"), "{name}: {error}");
    assert_recovers(home).await;
}

#[tokio::test]
async fn a_program_that_writes_garbage_without_end_is_stopped_before_it_fills_the_memory() {
    assert_found_out("zeros", "head -c 100000000 /dev/zero").await;
    let picture = "printf -- '--ffmpeg\\r\\nContent-length: 1000000\\r\\n\\r\\n'; head -c 1000000 /dev/zero";
    assert_found_out("pictures", &format!("for i in $(seq 100); do {picture}; done")).await;
    assert_found_out("times", "yes 'frame:0 pts:0 pts_time:0' | head -n 1000000 >&2").await;
}

#[tokio::test]
async fn what_a_stopped_program_has_started_is_stopped_too() {
    let mut home = home();
    let (fifo, pid) = (home.mkfifo("never"), home.path("pid"));
    let child = format!("sh -c 'echo $$ > \"{}\"; read line < \"{}\"' &\nwait", pid.display(), fifo.display());
    home.ffmpeg.ffmpeg = home.script("parent", &child);
    home.ffmpeg.extract_limit = Duration::from_millis(500);
    assert_eq!(failure(&home).await.kind(), ErrorKind::Timeout);
    let pid = std::fs::read_to_string(pid).expect("it was started");
    let process = std::path::Path::new("/proc").join(pid.trim());
    until("the child of the program is gone", || !process.exists()).await;
    assert_recovers(home).await;
}

#[tokio::test]
async fn a_description_that_is_endless_or_no_json_is_an_error() {
    let mut home = home();
    home.ffmpeg.ffprobe = home.script("endless", "exec cat /dev/zero");
    assert!(failure(&home).await.to_string().contains("printed more than"));
    home.ffmpeg.ffprobe = home.script("no-json", "echo no json");
    assert!(failure(&home).await.to_string().contains("printed something else"));
    assert_recovers(home).await;
}
