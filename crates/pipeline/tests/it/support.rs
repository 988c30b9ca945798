//! Clips made with ffmpeg, programs that misbehave, and caches over shared tiers.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cache_core::{Backend, Clock, DAY, ManualClock, SystemClock};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use pipeline::{
    ArtifactCache, ArtifactOptions, Ffmpeg, Fingerprint, Fingerprinting, Frame, FramesRead, KeyframeParams,
    KeyframeStage, Keyframes, Plan, Probe, RunReport, Selection, Source, StageReport,
};
use tempfile::TempDir;

/// A directory for clips, programs and scratch, removed at the end.
pub(crate) struct Home {
    dir: TempDir,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) ffmpeg: Ffmpeg,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(MemBackend::new(1 << 30))
    }

    pub(crate) fn with(backend: impl Backend) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("scratch")).expect("a directory");
        Self { dir, backend: Arc::new(backend), ffmpeg: Ffmpeg::default() }
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(name.as_ref())
    }

    /// A cache as a new process would open it: the same backend, nothing else in common. Files are old enough for
    /// memos.
    pub(crate) fn cache(&self) -> ArtifactCache {
        let later = SystemClock::new().now().after(DAY);
        self.cache_at(Arc::new(ManualClock::new(later)))
    }

    /// A cache that takes fingerprints of `how`.
    pub(crate) fn cache_of(&self, how: Fingerprinting) -> ArtifactCache {
        let later = SystemClock::new().now().after(DAY);
        self.build(Arc::new(ManualClock::new(later)), how)
    }

    pub(crate) fn cache_at(&self, clock: Arc<dyn Clock>) -> ArtifactCache {
        self.build(clock, Fingerprinting::default())
    }

    fn build(&self, clock: Arc<dyn Clock>, fingerprinting: Fingerprinting) -> ArtifactCache {
        let options = ArtifactOptions {
            fingerprinting,
            ffmpeg: self.ffmpeg.clone(),
            scratch: self.path("scratch"),
            ..ArtifactOptions::default()
        };
        let tiers = Tiered::builder().tier(self.backend.clone()).clock(clock).build().expect("tiers");
        ArtifactCache::new(tiers, options).expect("a cache")
    }

    /// Processes in a process of its own.
    pub(crate) async fn process(&self, path: &Path) -> Report {
        let cache = self.cache();
        let report = process(self, &cache, path).await;
        cache.close().await.expect("a close");
        report
    }

    /// All frames, read in a process of its own.
    pub(crate) async fn frames(&self, path: &Path) -> Vec<Frame> {
        let cache = self.cache();
        let all = frames(self, &cache, path).await;
        cache.close().await.expect("a close");
        all
    }

    /// A clip of `seconds` with one keyframe a second.
    pub(crate) fn clip(&self, name: impl AsRef<OsStr>, seconds: u32) -> PathBuf {
        self.clip_of(
            name,
            &["-f", "lavfi", "-i", &format!("testsrc=duration={seconds}:size=128x72:rate=10"), "-g", "10"],
        )
    }

    /// A clip made by ffmpeg with `arguments`. It is made under a plain name with the same extension, because
    /// ffmpeg gives characters of an output name meanings of its own.
    pub(crate) fn clip_of(&self, name: impl AsRef<OsStr>, arguments: &[&str]) -> PathBuf {
        let path = self.path(name);
        let extension = path.extension().and_then(OsStr::to_str).filter(|e| e.is_ascii()).unwrap_or("mp4");
        let plain = self.path(format!("made.{extension}"));
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-nostdin"])
            .args(arguments)
            .args(["-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1"])
            .arg(&plain)
            .output()
            .expect("ffmpeg runs: install it");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::rename(plain, &path).expect("a rename");
        path
    }

    /// Puts a shell script in the place of a program. A child writes it: this process never holds it open for
    /// writing, which would make running it fail in another thread.
    pub(crate) fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path(name);
        let mut child = Command::new("sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        std::io::Write::write_all(
            &mut child.stdin.take().expect("a pipe"),
            format!("#!/bin/sh\n[ \"$1\" = -version ] && exec ffmpeg -version\n{body}\n").as_bytes(),
        )
        .expect("a script");
        assert!(child.wait().expect("a shell").success());
        assert_ne!(fs::metadata(&path).expect("a script").permissions().mode() & 0o100, 0);
        path
    }

    /// Counts runs of the real ffmpeg in the file `runs`.
    pub(crate) fn count_runs(&mut self) {
        let log = self.path("runs");
        self.ffmpeg.ffmpeg = self.script("counting", &format!("echo run >> '{}'\nexec ffmpeg \"$@\"", log.display()));
    }

    pub(crate) fn runs(&self) -> usize {
        fs::read_to_string(self.path("runs")).unwrap_or_default().lines().count()
    }

    pub(crate) fn mkfifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
        path
    }
}

/// What became of a video.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) run: RunReport,
    pub(crate) keyframes: Arc<Keyframes>,
    pub(crate) frames: FramesRead,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) probe: Arc<Probe>,
}

impl Report {
    pub(crate) fn keyframe_stage(&self) -> &StageReport {
        &self.run.stages[0]
    }

    pub(crate) fn frame_count(&self) -> u64 {
        self.frames.origins.values().sum()
    }
}

pub(crate) fn stage(params: KeyframeParams, ffmpeg: &Ffmpeg) -> Arc<KeyframeStage> {
    Arc::new(KeyframeStage::new(params, ffmpeg.clone()).expect("parameters in range"))
}

/// Runs the stage and reads all frames.
pub(crate) async fn try_process(
    cache: &ArtifactCache,
    path: &Path,
    stage: &Arc<KeyframeStage>,
    selection: Selection,
) -> Result<Report, cache_core::Error> {
    let source = Source::from(path);
    let run = cache.run(&source, &Plan::new().stage(stage.clone()).select(selection)).await?;
    if let Some(error) = run.error() {
        return Err(error.clone());
    }
    let artifact = run.artifacts.get::<Keyframes>()?.expect("keyframes");
    let mut frames = cache.frames_of(&source, stage, &selection, artifact);
    while frames.next().await?.is_some() {}
    let (keyframes, read) = (frames.artifact().value().clone(), frames.read().clone());
    let (fingerprint, probe) = (run.fingerprint, run.probe.clone());
    Ok(Report { keyframes, frames: read, fingerprint, probe, run })
}

/// Processes with the default parameters.
pub(crate) async fn process(home: &Home, cache: &ArtifactCache, path: &Path) -> Report {
    process_with(home, cache, path, KeyframeParams::default(), Selection::all()).await.expect("a report")
}

pub(crate) async fn process_with(
    home: &Home,
    cache: &ArtifactCache,
    path: &Path,
    params: KeyframeParams,
    selection: Selection,
) -> Result<Report, cache_core::Error> {
    try_process(cache, path, &stage(params, &home.ffmpeg), selection).await
}

/// All frames.
pub(crate) async fn frames(home: &Home, cache: &ArtifactCache, path: &Path) -> Vec<Frame> {
    let stage = stage(KeyframeParams::default(), &home.ffmpeg);
    let mut frames = cache.frames(&path.into(), &stage, &Selection::all()).await.expect("frames");
    let mut all: Vec<Frame> = Vec::new();
    while let Some(batch) = frames.next().await.expect("frames") {
        if batch.first().is_some_and(|frame| frame.index == 0) {
            all.clear();
        }
        all.extend(batch);
    }
    all
}

/// The origins of fingerprint, probe, keyframes and frames.
pub(crate) fn origins(report: &Report) -> [String; 4] {
    let frames: Vec<&str> = report.frames.origins.keys().map(|name| &**name).collect();
    let run = &report.run;
    [run.fingerprinted.origin.to_string(), run.probed.origin.to_string(), run.stages[0].origin(), frames.join("+")]
}

/// Waits until `true`, at most a minute.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(std::time::Duration::from_mins(1), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for: {what}");
}
