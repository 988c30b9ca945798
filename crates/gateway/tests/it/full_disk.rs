//! A full disk and a read-only one, real ones: small file systems in a mount namespace of the test's own.

use std::process::{Command, Output};

use super::support::{Home, origin, stderr, stdout};

/// Runs `script` where `$DIR` is a file system of `bytes` in memory, `$CLIP` a video and `reelcache` the binary.
fn on_small_disk(home: &Home, bytes: &str, script: &str) -> Output {
    let clip = home.clip("clip.mp4", 30);
    std::fs::create_dir(home.path("small")).expect("a mount point");
    let script = format!(
        "set -e; mount -t tmpfs -o size={bytes} tmpfs \"$DIR\"; reelcache() {{ \"$BINARY\" --cache-dir \"$DIR/cache\" \"$@\"; }}\n{script}"
    );
    let mut command = Command::new("unshare");
    home.set_up(&mut command);
    let run = command
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .env("BINARY", env!("CARGO_BIN_EXE_reelcache"))
        .env("DIR", home.path("small"))
        .env("CLIP", clip)
        .output();
    let run = run.expect("unshare (util-linux) runs");
    assert!(!stderr(&run).contains("unshare:"), "needs root, or user namespaces: {}", stderr(&run));
    run
}

#[test]
fn what_does_not_fit_is_told_and_the_result_is_right_all_the_same() {
    let home = Home::new();
    let script = "for run in 1 2; do reelcache process \"$CLIP\"; done";
    let run = on_small_disk(&home, "160k", script);
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(stderr(&run).contains("could not be kept"), "{}", stderr(&run));
    assert_eq!(stdout(&run).matches("keyframes: 30").count(), 2, "{}", stdout(&run));
    assert!(!stderr(&run).contains("panicked"), "{}", stderr(&run));
}

#[test]
fn once_there_is_room_again_everything_is_kept() {
    let home = Home::new();
    let script = "
        reelcache process \"$CLIP\" > /dev/null
        mount -o remount,size=20m \"$DIR\"
        reelcache process \"$CLIP\" > /dev/null
        reelcache process --out \"$DIR/out\" \"$CLIP\"";
    let run = on_small_disk(&home, "160k", script);
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(origin(&run, "frames", 0), "file");
}

#[test]
fn a_disk_without_any_room_is_an_error_that_says_so() {
    let home = Home::new();
    let script = "dd if=/dev/zero of=\"$DIR/filler\" 2> /dev/null || true; reelcache process \"$CLIP\"";
    let run = on_small_disk(&home, "64k", script);
    assert_eq!(run.status.code(), Some(5), "{}", stderr(&run));
    assert!(stderr(&run).contains("full"), "{}", stderr(&run));
}

#[test]
fn a_read_only_directory_is_an_error_that_says_so() {
    let home = Home::new();
    let script = "reelcache process \"$CLIP\" > /dev/null; mount -o remount,ro \"$DIR\"; reelcache process \"$CLIP\"";
    let run = on_small_disk(&home, "20m", script);
    assert_eq!(run.status.code(), Some(5), "{}", stderr(&run));
    assert!(stderr(&run).contains("read-only"), "{}", stderr(&run));
}
