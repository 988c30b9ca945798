//! Several backends and several processes on one file.

use std::time::Duration;

use cache_core::{Backend, KeyPrefix};
use cache_sqlite::SqliteBackend;
use cache_testkit::{body_of, eventually, writer_of};
use futures_util::TryStreamExt;

use crate::support::{child_command, child_dir, config, entry, file, fill, is_whole, key, open};

/// Entries that each process writes.
const SHARE: u64 = 300;

#[tokio::test]
async fn what_one_backend_acknowledges_every_other_one_sees() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()).await, open(dir.path()).await);
    fill(&one, 10).await;
    is_whole(&two, 10).await;
    assert!(two.remove(&key(3)).await.unwrap());
    assert_eq!(one.get(&key(3)).await.unwrap(), None);
    assert_eq!(one.usage().await.unwrap().entries, 9);
    one.close().await.unwrap();
    two.put(&key(3), entry(4, 5_000)).await.unwrap();
    is_whole(&two, 10).await;
}

#[tokio::test]
async fn an_older_stamp_never_wins_across_backends() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()).await, open(dir.path()).await);
    one.put(&key(0), entry(7, 100)).await.unwrap();
    two.put(&key(0), entry(6, 100)).await.unwrap();
    assert_eq!(two.get(&key(0)).await.unwrap(), Some(entry(7, 100)));
    assert!(!two.renew(&key(0), entry(6, 0).meta.stamp, entry(8, 0).meta).await.unwrap());
    assert!(two.renew(&key(0), entry(7, 0).meta.stamp, entry(8, 0).meta).await.unwrap());
    one.put(&key(0), entry(7, 100)).await.unwrap();
    assert_eq!(one.stat(&key(0)).await.unwrap(), Some(entry(8, 0).meta));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_backends_keep_the_newest_stamps_and_exact_sums() {
    let dir = tempfile::tempdir().unwrap();
    let backends = [open(dir.path()).await, open(dir.path()).await];
    let writers = backends.into_iter().enumerate().map(|(at, backend)| {
        tokio::spawn(async move {
            for round in 0..40 {
                for number in 0..5 {
                    backend.put(&key(number), entry(round * 2 + at as u64, 2_000)).await.unwrap();
                }
            }
            backend
        })
    });
    let mut last = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        last.push(writer.await.unwrap());
    }
    for number in 0..5 {
        assert_eq!(last[0].get(&key(number)).await.unwrap(), Some(entry(79, 2_000)), "key {number}");
    }
    let usage = last[0].usage().await.unwrap();
    assert_eq!((usage.entries, usage.bytes), (5, weighed(&last[1]).await));
}

/// The weight of five entries alone in a database.
async fn weighed(backend: &SqliteBackend) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let fresh = open(dir.path()).await;
    for number in 0..5 {
        let entry = backend.get(&key(number)).await.unwrap().unwrap();
        fresh.put(&key(number), entry).await.unwrap();
    }
    fresh.usage().await.unwrap().bytes
}

/// A child of the next test: writes its share, overwriting keys of the other one, within a small budget.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_its_share() {
    let Some(dir) = child_dir() else { return };
    let me: u64 = std::env::var("CHILD").unwrap().parse().unwrap();
    let backend = SqliteBackend::open(config(&dir).capacity(1 << 20).entries(150)).await.unwrap();
    for number in 0..SHARE {
        let key = key((number * (me + 1)) as usize % 200);
        backend.put(&key, entry(number * 2 + me, 1_000 + number as usize * 31)).await.unwrap();
        let usage = backend.usage().await.unwrap();
        assert!(usage.bytes <= 1 << 20 && usage.entries <= 150, "{usage:?}");
        if let Some(found) = backend.get(&key).await.unwrap() {
            assert!(writer_of(&found.body).is_some(), "a mixture of bodies");
        }
    }
}

#[tokio::test]
async fn two_processes_on_one_file_keep_to_one_budget() {
    let dir = tempfile::tempdir().unwrap();
    let spawn = |number: usize| {
        let mut command = child_command("sharing::child_writes_its_share", dir.path());
        command.env("CHILD", number.to_string()).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let children = [spawn(0), spawn(1)];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let backend = open(dir.path()).await;
    let usage = backend.usage().await.unwrap();
    let found: Vec<_> = backend.scan(&KeyPrefix::all()).try_collect().await.unwrap();
    assert_eq!(usage.entries, found.len() as u64);
    assert!(usage.entries > 0 && usage.bytes <= 1 << 20, "{usage:?}");
    for (key, _) in &found {
        let entry = backend.get(key).await.unwrap().unwrap();
        assert!(entry.body == body_of(writer_of(&entry.body).unwrap(), entry.body.len()), "{key}");
    }
    for (key, _) in &found {
        backend.remove(key).await.unwrap();
    }
    let usage = backend.usage().await.unwrap();
    assert_eq!((usage.entries, usage.bytes), (0, 0));
}

#[tokio::test]
async fn a_backend_follows_when_the_file_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (open(dir.path()).await, open(dir.path()).await);
    fill(&one, 5).await;
    std::fs::remove_file(file(dir.path())).unwrap();
    assert_eq!(two.get(&key(1)).await.unwrap(), None, "what was in the removed file is gone");
    two.put(&key(1), entry(9, 100)).await.unwrap();
    assert_eq!(one.get(&key(1)).await.unwrap(), Some(entry(9, 100)));
    one.put(&key(2), entry(9, 100)).await.unwrap();
    one.close().await.unwrap();
    assert_eq!(two.get(&key(2)).await.unwrap(), Some(entry(9, 100)), "the close of one leaves the file of the other");
    let reopened = open(dir.path()).await;
    assert_eq!(reopened.usage().await.unwrap().entries, 2);
}

#[tokio::test]
async fn backends_that_open_at_once_share_one_database() {
    let dir = tempfile::tempdir().unwrap();
    let opened: Vec<_> = (0..8).map(|_| tokio::spawn(SqliteBackend::open(config(dir.path())))).collect();
    let mut backends = Vec::new();
    for opened in opened {
        backends.push(opened.await.unwrap().unwrap());
    }
    backends[0].put(&key(0), entry(1, 10)).await.unwrap();
    for backend in &backends {
        let found = eventually(Duration::from_secs(5), || async { backend.get(&key(0)).await.unwrap().is_some() });
        assert!(found.await);
        assert_eq!(backend.report().restarts, 0);
    }
}
