//! Renewals: what they write, and what of them outlives what.

use std::fs;

use cache_core::{Backend, Entry, KeyPrefix, PolicyKind, Role, Stamp};
use cache_file::{FileBackend, IndexOrigin};
use futures_util::{StreamExt, TryStreamExt};

use crate::support::{FIXTURES, blocks, config, entry, fill, key, meta, mixed, open, volume};

/// What `mixed(number)` is once it was renewed.
fn renewed(number: usize) -> Entry {
    let mut entry = mixed(number);
    entry.meta.stamp = Stamp::from_u64(1_000 + number as u64);
    entry.meta.tags = ["renewed".into()].into();
    entry
}

async fn renew(backend: &FileBackend, count: usize) {
    for number in 0..count {
        let answer = backend.renew(&key(number), mixed(number).meta.stamp, renewed(number).meta).await;
        assert!(answer.unwrap(), "key {number}");
    }
}

async fn are_renewed(backend: &FileBackend, count: usize) {
    for number in 0..count {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(renewed(number)), "key {number}");
        assert_eq!(backend.stat(&key(number)).await.unwrap(), Some(renewed(number).meta), "key {number}");
    }
    let found: Vec<_> = backend.scan(&KeyPrefix::all()).try_collect().await.unwrap();
    assert_eq!(found.len(), count);
    assert!(found.iter().all(|(_, meta)| *meta.tags == ["renewed".into()]));
}

#[tokio::test]
async fn a_renewal_leaves_the_body_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 40).await;
    let (volumes, disk) = (fs::read(volume(dir.path(), 1)).unwrap(), backend.disk());
    renew(&backend, 40).await;
    assert!(fs::read(volume(dir.path(), 1)).unwrap() == volumes, "a volume was written to");
    assert_eq!((backend.disk().records, backend.disk().volumes), (disk.records, disk.volumes));
    are_renewed(&backend, 40).await;
}

#[tokio::test]
async fn renewals_outlive_a_close_with_the_same_usage() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 40).await;
    renew(&backend, 40).await;
    let before = backend.usage().await.unwrap();
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().index, IndexOrigin::Opened);
    are_renewed(&backend, 40).await;
    let after = backend.usage().await.unwrap();
    assert_eq!((before.entries, before.bytes), (after.entries, after.bytes));
}

#[tokio::test]
async fn an_index_made_again_brings_older_metas_back_and_no_other_body() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 40).await;
    renew(&backend, 40).await;
    backend.close().await.unwrap();
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().index, IndexOrigin::Rebuilt);
    for number in 0..40 {
        let kept = (mixed(number).len() > 2_048).then(|| mixed(number));
        assert_eq!(backend.get(&key(number)).await.unwrap(), kept, "key {number}");
    }
}

#[tokio::test]
async fn writes_and_renewals_of_one_key_in_one_group_take_effect_in_order() {
    for len in [10, 70_000] {
        let dir = tempfile::tempdir().unwrap();
        let backend = open(dir.path()).await;
        let key = key(0);
        let put = |stamp| backend.put(&key, entry(stamp, len));
        let renew = |present, stamp| backend.renew(&key, Stamp::from_u64(present), meta(stamp));
        put(1).await.unwrap();
        // Polled, and so queued, in this order, most of it while the writer is at the first.
        let (first, two, three, four, second, six, seven) =
            tokio::join!(put(2), renew(2, 3), renew(3, 4), renew(2, 5), put(6), renew(4, 7), renew(6, 8));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!([two, three, four, six, seven].map(Result::unwrap), [true, true, false, false, true]);
        let expected = Entry::new(meta(8), entry(6, len).body);
        assert_eq!(backend.get(&key).await.unwrap(), Some(expected));
        let (renewed, removed) = tokio::join!(renew(8, 9), backend.remove(&key));
        assert_eq!((renewed.unwrap(), removed.unwrap()), (true, true));
        assert_eq!(backend.get(&key).await.unwrap(), None);
        assert_eq!(backend.disk().records, 0, "the space of a renewed entry was not given back");
    }
}

#[tokio::test]
async fn a_renewed_entry_gives_all_its_space_back_once() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 8).await;
    renew(&backend, 8).await;
    for number in 0..4 {
        backend.put(&key(number), entry(5_000, 70_000)).await.unwrap();
    }
    for number in 0..8 {
        assert!(backend.remove(&key(number)).await.unwrap());
    }
    assert_eq!((backend.disk().records, backend.usage().await.unwrap().bytes), (0, 0));
}

#[tokio::test]
async fn renewals_with_little_room_stay_within_the_capacity() {
    let dir = tempfile::tempdir().unwrap();
    let capacity = 1 << 20;
    let backend = FileBackend::open(config(dir.path()).capacity(capacity)).await.unwrap();
    for step in 0..400 {
        let number = step % 60;
        backend.put(&key(number), entry(step as u64 * 2, [100, 20_000][step % 2])).await.unwrap();
        let mut longer = meta(step as u64 * 2 + 1);
        longer.tags = [" long tag ".repeat(step % 50).into()].into();
        backend.renew(&key(number), Stamp::from_u64(step as u64 * 2), longer).await.unwrap();
        assert!(blocks(dir.path()) <= capacity + FIXTURES, "step {step}");
    }
    let usage = backend.usage().await.unwrap();
    assert_eq!(backend.scan(&KeyPrefix::all()).count().await as u64, usage.entries);
}

#[tokio::test]
async fn marks_outlast_values_also_across_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    for policy in [PolicyKind::Fifo, PolicyKind::Lru, PolicyKind::S3Fifo] {
        let small = || config(dir.path()).capacity(1 << 20).policy(policy);
        let mut mark = entry(1, 100);
        mark.meta.role = Role::Mark;
        let name = |number| cache_core::Key::of("mark").part(number).build().unwrap();
        let backend = FileBackend::open(small()).await.unwrap();
        for number in 0..10 {
            backend.put(&name(number), mark.clone()).await.unwrap();
        }
        for round in 0..2 {
            let backend = if round == 0 { &backend } else { &FileBackend::open(small()).await.unwrap() };
            for number in 0..150 {
                backend.put(&key(number), entry(number as u64, 20_000)).await.unwrap();
            }
            for number in 0..10 {
                assert_eq!(backend.get(&name(number)).await.unwrap(), Some(mark.clone()), "{policy}, round {round}");
            }
            let usage = backend.usage().await.unwrap();
            assert!(usage.evicted > 0 && usage.bytes <= 1 << 20, "{usage:?}");
            backend.close().await.unwrap();
        }
    }
}
