//! What stays when there is no room: costly entries, marks, and what was read before a restart.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Clock, Entry, PolicyKind, Role};
use cache_file::FileBackend;
use cache_testkit::{EvictionLog, check_eviction_listener};

use crate::support::{clock, config, entry, key, meta};

#[tokio::test]
async fn who_listens_hears_of_what_left_by_itself_and_of_nothing_else() {
    let (dir, clock, log) = (tempfile::tempdir().unwrap(), clock(), Arc::new(EvictionLog::default()));
    let config = config(dir.path()).clock(clock.clone()).entries(4).policy(PolicyKind::Lru).listener(log.clone());
    let backend = FileBackend::open(config).await.unwrap();
    check_eviction_listener(&backend, &clock, &log).await.unwrap();
}

#[tokio::test]
async fn costly_entries_outlast_cheap_ones_under_gdsf() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(config(dir.path()).capacity(4 << 20).policy(PolicyKind::Gdsf)).await.unwrap();
    let costly = |stamp| {
        let mut meta = meta(stamp);
        meta.cost = Duration::from_mins(1);
        Entry::new(meta, vec![1; 20_000])
    };
    for number in 0..20 {
        backend.put(&key(number), costly(1)).await.unwrap();
    }
    for number in 100..600 {
        backend.put(&key(number), entry(1, 20_000)).await.unwrap();
    }
    for number in 0..20 {
        assert!(backend.get(&key(number)).await.unwrap().is_some(), "costly entry {number} was evicted");
    }
}

#[tokio::test]
async fn what_was_read_before_a_restart_outlasts_what_was_not() {
    for policy in [PolicyKind::Lru, PolicyKind::S3Fifo] {
        let dir = tempfile::tempdir().unwrap();
        let open = || FileBackend::open(config(dir.path()).capacity(4 << 20).policy(policy));
        let backend = open().await.unwrap();
        for number in 0..60 {
            backend.put(&key(number), entry(1, 50_000)).await.unwrap();
        }
        for number in (0..60).map(|read| read % 20) {
            assert!(backend.get(&key(number)).await.unwrap().is_some());
        }
        backend.close().await.unwrap();
        let backend = open().await.unwrap();
        for number in 100..150 {
            backend.put(&key(number), entry(1, 50_000)).await.unwrap();
        }
        for number in 0..20 {
            assert!(backend.get(&key(number)).await.unwrap().is_some(), "{policy}: {number} was read and is gone");
        }
    }
}

#[tokio::test]
async fn a_damaged_list_of_what_was_read_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for damage in [&b""[..], b"RLCH", &[0xFF; 4096]] {
        fs::write(dir.path().join("recent"), damage).unwrap();
        let backend = FileBackend::open(config(dir.path())).await.unwrap();
        backend.put(&key(1), entry(9, 3_000)).await.unwrap();
        assert_eq!(backend.get(&key(1)).await.unwrap(), Some(entry(9, 3_000)));
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn short_entries_do_not_take_the_room_of_long_ones() {
    let dir = tempfile::tempdir().unwrap();
    let capacity = 16 << 20;
    let backend = FileBackend::open(config(dir.path()).capacity(capacity).policy(PolicyKind::Lru)).await.unwrap();
    let mut most = 0;
    for number in 0..20_000 {
        backend.put(&key(number), entry(1, 900)).await.unwrap();
        most = most.max(backend.disk().index);
        assert!(backend.disk().total() <= capacity, "{:?}", backend.disk());
    }
    assert!(most <= capacity / 2, "the index took {most} of {capacity}");
    for number in 30_000..30_400 {
        backend.put(&key(number), entry(1, 60_000)).await.unwrap();
    }
    let usage = backend.usage().await.unwrap();
    assert!(backend.disk().records > capacity / 2, "{usage:?}, {:?}", backend.disk());
}

#[tokio::test]
async fn the_bound_on_entries_is_one_for_short_and_long_ones() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(config(dir.path()).entries(100).policy(PolicyKind::Lru)).await.unwrap();
    for (round, len) in [(0, 100), (1, 5_000), (2, 100)] {
        for number in 0..150 {
            backend.put(&key(1_000 * round + number), entry(1, len)).await.unwrap();
            assert!(backend.usage().await.unwrap().entries <= 100);
        }
        let mut held = 0;
        for number in 0..150 {
            held += u64::from(backend.get(&key(1_000 * round + number)).await.unwrap().is_some());
        }
        assert!(held >= 45, "round {round}: {held} of those put last are held");
    }
}

#[tokio::test]
async fn what_was_read_outlasts_what_was_not_when_the_capacity_shrinks() {
    for policy in [PolicyKind::Lru, PolicyKind::S3Fifo, PolicyKind::Gdsf] {
        let dir = tempfile::tempdir().unwrap();
        let open = |capacity| FileBackend::open(config(dir.path()).capacity(capacity).policy(policy));
        let backend = open(8 << 20).await.unwrap();
        for number in 0..100 {
            backend.put(&key(number), entry(number as u64 + 1, 50_000)).await.unwrap();
        }
        for number in (0..100).map(|read| read % 20) {
            assert!(backend.get(&key(number)).await.unwrap().is_some());
        }
        backend.close().await.unwrap();
        let backend = open(3 << 20).await.unwrap();
        let mut hot = 0;
        for number in 0..20 {
            hot += usize::from(backend.get(&key(number)).await.unwrap().is_some());
        }
        let held = backend.usage().await.unwrap().entries;
        assert!(hot >= 18 && held > 40, "{policy}: {hot} of 20 that were read are among {held} that are held");
    }
}

#[tokio::test]
async fn what_was_read_is_written_down_every_five_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let backend = FileBackend::open(config(dir.path()).clock(clock.clone())).await.unwrap();
    let list = || fs::metadata(dir.path().join("recent")).map_or(0, |meta| meta.len());
    for round in 0..3_u64 {
        backend.put(&key(round as usize), entry(round + 1, 10)).await.unwrap();
        assert!(backend.get(&key(round as usize)).await.unwrap().is_some());
        clock.set(clock.now().after(Duration::from_secs(299)));
        let before = list();
        backend.put(&key(100), entry(2 * round + 10, 10)).await.unwrap();
        assert_eq!(list(), before, "too early");
        clock.set(clock.now().after(Duration::from_secs(2)));
        backend.put(&key(100), entry(2 * round + 11, 10)).await.unwrap();
        assert!(list() > before, "round {round}: {before} bytes before");
    }
}

fn mark(stamp: u64) -> Entry {
    let mut meta = meta(stamp);
    meta.role = Role::Mark;
    Entry::new(meta, "mark")
}

async fn marks(backend: &FileBackend, count: usize) -> usize {
    let mut held = 0;
    for number in 0..count {
        held += usize::from(backend.get(&key(number)).await.unwrap() == Some(mark(number as u64 + 1)));
    }
    held
}

#[tokio::test]
async fn marks_in_sparse_volumes_outlast_values() {
    const VOLUMES: usize = 2 * 16 + 64;
    let dir = tempfile::tempdir().unwrap();
    let config = || config(dir.path()).capacity(1 << 20).volume_len(64 << 10).policy(PolicyKind::Lru);
    let backend = FileBackend::open(config()).await.unwrap();
    for number in 0..120 {
        backend.put(&key(number), mark(number as u64 + 1)).await.unwrap();
        for more in 0..3 {
            backend.put(&key(1_000 + number * 10 + more), entry(1, 59_000)).await.unwrap();
        }
        assert!(fs::read_dir(dir.path().join("volumes")).unwrap().count() <= VOLUMES);
        assert!(backend.disk().total() <= 1 << 20, "{:?}", backend.disk());
    }
    let usage = backend.usage().await.unwrap();
    assert_eq!(marks(&backend, 120).await, 120, "marks went while values stayed, {usage:?}");
    assert!(usage.corrupt == 0 && usage.entries > 125, "{usage:?}");
    backend.close().await.unwrap();
    // They are in the volumes, as marks have to be.
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let backend = FileBackend::open(config()).await.unwrap();
    assert_eq!(marks(&backend, 120).await, 120);
}

#[tokio::test]
async fn marks_outlast_short_values_whatever_the_bound() {
    for (capacity, entries) in [(1 << 20, u64::MAX), (64 << 20, 150)] {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path()).capacity(capacity).entries(entries).policy(PolicyKind::Lru);
        let backend = FileBackend::open(config).await.unwrap();
        for number in 0..100 {
            backend.put(&key(number), mark(number as u64 + 1)).await.unwrap();
        }
        for number in 0..3_000 {
            backend.put(&key(1_000 + number), entry(1, 400)).await.unwrap();
        }
        let usage = backend.usage().await.unwrap();
        assert_eq!(marks(&backend, 100).await, 100, "{usage:?}");
        assert!(usage.entries > 140, "{usage:?}");
    }
}

#[tokio::test]
async fn marks_outlast_short_values_when_the_capacity_shrinks() {
    for capacity in [560 << 10, 640 << 10, 800 << 10] {
        let dir = tempfile::tempdir().unwrap();
        let backend = FileBackend::open(config(dir.path())).await.unwrap();
        for number in 0..100 {
            backend.put(&key(number), mark(number as u64 + 1)).await.unwrap();
        }
        for number in 0..600 {
            backend.put(&key(1_000 + number), entry(1, 400)).await.unwrap();
        }
        backend.close().await.unwrap();
        let backend = FileBackend::open(config(dir.path()).capacity(capacity)).await.unwrap();
        assert!(backend.disk().total() <= capacity, "{:?}", backend.disk());
        assert_eq!(marks(&backend, 100).await, 100, "{capacity}: {:?}", backend.report());
        assert!(backend.report().evicted > 0);
    }
}
