//! A kind of one's own.

use std::process::Command;

use super::printed;

#[test]
fn each_segment_is_measured_once() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.mp4");
    let tone =
        ["-v", "error", "-f", "lavfi", "-i", "sine=duration=3", "-f", "lavfi", "-i", "color=size=64x64:duration=3"];
    assert!(Command::new("ffmpeg").args(tone).arg(&clip).status().unwrap().success());
    let printed = printed("custom_kind", &[clip.to_str().unwrap()], "");
    assert_eq!(printed.matches("segment 0: -").count(), 2, "{printed}");
    assert!(printed.contains("stage volumedetect version 1") && printed.contains("a hit"), "{printed}");
}
