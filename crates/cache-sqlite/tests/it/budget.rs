//! Who leaves when there is no room, and what the file takes.

use std::sync::Arc;

use cache_core::{Backend, Role};
use cache_sqlite::SqliteBackend;
use cache_testkit::{EvictionLog, check_eviction_listener};

use crate::support::{clock, config, entry, fill, key, open};

#[tokio::test]
async fn who_listens_hears_of_what_left_by_itself_and_of_nothing_else() {
    let (dir, clock, log) = (tempfile::tempdir().unwrap(), clock(), Arc::new(EvictionLog::default()));
    let config = config(dir.path()).clock(clock.clone()).entries(4).listener(log.clone());
    check_eviction_listener(&SqliteBackend::open(config).await.unwrap(), &clock, &log).await.unwrap();
}

#[tokio::test]
async fn the_entry_put_longest_ago_leaves_first_unless_it_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(config(dir.path()).entries(4)).await.unwrap();
    for number in 0..4 {
        backend.put(&key(number), entry(1, 10)).await.unwrap();
    }
    backend.get(&key(0)).await.unwrap();
    backend.put(&key(4), entry(1, 10)).await.unwrap();
    assert_eq!(present(&backend, 5).await, [0, 2, 3, 4], "written down with the group that needed the room");
    backend.put(&key(5), entry(1, 10)).await.unwrap();
    backend.put(&key(6), entry(1, 10)).await.unwrap();
    backend.put(&key(7), entry(1, 10)).await.unwrap();
    assert_eq!(backend.usage().await.unwrap().evicted, 4);
}

/// Which of the first keys are there; by stat, which is no use of an entry.
async fn present(backend: &SqliteBackend, count: usize) -> Vec<usize> {
    let mut present = Vec::new();
    for number in 0..count {
        if backend.stat(&key(number)).await.unwrap().is_some() {
            present.push(number);
        }
    }
    present
}

#[tokio::test]
async fn a_newcomer_stays_however_much_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(config(dir.path()).entries(3)).await.unwrap();
    for number in 0..10 {
        backend.put(&key(number), entry(1, 10)).await.unwrap();
        for read in 0..=number {
            backend.get(&key(read)).await.unwrap();
        }
        assert!(backend.stat(&key(number)).await.unwrap().is_some(), "newcomer {number}");
    }
}

#[tokio::test]
async fn expired_entries_leave_before_living_ones() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let backend = SqliteBackend::open(config(dir.path()).entries(3).clock(clock.clone())).await.unwrap();
    backend.put(&key(0), entry(1, 10)).await.unwrap();
    let mut mortal = entry(1, 10);
    mortal.meta.stale_until = crate::support::NOW.after(cache_core::MINUTE);
    backend.put(&key(1), mortal).await.unwrap();
    backend.put(&key(2), entry(1, 10)).await.unwrap();
    clock.advance(cache_core::MINUTE);
    backend.put(&key(3), entry(1, 10)).await.unwrap();
    assert_eq!(present(&backend, 4).await, [0, 2, 3]);
    let usage = backend.usage().await.unwrap();
    assert_eq!((usage.expired, usage.evicted), (1, 0));
}

#[tokio::test]
async fn a_mark_outlasts_values_and_gives_way_to_marks() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(config(dir.path()).entries(2)).await.unwrap();
    let mut mark = entry(1, 10);
    mark.meta.role = Role::Mark;
    for number in 0..2 {
        backend.put(&key(number), mark.clone()).await.unwrap();
    }
    backend.put(&key(2), entry(1, 10)).await.unwrap();
    assert_eq!(present(&backend, 3).await, [0, 1], "a value finds no room beside marks");
    backend.put(&key(2), mark).await.unwrap();
    assert_eq!(present(&backend, 3).await, [1, 2], "the oldest mark makes room for a new one");
}

#[tokio::test]
async fn an_entry_above_the_capacity_takes_the_old_one_with_it_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(config(dir.path()).capacity(10_000)).await.unwrap();
    backend.put(&key(0), entry(1, 10)).await.unwrap();
    backend.put(&key(1), entry(1, 10)).await.unwrap();
    backend.put(&key(0), entry(2, 20_000)).await.unwrap();
    assert_eq!(present(&backend, 2).await, [1]);
}

#[tokio::test]
async fn the_file_shrinks_when_entries_leave() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    for number in 0..64 {
        backend.put(&key(number), entry(1, 1 << 20)).await.unwrap();
    }
    for number in 0..64 {
        backend.remove(&key(number)).await.unwrap();
    }
    // Free pages go with the groups of writes that follow.
    for number in 0..80 {
        backend.put(&key(0), entry(number + 2, 10)).await.unwrap();
    }
    backend.close().await.unwrap();
    let file = backend.file();
    assert!(file.total() < 8 << 20, "{file:?} after 64 MiB went");
}

#[tokio::test]
async fn the_file_of_a_full_cache_stays_near_its_capacity() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(config(dir.path()).capacity(8 << 20)).await.unwrap();
    for round in 0..8 {
        for number in 0..100 {
            let len = [500, 5_000, 70_000, 200_000][number % 4];
            backend.put(&key(round * 100 + number), entry(1, len)).await.unwrap();
        }
    }
    let usage = backend.usage().await.unwrap();
    assert!(usage.bytes > 7 << 20, "{usage:?}");
    backend.close().await.unwrap();
    let file = backend.file();
    assert!(file.total() < 16 << 20, "{file:?} of 8 MiB");
}

#[tokio::test]
async fn entries_survive_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 20).await;
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    crate::support::is_whole(&backend, 20).await;
}
