//! Memory: a crowd of readers of a blob that is longer than any memory.

use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use cache_blob::{Blobs, Description, GeneratedSource, Sink};
use cache_file::{FileBackend, FileConfig};
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::support::{KIB, MIB, key};

const LEN: u64 = 10 << 30;
const READERS: u64 = 100;
/// Memory above what the process had before, in bytes.
const BOUND: u64 = 64 * MIB;

/// The line `name` of the status of this process, in bytes.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * KIB
}

/// Zeros, made where they are asked for.
fn zeros() -> GeneratedSource {
    let piece = Bytes::from(vec![0; 64 << 10]);
    GeneratedSource::new(Description::new().len(LEN).validator("zeros").ranges(), move |offset, mut sink: Sink| {
        let piece = piece.clone();
        async move {
            let mut at = offset;
            while at < LEN {
                sink.write(piece.slice(..(LEN - at).min(piece.len() as u64) as usize)).await?;
                at += piece.len() as u64;
            }
            Ok(())
        }
    })
}

/// A child of the next test: a process of its own, so that only this is measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_reads_with_a_crowd() {
    if std::env::var_os("CACHE_BLOB_CROWD").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(FileConfig::new(dir.path()).capacity(12 << 30)).await.unwrap();
    let blobs = Blobs::builder().backend(Arc::new(backend)).build().unwrap();
    let base = status("VmRSS");
    let source = zeros();
    let reader = blobs.open(&key(), source).await.unwrap();
    let crowd = (0..READERS).map(async |number| {
        let mut stream = reader.read_range(number * (LEN / READERS)..);
        let mut read = 0;
        while read < 3 * MIB {
            let piece = stream.next().await.unwrap().unwrap();
            assert!(piece.iter().all(|byte| *byte == 0));
            read += piece.len() as u64;
            // Held until the next one comes, as a slow player does.
            tokio::task::yield_now().await;
        }
        stream
    });
    let streams = join_all(crowd).await;
    let above = status("VmHWM") - base;
    println!("{} readers of {} GiB: {} MiB above {} MiB", streams.len(), LEN >> 30, above >> 20, base >> 20);
    assert!(above <= BOUND, "{} MiB above the base", above >> 20);
}

#[test]
fn a_crowd_of_readers_stays_within_its_memory() {
    let exe = std::env::current_exe().unwrap();
    let child = Command::new(exe)
        .args(["--exact", "bounds::child_reads_with_a_crowd", "--nocapture"])
        .env("CACHE_BLOB_CROWD", "1")
        // What docs/blobs.md advises for the C library of Linux.
        .env("MALLOC_MMAP_THRESHOLD_", "131072")
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
}
