//! What outlives a backend, and what does not.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Clock, ManualClock, PolicyKind, Timestamp};
use cache_file::{FileBackend, FileConfig, IndexOrigin};

use crate::support::{NOW, blocks, config, entry, fill, is_whole, key, mixed, open, volume};

#[tokio::test]
async fn entries_outlive_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 40).await;
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().index, IndexOrigin::Opened);
    assert_eq!(backend.report().entries, 40);
    is_whole(&backend, 40).await;
}

#[tokio::test]
async fn a_dropped_backend_carries_out_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 8).await;
    drop(backend);
    let backend = open(dir.path()).await;
    is_whole(&backend, 8).await;
}

#[tokio::test]
async fn usage_is_the_same_after_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 40).await;
    backend.remove(&key(3)).await.unwrap();
    let before = backend.usage().await.unwrap();
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    let after = backend.usage().await.unwrap();
    assert_eq!((before.entries, before.bytes), (after.entries, after.bytes));
}

#[tokio::test]
async fn what_was_evicted_or_removed_stays_away() {
    let dir = tempfile::tempdir().unwrap();
    let small = || config(dir.path()).capacity(1 << 20).policy(PolicyKind::Fifo);
    let backend = FileBackend::open(small()).await.unwrap();
    for number in 0..200 {
        backend.put(&key(number), entry(1, 20_000)).await.unwrap();
    }
    assert!(backend.remove(&key(199)).await.unwrap());
    let mut held = Vec::new();
    for number in 0..200 {
        held.push(backend.get(&key(number)).await.unwrap().is_some());
    }
    assert!(held.contains(&true) && held.contains(&false));
    backend.close().await.unwrap();
    let backend = FileBackend::open(config(dir.path())).await.unwrap();
    for (number, held) in held.into_iter().enumerate() {
        assert_eq!(backend.get(&key(number)).await.unwrap().is_some(), held, "key {number}");
    }
}

#[tokio::test]
async fn what_expired_meanwhile_is_gone_with_its_space() {
    let dir = tempfile::tempdir().unwrap();
    let at = |now: Timestamp| FileConfig::new(dir.path()).clock(Arc::new(ManualClock::new(now)) as Arc<dyn Clock>);
    let backend = FileBackend::open(at(NOW)).await.unwrap();
    let end = NOW.after(Duration::from_millis(10));
    for (number, len) in [100, 50_000].into_iter().enumerate() {
        let mut short = entry(1, len);
        short.meta.valid_until = end;
        backend.put(&key(number), short).await.unwrap();
    }
    backend.close().await.unwrap();
    let backend = FileBackend::open(at(end)).await.unwrap();
    assert_eq!(backend.report().expired, 2);
    assert_eq!(backend.get(&key(0)).await.unwrap(), None);
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    assert_eq!(backend.disk().volumes, 0);
}

#[tokio::test]
async fn a_value_made_long_after_now_is_not_served_after_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    for (number, hours) in [(0, 1), (1, 25), (2, 100_000)] {
        let mut made = entry(1, 3_000);
        made.meta.created = NOW.after(Duration::from_hours(hours));
        backend.put(&key(number), made).await.unwrap();
    }
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    for number in 0..3 {
        assert_eq!(backend.get(&key(number)).await.unwrap().is_some(), number == 0, "key {number}");
    }
    assert_eq!(backend.report().expired, 2);
}

#[tokio::test]
async fn a_lower_budget_evicts_at_the_opening() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 80).await;
    backend.close().await.unwrap();
    let backend = FileBackend::open(config(dir.path()).capacity(600 << 10).entries(20)).await.unwrap();
    let usage = backend.usage().await.unwrap();
    assert!(usage.entries > 0 && usage.entries <= 20, "{usage:?}");
    assert_eq!(backend.report().evicted, 80 - usage.entries);
    assert!(backend.disk().total() <= 600 << 10, "{:?}", backend.disk());
}

#[tokio::test]
async fn volumes_without_entries_are_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(config(dir.path()).volume_len(256 << 10)).await.unwrap();
    for number in 0..12 {
        backend.put(&key(number), entry(1, 60_000)).await.unwrap();
    }
    assert!(volume(dir.path(), 3).exists());
    for number in 0..4 {
        backend.remove(&key(number)).await.unwrap();
    }
    assert!(!volume(dir.path(), 1).exists() && volume(dir.path(), 2).exists());
    assert_eq!(backend.disk().volumes, backend.disk().records);
}

#[tokio::test]
async fn bytes_that_nobody_names_are_reclaimed() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 12).await;
    let records = backend.disk().records;
    backend.close().await.unwrap();
    let first = volume(dir.path(), 1);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes.extend_from_slice(&vec![7; 100_000]);
    std::fs::write(&first, bytes).unwrap();
    std::fs::write(volume(dir.path(), 9), vec![1; 50_000]).unwrap();
    std::fs::write(dir.path().join("volumes/notes.txt"), "left alone").unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.disk().volumes, records);
    assert!(backend.report().reclaimed >= 150_000);
    assert!(!volume(dir.path(), 9).exists());
    assert!(dir.path().join("volumes/notes.txt").exists());
    is_whole(&backend, 12).await;
}

#[tokio::test]
async fn a_lost_index_is_made_again_from_the_volumes() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 40).await;
    // Several versions of one key, and one that was removed.
    for stamp in [50, 60, 70] {
        backend.put(&key(2), entry(stamp, 30_000)).await.unwrap();
    }
    assert!(backend.remove(&key(3)).await.unwrap());
    backend.close().await.unwrap();
    std::fs::remove_file(dir.path().join("index.redb")).unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().index, IndexOrigin::Rebuilt);
    for number in 0..40 {
        let expected = match number {
            2 => Some(entry(70, 30_000)),
            3 => None,
            // Short entries were kept in the index.
            _ => Some(mixed(number)).filter(|entry| entry.len() > 2_048),
        };
        assert_eq!(backend.get(&key(number)).await.unwrap(), expected, "key {number}");
    }
    assert_eq!(backend.disk().volumes, backend.disk().records);
}

#[tokio::test]
async fn an_older_stamp_does_not_win_after_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    backend.put(&key(0), entry(9, 10_000)).await.unwrap();
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    backend.put(&key(0), entry(8, 10)).await.unwrap();
    assert_eq!(backend.get(&key(0)).await.unwrap(), Some(entry(9, 10_000)));
    assert!(blocks(dir.path()) > 0);
}
