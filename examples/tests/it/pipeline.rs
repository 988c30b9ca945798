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
    let first =
        ["missing: 2", "keyframes: 1, 1 segments computed", "descriptions: 1, 1 segments computed", "0.0 s: input.jpg"];
    let second =
        ["missing: 0", "keyframes: 1, 0 segments computed", "descriptions: 1, 0 segments computed", "0.0 s: input.jpg"];
    assert_eq!(lines, [first, second].concat());
}
