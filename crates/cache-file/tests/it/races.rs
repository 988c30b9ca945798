//! Reads beside writes: space that is given back under a reader is no corruption.

use std::sync::Arc;

use cache_core::{Backend, KeyPrefix};
use cache_file::FileBackend;
use futures_util::StreamExt;

use crate::support::{config, entry, key};

const KEYS: usize = 8;

/// The length follows from the stamp, so that a reader can tell right from wrong.
fn len(stamp: u64) -> usize {
    [400, 5_000, 40_000, 90_000][stamp as usize % 4]
}

async fn write(backend: Arc<FileBackend>, writer: usize) {
    for stamp in 1..400_u64 {
        let number = stamp as usize % (KEYS / 2) * 2 + writer;
        backend.put(&key(number), entry(stamp, len(stamp))).await.unwrap();
        if stamp % 50 == 0 {
            backend.remove(&key(number)).await.unwrap();
        }
    }
}

/// Every entry is whole, and no key goes back in time.
async fn read(backend: Arc<FileBackend>, reads: usize) {
    let mut newest = [0; KEYS];
    for step in 0..reads {
        let number = step % KEYS;
        let Some(found) = backend.get(&key(number)).await.unwrap() else { continue };
        let stamp = found.meta.stamp.as_u64();
        assert_eq!(found, entry(stamp, len(stamp)));
        assert!(stamp >= newest[number], "key {number} went back from {} to {stamp}", newest[number]);
        newest[number] = stamp;
        if step % 64 == 0 {
            let seen = backend.scan(&KeyPrefix::all()).map(Result::unwrap).count().await;
            assert!(seen <= KEYS);
            backend.stat(&key(number)).await.unwrap();
        }
    }
}

async fn race(capacity: u64) {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path()).capacity(capacity).volume_len(256 << 10);
    let backend = Arc::new(FileBackend::open(config).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..2 {
        tasks.spawn(write(backend.clone(), writer));
    }
    for _ in 0..3 {
        tasks.spawn(read(backend.clone(), 4_000));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(backend.usage().await.unwrap().corrupt, 0);
    assert_eq!(backend.disk().volumes, backend.disk().records);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_are_replaced_under_readers_are_whole() {
    race(64 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_are_evicted_under_readers_are_whole() {
    race(250_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_entry_is_never_missed_while_it_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(FileBackend::open(config(dir.path())).await.unwrap());
    backend.put(&key(0), entry(1, len(1))).await.unwrap();
    let writer = tokio::spawn({
        let backend = backend.clone();
        async move {
            for stamp in 2..600 {
                backend.put(&key(0), entry(stamp, len(stamp))).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        assert!(backend.get(&key(0)).await.unwrap().is_some());
        assert!(backend.stat(&key(0)).await.unwrap().is_some());
    }
    writer.await.unwrap();
}
