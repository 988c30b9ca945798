//! Artifacts made once.

use std::process::Command;

use super::printed;

#[test]
fn the_second_time_nothing_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.mp4");
    let picture = ["-v", "error", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5"];
    assert!(Command::new("ffmpeg").args(picture).arg(&clip).status().unwrap().success());
    let printed = printed("pipeline", &[clip.to_str().unwrap(), "basename"], "");
    let lines: Vec<&str> = printed.lines().collect();
    let first = ["missing: 2", "keyframes: 1 from loaded", "descriptions: 1 from loaded", "0.0 s: input.jpg"];
    let second = ["missing: 0", "keyframes: 1 from file", "descriptions: 1 from file", "0.0 s: input.jpg"];
    assert_eq!(lines, [first, second].concat());
}
