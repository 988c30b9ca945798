//! Films that speak, programs made up on the spot, and a cache for stages of the user's.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cache_core::Backend;
use cache_mem::MemBackend;
use cache_testkit::eventually;
use cache_tiered::Tiered;
use pipeline::{ArtifactCache, ArtifactOptions, CommandLine, Source, Transcript};
use tempfile::TempDir;

/// Ordinary sentences, about 20 seconds of them.
pub(crate) const SPEECH: &str = "The old harbor wakes before the sun. Fishing boats leave the northern pier one after \
    another, and their lamps move slowly across the dark water. An engineer checks the signal on the tower and writes the \
    time in a small green book. At seven the market opens near the railway station.";

/// A directory for films and programs, and a cache in memory; removed at the end.
pub(crate) struct Kit {
    dir: TempDir,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) cache: ArtifactCache,
}

impl Kit {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("scratch")).unwrap();
        let backend: Arc<dyn Backend> = Arc::new(MemBackend::new(256 << 20));
        let tiers = Tiered::builder().tier(backend.clone()).build().unwrap();
        let options = ArtifactOptions { scratch: dir.path().join("scratch"), ..ArtifactOptions::default() };
        Self { cache: ArtifactCache::new(tiers, options).unwrap(), backend, dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Waits until nothing is left in the scratch directory: it is cleared in the background.
    pub(crate) async fn is_clear(&self) -> bool {
        let is_clear = || std::future::ready(fs::read_dir(self.path("scratch")).unwrap().count() == 0);
        eventually(Duration::from_mins(1), is_clear).await
    }

    /// A film made by ffmpeg with `arguments`.
    pub(crate) fn film(&self, name: &str, arguments: &[&str]) -> Source {
        let path = self.path(name);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-nostdin"]).args(arguments).arg(&path);
        let made = ffmpeg.output().expect("ffmpeg runs: install it, or run `cargo xtask test`");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Source::from(path)
    }

    /// A film of `seconds` with a picture that moves and a tone.
    pub(crate) fn tone(&self, name: &str, seconds: u32) -> Source {
        let picture = format!("testsrc=duration={seconds}:size=64x64:rate=5");
        let tone = format!("sine=duration={seconds}");
        self.film(name, &["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone, "-g", "5"])
    }

    /// A film in which `text` is said.
    pub(crate) fn spoken(&self, name: &str, text: &str) -> Source {
        let wav = self.path("speech.wav");
        let said = Command::new("flite").args(["-voice", "rms", "-t", text, "-o"]).arg(&wav).status();
        assert!(said.expect("flite runs: install it, or run `cargo xtask test`").success());
        let wav = wav.to_str().unwrap();
        let picture = "testsrc=duration=3600:size=64x64:rate=5";
        self.film(name, &["-i", wav, "-f", "lavfi", "-i", picture, "-shortest", "-c:a", "aac", "-b:a", "128k"])
    }

    /// A shell script. A child writes it: this process never holds it open for writing, which would make running it fail
    /// in another thread.
    pub(crate) fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        let mut writer = Command::new("sh");
        writer.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(&path).stdin(Stdio::piped());
        let mut child = writer.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        path
    }

    /// A shell script that tells its number, and with `tell` those of what it starts.
    pub(crate) fn telling(&self, name: &str, body: &str) -> PathBuf {
        let told = self.path("told");
        self.script(name, &format!("tell() {{ echo $1 >> '{}'; }}\ntell $$\n{body}", told.display()))
    }

    /// Waits until nothing runs any more of what was told; something was.
    pub(crate) async fn has_ended(&self) -> bool {
        let has_ended = |id: &str| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        let told = || self.read("told");
        assert!(!told().is_empty(), "nothing was started");
        eventually(Duration::from_mins(1), || std::future::ready(told().lines().all(has_ended))).await
    }

    /// A command that is a shell script, with `arguments`.
    pub(crate) fn command(&self, body: &str, arguments: &[&str]) -> CommandLine {
        let program = self.script("command", body);
        CommandLine::new(program, arguments.iter().copied()).scratch(self.path("scratch"))
    }

    /// A command that is one of the Python programs beside the tests, run by `python`.
    pub(crate) async fn python(&self, python: &Path, name: &str, argument: &str) -> CommandLine {
        let script = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        let command = CommandLine::new(python, [script.as_str(), argument]).scratch(self.path("scratch"));
        command.version_of(python, [script.as_str(), "--version"]).await.unwrap()
    }
}

/// The words of `transcript` without punctuation, small.
pub(crate) fn words(transcript: &Transcript) -> Vec<String> {
    normal(transcript.words().iter().map(|word| word.text.as_str()))
}

/// Words without punctuation, small.
pub(crate) fn normal<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let letters = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    words.into_iter().map(letters).filter(|word| !word.is_empty()).collect()
}

/// Where `a` and `b` differ: the words of the one in the place of those of the other.
pub(crate) fn differences<'a>(a: &'a [String], b: &'a [String]) -> Vec<(&'a [String], &'a [String])> {
    let width = b.len() + 1;
    // The longest common subsequence from each pair of words on.
    let mut common = vec![0_usize; (a.len() + 1) * width];
    for (i, j) in (0..a.len()).rev().flat_map(|i| (0..b.len()).rev().map(move |j| (i, j))) {
        let skipping = common[(i + 1) * width + j].max(common[i * width + j + 1]);
        let paired = if a[i] == b[j] { common[(i + 1) * width + j + 1] + 1 } else { 0 };
        common[i * width + j] = skipping.max(paired);
    }
    let (mut from, mut at, mut found) = ((0, 0), (0, 0), Vec::new());
    loop {
        let (i, j) = at;
        let is_end = i == a.len() || j == b.len();
        if is_end || (a[i] == b[j] && common[i * width + j] == common[(i + 1) * width + j + 1] + 1) {
            let end = if is_end { (a.len(), b.len()) } else { at };
            if from != end {
                found.push((&a[from.0..end.0], &b[from.1..end.1]));
            }
            if is_end {
                return found;
            }
            at = (i + 1, j + 1);
            from = at;
        } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
            at.0 += 1;
        } else {
            at.1 += 1;
        }
    }
}
