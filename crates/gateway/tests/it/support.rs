//! Clips made with ffmpeg, and the binary in a directory of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A directory with a cache and clips, removed at the end.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(name.as_ref())
    }

    /// The binary, with its cache in this directory.
    pub(crate) fn reelcache(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reelcache"));
        command.env("REELCACHE_DIR", self.path("cache")).current_dir(self.dir.path());
        command
    }

    pub(crate) fn process(&self, video: &Path) -> Output {
        self.reelcache().arg("process").arg(video).output().expect("the binary runs")
    }

    /// Waits for a file with a line in it; the line.
    pub(crate) fn wait_for(&self, name: &str) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match std::fs::read_to_string(self.path(name)) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => assert!(Instant::now() < end, "{name} does not appear"),
            }
            std::thread::yield_now();
        }
    }

    /// Makes a clip of `seconds` with one keyframe a second.
    pub(crate) fn clip(&self, name: impl AsRef<OsStr>, seconds: u32) -> PathBuf {
        self.clip_of(name, &["-f", "lavfi", "-i", &format!("testsrc=duration={seconds}:size=320x180:rate=10")])
    }

    /// Makes a clip from the given ffmpeg inputs.
    pub(crate) fn clip_of(&self, name: impl AsRef<OsStr>, inputs: &[&str]) -> PathBuf {
        let path = self.path(name);
        // Made under a plain name: ffmpeg gives characters of an output name meanings of its own.
        let plain = self.path("made.mp4");
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(inputs)
            .args(["-g", "10", "-pix_fmt", "yuv420p", "-fflags", "+bitexact"])
            .arg(&plain)
            .output()
            .expect("ffmpeg runs: `cargo xtask test` installs it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::rename(plain, &path).expect("a rename");
        path
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The origin that the table shows for `stage`, in the `nth` table.
pub(crate) fn origin(output: &Output, stage: &str, nth: usize) -> String {
    let text = stdout(output);
    let row = text.lines().filter(|line| line.split_whitespace().next() == Some(stage)).nth(nth);
    let row = row.unwrap_or_else(|| panic!("no row {stage} in {text}\n{}", stderr(output)));
    row.split_whitespace().nth(1).expect("an origin").to_owned()
}
