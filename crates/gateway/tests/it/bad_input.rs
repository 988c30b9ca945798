//! Bad input: a clear line and an exit code, never a panic, never a wrong hit.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Output;

use super::support::{Home, origin, stderr};

/// Asserts the exit code, that the error says `what`, and that it is one line without a panic.
#[track_caller]
fn assert_refused(output: &Output, code: i32, what: &str) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(what), "{text:?} should say {what:?}");
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text:?}");
}

#[test]
fn a_missing_file() {
    let home = Home::new();
    assert_refused(&home.process(&home.path("nowhere.mp4")), 3, "nowhere.mp4");
}

#[test]
fn a_directory() {
    let home = Home::new();
    fs::create_dir(home.path("folder.mp4")).unwrap();
    assert_refused(&home.process(&home.path("folder.mp4")), 3, "directory");
}

#[test]
fn an_empty_file() {
    let home = Home::new();
    fs::write(home.path("empty.mp4"), "").unwrap();
    assert_refused(&home.process(&home.path("empty.mp4")), 3, "empty");
}

#[test]
fn a_text_file_named_mp4() {
    let home = Home::new();
    fs::write(home.path("text.mp4"), "This is no film.\n".repeat(100)).unwrap();
    assert_refused(&home.process(&home.path("text.mp4")), 3, "text.mp4");
}

#[test]
fn a_video_without_a_video_stream() {
    let home = Home::new();
    let clip = home.clip_of("sound.mp4", &["-f", "lavfi", "-i", "sine=duration=1"]);
    assert_refused(&home.process(&clip), 3, "no video stream");
}

#[test]
fn a_truncated_video() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 2);
    let bytes = fs::read(&clip).unwrap();
    fs::write(&clip, &bytes[..bytes.len() / 2]).unwrap();
    assert_refused(&home.process(&clip), 3, "clip.mp4");
}

#[test]
fn ffmpeg_missing() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let run = home.reelcache().env("PATH", home.path("no-programs")).arg("process").arg(clip).output().unwrap();
    assert_refused(&run, 4, "install");
}

#[test]
fn names_with_spaces_quotes_newlines_and_bytes_that_are_no_text() {
    let home = Home::new();
    let names: [&[u8]; 7] =
        [b"a b.mp4", b"it's \"it\".mp4", b"two\nlines.mp4", b"\xFF\xFE.mp4", b"-v.mp4", b"%05d.mp4", b"a:b.mp4"];
    for name in names {
        let clip = home.clip(std::ffi::OsStr::from_bytes(name), 1);
        // Relative, so that a leading dash is the first character; `--` ends the options.
        let relative = std::ffi::OsStr::from_bytes(name);
        let run = home.reelcache().args(["process", "--"]).arg(relative).output().unwrap();
        assert!(run.status.success(), "{name:?}: {}", stderr(&run));
        origin(&run, "keyframes", 0);
        fs::remove_file(clip).unwrap();
    }
}

#[test]
fn a_cache_directory_that_is_a_file() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    fs::write(home.path("cache"), "a file").unwrap();
    assert_refused(&home.process(&clip), 5, "cache");
}

#[test]
fn a_bad_video_does_not_keep_the_others_from_being_processed() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let run = home.reelcache().args(["process", "nowhere.mp4"]).arg(&clip).output().unwrap();
    assert_eq!(run.status.code(), Some(3));
    assert_eq!(origin(&run, "keyframes", 0), "loaded");
}

#[test]
fn wrong_usage() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    for arguments in [&["process", "--quality", "1"][..], &["process", "--max-frames", "0"], &["fly"]] {
        let run = home.reelcache().args(arguments).arg(&clip).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {}", stderr(&run));
    }
    assert_eq!(home.reelcache().arg("process").output().unwrap().status.code(), Some(2));
}
