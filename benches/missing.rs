//! What is missing of a library is found in memory that does not grow with it, counted by the allocator.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Backend, Entry, Key, KeyPrefix, Result};
use cache_mem::MemBackend;
use cache_tiered::Tiered;
use futures_util::StreamExt;
use pipeline::{
    ArtifactCache, ArtifactOptions, Digest, Ffmpeg, Fingerprint, Keyframe, Keyframes, Next, Output, Plan, Recipe,
    Source, Span, Stage, Work,
};
use tokio::runtime::{Builder, Runtime};

/// Videos that are looked through first: what is remembered of a bounded number of them is full then.
const FIRST: u64 = 2_000;
const FEW: u64 = 1_000;
const MANY: u64 = 4 * FEW;
/// What tables and queues that are full may still grow by.
const SLACK: i64 = 64 << 10;
/// What every video is described as: 20 minutes in four segments.
const PROBE: &[u8] = br#"#!/bin/sh
echo '{"streams": [{"index": 0, "codec_type": "video", "codec_name": "h264", "width": 640, "height": 360,
  "avg_frame_rate": "25/1", "start_time": "0.000000", "disposition": {"attached_pic": 0}}],
  "format": {"format_name": "mov,mp4", "start_time": "0.000000", "duration": "1200.000000"}}'
"#;

/// A picture of each segment.
#[derive(Debug)]
struct Draws;

#[async_trait]
impl Stage for Draws {
    type Kind = Keyframes;

    fn recipe(&self) -> Recipe {
        Recipe::new("draws", 1).segment(Duration::from_mins(5))
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Keyframes>) -> Result<()> {
        for segment in work.segments() {
            let picture = out.body(Bytes::from_static(b"a picture")).await?;
            let frame = Keyframe::new(segment.span.start_us, (64, 36), picture);
            if out.part(*segment, &Keyframes::new(vec![frame])).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

/// A library whose videos are in memory alone, on the one thread whose allocations are counted.
struct Library {
    runtime: Runtime,
    cache: ArtifactCache,
    backend: Arc<dyn Backend>,
    plan: Plan,
}

fn print(number: u64) -> Fingerprint {
    Fingerprint::of(Digest::of(&number.to_le_bytes()))
}

impl Library {
    fn new(dir: &Path) -> Self {
        let mut program = std::fs::File::options();
        let program = program.write(true).create_new(true).mode(0o755).open(dir.join("describe"));
        program.unwrap().write_all(PROBE).unwrap();
        let backend: Arc<dyn Backend> = Arc::new(MemBackend::new(1 << 30));
        let tiers = Tiered::builder().tier(backend.clone()).build().unwrap();
        let ffmpeg = Ffmpeg { ffprobe: dir.join("describe"), ..Ffmpeg::default() };
        let cache = ArtifactCache::new(tiers, ArtifactOptions { ffmpeg, ..ArtifactOptions::default() }).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, cache, backend, plan: Plan::new().stage(Arc::new(Draws)) }
    }

    /// Has one video computed, and what is there of it put under the names of `videos`, except the first `without` of its
    /// parts.
    fn fill(&self, dir: &Path, videos: u64, without: usize) {
        let path = dir.join("film.mp4");
        std::fs::write(&path, "a film").unwrap();
        self.runtime.block_on(async {
            let run = self.cache.run(&Source::from(path), &self.plan).await.unwrap();
            assert!(run.error().is_none(), "{:?}", run.error());
            let made = run.fingerprint.to_string();
            let below = KeyPrefix::below(&Key::of("video").part(run.fingerprint).build().unwrap());
            let keys: Vec<Key> = self.backend.scan(&below).map(|found| found.unwrap().0).collect().await;
            let mut entries: Vec<(Key, Entry)> = Vec::new();
            for key in keys {
                entries.extend(self.backend.get(&key).await.unwrap().map(|entry| (key, entry)));
            }
            let is_part = |(key, _): &(Key, Entry)| key.as_str().contains(":keyframes:");
            let gone: Vec<Key> =
                entries.iter().filter(|entry| is_part(entry)).take(without).map(|(key, _)| key.clone()).collect();
            entries.retain(|(key, _)| !gone.contains(key));
            for number in 0..videos {
                let name = print(number).to_string();
                for (key, entry) in &entries {
                    let key = Key::parse(&key.as_str().replace(&made, &name)).unwrap();
                    self.backend.put(&key, entry.clone()).await.unwrap();
                }
            }
        });
    }

    /// Bytes that are held after a look for what is missing of `videos`, more than before it.
    fn growth(&self, videos: std::ops::Range<u64>, is_right: impl Fn(&[pipeline::Missing]) -> bool) -> i64 {
        let look = async {
            for number in videos {
                let missing = self.cache.missing(&Source::Kept(print(number)), &self.plan).await.unwrap();
                assert!(is_right(&missing), "{missing:?}");
            }
        };
        measure(|| self.runtime.block_on(look)).bytes_current
    }

    #[track_caller]
    fn assert_bounded(&self, is_right: impl Fn(&[pipeline::Missing]) -> bool) {
        self.growth(0..FIRST, &is_right);
        let few = self.growth(FIRST..FIRST + FEW, &is_right);
        let many = self.growth(FIRST + FEW..FIRST + FEW + MANY, &is_right);
        assert!(few.max(many) < SLACK, "{few} bytes for {FEW} videos, {many} for {MANY}");
    }
}

#[test]
fn of_videos_that_were_never_seen() {
    let dir = tempfile::tempdir().unwrap();
    Library::new(dir.path()).assert_bounded(|missing| missing.len() == 1 && missing[0].gaps == [Span::ALL]);
}

#[test]
fn of_videos_of_which_all_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(dir.path());
    library.fill(dir.path(), FIRST + FEW + MANY, 0);
    library.assert_bounded(<[_]>::is_empty);
}

#[test]
fn of_videos_of_which_something_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::new(dir.path());
    library.fill(dir.path(), FIRST + FEW + MANY, 1);
    library.assert_bounded(|missing| missing.len() == 1 && !missing[0].coverage.is_nothing());
}
