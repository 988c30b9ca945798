//! Several lives over one directory: a killed process, a flipped byte.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cache_core::Backend;
use cache_file::{FileBackend, FileConfig};

use crate::origin::{Origin, bytes};
use crate::support::{KIB, MIB, collect, key, read, small};

/// Where a child of these tests finds its directory.
const DIR: &str = "CACHE_BLOB_TEST_DIR";
const LEN: u64 = 4 * MIB;
/// How much a child reads before it is killed.
const HALF: u64 = LEN / 2 + 5;

async fn open(dir: &Path) -> Arc<FileBackend> {
    Arc::new(FileBackend::open(FileConfig::new(dir).capacity(64 * MIB)).await.unwrap())
}

/// A child of the next test; passes as a test of its own.
#[tokio::test]
async fn child_is_killed_while_it_reads() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let blobs = small(open(Path::new(&dir)).await).build().unwrap();
    let origin = Origin::new(LEN).throttled();
    origin.release((HALF / (16 * KIB) + 1) as usize);
    let reader = blobs.open(&key(), origin.clone()).await.unwrap();
    read(&reader, 0, HALF).await.unwrap();
    println!("\nin the middle of a segment");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn after_a_kill_only_missing_segments_are_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new(exe)
        .args(["--exact", "process::child_is_killed_while_it_reads", "--nocapture"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("in the middle")), "the child came so far");
    child.kill().unwrap();
    child.wait().unwrap();

    let origin = Origin::new(LEN);
    let reader = small(open(dir.path()).await).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    let present: u64 = reader.present().await.unwrap().iter().map(|range| range.end - range.start).sum();
    // The segment before the last one may have been on its way to the disk.
    assert!(present >= HALF / (64 * KIB) * 64 * KIB - 64 * KIB, "{present} bytes are kept");
    assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, LEN));
    assert_eq!((origin.given(), origin.describes()), (LEN - present, 0));
}

#[tokio::test]
async fn a_flipped_byte_costs_one_segment() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::new(LEN);
    {
        let backend = open(dir.path()).await;
        let blobs = small(backend.clone()).build().unwrap();
        let reader = blobs.open(&key(), origin.clone()).await.unwrap();
        collect(reader.read_range(..)).await.unwrap();
        assert_eq!(origin.given(), LEN);
        backend.close().await.unwrap();
    }
    flip(dir.path(), &bytes(1, MIB + 1_000, MIB + 1_064));
    let reader = small(open(dir.path()).await).build().unwrap().open(&key(), origin.clone()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(collect(reader.read_range(..)).await.unwrap(), origin.bytes(0, LEN));
        assert_eq!(origin.given(), LEN + 64 * KIB);
    }
}

/// Flips a bit of the first place below `dir` that holds `needle`.
fn flip(dir: &Path, needle: &[u8]) {
    let place = files(dir).into_iter().find_map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(needle.len()).position(|window| window == needle)?;
        Some((path, bytes, at))
    });
    let (path, mut bytes, at) = place.expect("the segment is on the disk");
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
