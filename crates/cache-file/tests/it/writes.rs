//! What one write does: order within a batch, entries that are out of date, bounded sweeps, and how they are read.

use std::time::Duration;

use cache_core::{Backend, Entry};
use cache_file::FileBackend;
use futures_util::FutureExt;

use crate::support::{NOW, clock, config, entry, is_whole, key, meta, mixed, open};

/// Whether of many entries of one key and one stamp, put together, the last one stays.
async fn last_of_a_batch_stays(backend: FileBackend, len: usize) {
    for round in 1..=20 {
        let body = |number: usize| format!("{number:05}{}", "x".repeat(len));
        let entries = (0..300).map(|number| (key(1), Entry::new(meta(round), body(number)))).collect();
        for answer in backend.put_many(entries).await {
            answer.unwrap();
        }
        let found = backend.get(&key(1)).await.unwrap().unwrap();
        assert!(found.body.starts_with(b"00299"), "round {round}: {:?} came last", &found.body[..5]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_one_key_in_a_batch_take_effect_in_their_order() {
    for len in [10, 3_000] {
        let dir = tempfile::tempdir().unwrap();
        // As a task: what a runtime yields to keep tasks fair must not change the order.
        tokio::spawn(last_of_a_batch_stays(open(dir.path()).await, len)).await.unwrap();
    }
}

#[tokio::test]
async fn a_put_of_an_expired_entry_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    backend.put(&key(1), entry(5, 100)).await.unwrap();
    let mut expired = entry(6, 100);
    expired.meta.valid_until = NOW;
    backend.put(&key(1), expired.clone()).await.unwrap();
    backend.put(&key(2), expired).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap(), Some(entry(5, 100)));
    assert_eq!(backend.usage().await.unwrap().entries, 1);
}

#[tokio::test]
async fn one_sweep_drops_a_bounded_number_and_says_that_there_is_more() {
    const COUNT: u64 = 1_500;
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let backend = FileBackend::open(config(dir.path()).clock(clock.clone())).await.unwrap();
    let mut short = entry(1, 20);
    short.meta.valid_until = NOW.after(Duration::from_secs(1));
    let entries = (0..COUNT as usize).map(|number| (key(number), short.clone())).collect();
    for answer in backend.put_many(entries).await {
        answer.unwrap();
    }
    let later = NOW.after(Duration::from_secs(2));
    clock.set(later);
    let first = backend.sweep(later, usize::MAX).await.unwrap();
    assert!(first.more && first.expired > 0 && first.expired < COUNT, "{first:?}");
    let second = backend.sweep(later, usize::MAX).await.unwrap();
    assert!(!second.more, "{second:?}");
    assert_eq!(first.expired + second.expired, COUNT);
    assert_eq!(backend.usage().await.unwrap().entries, 0);
}

#[tokio::test]
async fn records_of_a_batch_lie_whole_beside_each_other() {
    const COUNT: usize = 399;
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    for answer in backend.put_many((0..COUNT).map(|number| (key(number), mixed(number))).collect()).await {
        answer.unwrap();
    }
    is_whole(&backend, COUNT).await;
    backend.close().await.unwrap();
    is_whole(&open(dir.path()).await, COUNT).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_get_of_what_the_kernel_has_in_memory_waits_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    backend.put(&key(1), entry(1, 5_000)).await.unwrap();
    let found = backend.get(&key(1)).now_or_never().expect("an answer at the first poll");
    assert_eq!(found.unwrap(), Some(entry(1, 5_000)));
    assert!(backend.get(&key(2)).now_or_never().expect("an answer at the first poll").unwrap().is_none());
}
