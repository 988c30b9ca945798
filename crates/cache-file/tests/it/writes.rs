//! What one write does: order within a batch, entries that are out of date, bounded sweeps, and how they are read.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use cache_core::{Backend, Clock, Entry};
use cache_file::FileBackend;
use futures_util::FutureExt;

use crate::hooked_fs::{Call, HookedFs};
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
async fn bodies_that_wait_are_bounded_by_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Barrier::new(2));
    let inside = gate.clone();
    // The writer stops at the end of the first body twice: once to be met there, once to go on.
    let fs = HookedFs::new(move |call, path| {
        if call == Call::Write && path.ends_with("00000001.vol") {
            inside.wait();
        }
    });
    let config = || config(dir.path()).capacity(1 << 30).volume_len(64 << 10);
    let backend = FileBackend::open(config().fs(Arc::new(fs))).await.unwrap();
    let long = Entry::new(meta(1), vec![0; Entry::MAX_BODY as usize]);
    let keys: Vec<_> = (0..4).map(key).collect();
    let mut puts: Vec<_> = keys.iter().map(|key| backend.put(key, long.clone())).collect();
    for put in &mut puts {
        assert!(put.now_or_never().is_none());
    }
    // Those that are queued are carried out all the same.
    drop(puts);
    for _ in 0..2 {
        gate.wait();
    }
    backend.close().await.unwrap();
    let backend = FileBackend::open(config()).await.unwrap();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(backend.stat(key).await.unwrap().is_some(), number < 2, "put {number}");
    }
}

#[tokio::test]
async fn what_expires_while_it_is_read_is_not_served() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let (end, slow) = (NOW.after(Duration::from_secs(1)), clock.clone());
    let fs = HookedFs::new(move |call, path| {
        if call == Call::Read && path.ends_with("00000001.vol") {
            slow.set(end);
        }
    });
    let config = config(dir.path()).clock(clock.clone()).fs(Arc::new(fs));
    let backend = FileBackend::open(config).await.unwrap();
    let mut short = entry(1, 3_000);
    short.meta.valid_until = end;
    backend.put(&key(1), short).await.unwrap();
    assert!(backend.stat(&key(1)).await.unwrap().is_some());
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    assert_eq!(clock.now(), end, "it was read");
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
