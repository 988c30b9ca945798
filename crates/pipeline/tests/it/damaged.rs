//! Bytes flipped in the files beneath: a miss for whoever reads them, computed again, and counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::{Backend, Key};
use cache_file::{FileBackend, FileConfig};
use cache_tiered::Tiered;
use pipeline::{
    ArtifactCache, ArtifactOptions, CommandLine, Describer, KeyframeParams, KeyframeStage, Selection, Source,
};

use super::support::Home;

async fn open(home: &Home) -> (Tiered, ArtifactCache) {
    let file = FileBackend::open(FileConfig::new(home.path("cache")).capacity(1 << 30)).await.expect("a file tier");
    let tiers = Tiered::builder().tier(file).build().expect("tiers");
    let options = ArtifactOptions { scratch: home.path("scratch"), ..ArtifactOptions::default() };
    (tiers.clone(), ArtifactCache::new(tiers, options).expect("a cache"))
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

/// Flips a bit of `body` wherever the files hold it; how often that was.
fn flip(home: &Home, body: &[u8]) -> usize {
    let mut flipped = 0;
    for path in files_below(&home.path("cache")) {
        let mut bytes = fs::read(&path).expect("a file");
        let Some(at) = bytes.windows(body.len()).position(|window| window == body) else { continue };
        bytes[at + body.len() / 2] ^= 1;
        fs::write(path, bytes).expect("a file");
        flipped += 1;
    }
    flipped
}

/// Keyframes in the files, of which one bundle is damaged.
async fn damaged(home: &Home) -> (Source, Arc<KeyframeStage>) {
    let source = Source::from(
        home.clip_of("many.mkv", &["-f", "lavfi", "-i", "testsrc2=duration=9:size=320x180:rate=10", "-g", "1"]),
    );
    let stage = Arc::new(KeyframeStage::new(KeyframeParams::default(), home.ffmpeg.clone()).unwrap());
    let (tiers, cache) = open(home).await;
    cache.compute(&source, &stage, &Selection::all()).await.unwrap();
    let root = cache.explain(&source, stage.clone(), &Selection::all()).await.unwrap().key;
    let key = Key::parse(&root).unwrap().child(0).part(0).build().unwrap();
    let body = tiers.get(&key).await.unwrap().expect("a bundle").body;
    cache.close().await.unwrap();
    tiers.close().await.unwrap();
    assert_eq!(flip(home, &body[..4096]), 1);
    (source, stage)
}

#[tokio::test]
async fn damaged_frames_are_computed_again_when_they_are_read() {
    let home = Home::new();
    let (source, stage) = damaged(&home).await;
    let (tiers, cache) = open(&home).await;
    let mut frames = cache.frames(&source, &stage, &Selection::all()).await.unwrap();
    let mut count = 0;
    while let Some(batch) = frames.next().await.unwrap() {
        assert!(batch.iter().all(|frame| frame.jpeg.starts_with(&[0xFF, 0xD8]) && frame.jpeg.ends_with(&[0xFF, 0xD9])));
        count += batch.len();
    }
    assert_eq!(count, 90);
    let verified = cache.verify(&source, stage).await.unwrap();
    assert_eq!((verified.bodies, verified.damaged, verified.gone), (90, 0, 0));
    assert_eq!(tiers.usage().await.unwrap().corrupt, 1, "counted once");
    cache.close().await.unwrap();
    tiers.close().await.unwrap();
}

#[tokio::test]
async fn what_is_damaged_is_counted_and_the_rest_is_right() {
    let home = Home::new();
    let (source, stage) = damaged(&home).await;
    let (tiers, cache) = open(&home).await;
    let verified = cache.verify(&source, stage.clone()).await.unwrap();
    assert_eq!((verified.parts, verified.damaged, verified.gone), (1, 1, 0), "{verified:?}");
    assert!(verified.bodies > 0 && verified.bodies < 90, "{verified:?}");
    let coverage = cache.coverage(&source, &stage, &Selection::all()).await.unwrap();
    assert!(!coverage.complete && coverage.partial.len() == 1);
    cache.compute(&source, &stage, &Selection::all()).await.unwrap();
    assert_eq!(cache.verify(&source, stage).await.unwrap().bodies, 90);
    cache.close().await.unwrap();
    tiers.close().await.unwrap();
}

#[tokio::test]
async fn a_stage_whose_input_is_damaged_has_it_computed_again() {
    let home = Home::new();
    let (source, stage) = damaged(&home).await;
    let (tiers, cache) = open(&home).await;
    let see = CommandLine::new(home.script("see", "wc -c < \"$1\""), ["{image}"]).scratch(home.path("scratch"));
    let describer = Arc::new(Describer::command(stage.clone(), see).unwrap());
    let seen = cache.compute(&source, &describer, &Selection::all()).await.unwrap();
    assert_eq!(seen.value().descriptions.len(), 90);
    assert_eq!(cache.verify(&source, stage).await.unwrap().bodies, 90);
    cache.close().await.unwrap();
    tiers.close().await.unwrap();
}
