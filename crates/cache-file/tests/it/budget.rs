//! The budget, as the disk shows it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::{Backend, PolicyKind};
use cache_file::FileBackend;

use crate::hooked_fs::{Call, HookedFs};
use crate::support::{FIXTURES, blocks, config, entry, key};

#[tokio::test]
async fn the_disk_is_within_the_capacity_after_every_put() {
    for (policy, capacity) in [(PolicyKind::Fifo, 1 << 20), (PolicyKind::Lru, 3 << 20), (PolicyKind::S3Fifo, 1_300_000)]
    {
        let dir = tempfile::tempdir().unwrap();
        let backend =
            FileBackend::open(config(dir.path()).capacity(capacity).policy(policy).volume_len(1 << 20)).await.unwrap();
        for step in 0..600_usize {
            let len = [100, 900, 1_800, 3_000, 20_000, 120_000][(step * 7 + step / 6) % 6];
            backend.put(&key(step % 400), entry(step as u64 + 1, len)).await.unwrap();
            let disk = blocks(dir.path());
            assert!(disk <= capacity + FIXTURES, "{policy} step {step}: {disk} of {capacity}, {:?}", backend.disk());
        }
        let usage = backend.usage().await.unwrap();
        assert!(usage.bytes <= capacity && usage.bytes > capacity / 4, "{policy}: {usage:?}");
        assert!(usage.evicted > 0);
    }
}

#[tokio::test]
async fn the_disk_is_within_the_capacity_when_all_entries_are_in_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let capacity = 2 << 20;
    let backend = FileBackend::open(config(dir.path()).capacity(capacity).policy(PolicyKind::Lru)).await.unwrap();
    let mut least = u64::MAX;
    for step in 0..6_000_usize {
        backend.put(&key(step % 5_000), entry(step as u64 + 1, 50 + step % 1_500)).await.unwrap();
        if step > 4_000 {
            least = least.min(backend.usage().await.unwrap().bytes);
        }
        let disk = backend.disk();
        assert!(disk.total() <= capacity, "step {step}: {disk:?}");
    }
    assert!(blocks(dir.path()) <= capacity + FIXTURES);
    assert!(least > capacity / 8, "the budget was never used for less than {least} bytes of entries");
}

#[tokio::test]
async fn too_small_a_capacity_holds_nothing_and_breaks_nothing() {
    for capacity in [0, 1, 4_096, 8_192] {
        let dir = tempfile::tempdir().unwrap();
        let backend = FileBackend::open(config(dir.path()).capacity(capacity)).await.unwrap();
        for (number, len) in [(0, 10), (1, 10_000), (2, 1_000_000)] {
            backend.put(&key(number), entry(1, len)).await.unwrap();
            assert_eq!(backend.get(&key(number)).await.unwrap(), None);
        }
        let usage = backend.usage().await.unwrap();
        assert_eq!((usage.entries, usage.bytes), (0, 0));
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_entry_above_the_budget_leaves_the_key_absent_and_others_alone() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(config(dir.path()).capacity(1 << 20)).await.unwrap();
    backend.put(&key(0), entry(1, 10_000)).await.unwrap();
    backend.put(&key(1), entry(1, 10_000)).await.unwrap();
    backend.put(&key(1), entry(2, 2 << 20)).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    assert_eq!(backend.get(&key(0)).await.unwrap(), Some(entry(1, 10_000)));
    assert_eq!(backend.disk().volumes, backend.disk().records);
}

#[tokio::test]
async fn many_entries_put_at_once_are_one_group_within_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let capacity = 4 << 20;
    let backend = FileBackend::open(config(dir.path()).capacity(capacity)).await.unwrap();
    for round in 0..4 {
        let entries = (0..100).map(|number| (key(number), entry(round + 1, 60_000))).collect();
        assert!(backend.put_many(entries).await.iter().all(Result::is_ok));
        assert!(blocks(dir.path()) <= capacity + FIXTURES, "{:?}", backend.disk());
    }
    let keys: Vec<_> = (0..100).map(key).collect();
    let answers = backend.get_many(&keys).await;
    let found = answers.into_iter().filter_map(Result::unwrap).inspect(|found| assert_eq!(*found, entry(4, 60_000)));
    assert!(found.count() > 30);
}

#[tokio::test]
async fn entries_that_keep_a_volume_each_do_not_add_up_to_open_files_without_bound() {
    const CAPACITY: u64 = 1 << 20;
    const VOLUME: u64 = 64 << 10;
    let dir = tempfile::tempdir().unwrap();
    let config = || config(dir.path()).capacity(CAPACITY).volume_len(VOLUME).policy(PolicyKind::Lru);
    let count = || fs::read_dir(dir.path().join("volumes")).unwrap().count() as u64;
    let most = 2 * (CAPACITY / VOLUME) + 64;
    let backend = FileBackend::open(config()).await.unwrap();
    let (short, long) = (entry(1, 3_000), entry(1, 59_000));
    let mut hot = Vec::new();
    for number in 0..150 {
        hot.push(key(number));
        backend.put(&key(number), short.clone()).await.unwrap();
        backend.put(&key(1_000 + number), long.clone()).await.unwrap();
        backend.get_many(&hot).await;
        assert!(count() <= most, "{} volumes of {most}", count());
    }
    let usage = backend.usage().await.unwrap();
    assert!(usage.entries > most / 2 && usage.evicted > 0 && usage.corrupt == 0, "{usage:?}");
    assert!(backend.get(&key(149)).await.unwrap().is_some());
    backend.close().await.unwrap();
    let backend = FileBackend::open(config()).await.unwrap();
    assert_eq!(backend.usage().await.unwrap().entries, usage.entries);
}

#[tokio::test]
async fn the_disk_is_within_the_capacity_while_entries_are_written_that_replace_none() {
    const CAPACITY: u64 = 2 << 20;
    let dir = tempfile::tempdir().unwrap();
    let most = Arc::new(AtomicU64::new(0));
    let (root, highest) = (dir.path().to_owned(), most.clone());
    let fs = HookedFs::new(move |call, _| {
        if call == Call::Write {
            highest.fetch_max(blocks(&root), Ordering::SeqCst);
        }
    });
    let config = config(dir.path()).capacity(CAPACITY).volume_len(256 << 10).fs(Arc::new(fs));
    let backend = FileBackend::open(config).await.unwrap();
    for step in 0..150_usize {
        backend.put(&key(step), entry(1, [3_000, 60_000, 200_000][step % 3])).await.unwrap();
    }
    let most = most.load(Ordering::SeqCst);
    assert!(backend.usage().await.unwrap().evicted > 100 && most > CAPACITY / 2);
    // The mark of the opening is there beside the fixtures for a while.
    assert!(most <= CAPACITY + FIXTURES + 4096, "{most} bytes at once");
}

#[tokio::test]
async fn a_much_lower_capacity_at_a_reopening_is_kept_and_takes_entries() {
    for after in [1 << 20, 4 << 20_u64] {
        let dir = tempfile::tempdir().unwrap();
        let open = |capacity| FileBackend::open(config(dir.path()).capacity(capacity));
        let backend = open(64 << 20).await.unwrap();
        for round in 0..20 {
            let entries = (0..1_000).map(|number| (key(round * 1_000 + number), entry(1, 900))).collect();
            assert!(backend.put_many(entries).await.iter().all(Result::is_ok));
        }
        backend.close().await.unwrap();
        let backend = open(after).await.unwrap();
        let is_within = |when| {
            let bytes = blocks(dir.path());
            assert!(bytes <= after + FIXTURES, "{bytes} of {after} {when}");
        };
        is_within("after the opening");
        assert!(backend.report().entries > after >> 12, "{:?}", backend.report());
        for number in 0..100 {
            backend.put(&key(100_000 + number), entry(2, 900)).await.unwrap();
            backend.put(&key(200_000 + number), entry(2, 9_000)).await.unwrap();
        }
        is_within("after 200 puts");
        let held = backend.usage().await.unwrap().entries;
        assert!(held > after >> 14, "{held} entries in {after} bytes");
        backend.close().await.unwrap();
        let backend = open(after).await.unwrap();
        is_within("after another opening");
        backend.close().await.unwrap();
    }
}
