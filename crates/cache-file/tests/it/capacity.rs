//! What stays when there is no room: free space of others, costly entries, and what was read before a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{io, path::Path};

use cache_core::{Backend, Entry, PolicyKind};
use cache_file::{FileBackend, Fs, FsFile, Listed, OpenMode, RealFs};

use crate::support::{FIXTURES, blocks, config, entry, key, meta};

/// The operating system's files on a disk with so much space left.
#[derive(Debug, Clone, Default)]
struct Shrinking(Arc<AtomicU64>);

impl Fs for Shrinking {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        RealFs::default().open(path, mode)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        RealFs::default().list(dir)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealFs::default().create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs::default().rename(from, to)
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        RealFs::default().delete(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealFs::default().sync_dir(dir)
    }

    fn available(&self, dir: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst).saturating_sub(blocks(dir)))
    }
}

#[tokio::test]
async fn free_space_down_to_the_floor_is_left_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Shrinking::default();
    disk.0.store(40 << 20, Ordering::SeqCst);
    let config = config(dir.path()).fs(Arc::new(disk.clone())).free_floor(30 << 20);
    let backend = FileBackend::open(config).await.unwrap();
    for number in 0..300 {
        backend.put(&key(number), entry(1, 60_000)).await.unwrap();
        let taken = blocks(dir.path());
        assert!(taken <= (10 << 20) + FIXTURES + 120_000, "put {number}: {taken} of 10 MiB");
    }
    let held = backend.usage().await.unwrap().entries;
    assert!(held > 100, "{held} entries in 10 MiB");
    // Others take nearly all of it: the cache makes way.
    disk.0.store(32 << 20, Ordering::SeqCst);
    backend.put(&key(400), entry(1, 1_000)).await.unwrap();
    assert!(blocks(dir.path()) <= (2 << 20) + FIXTURES, "{}", blocks(dir.path()));
    disk.0.store(40 << 20, Ordering::SeqCst);
    for number in 0..120 {
        backend.put(&key(number), entry(2, 60_000)).await.unwrap();
    }
    assert!(backend.usage().await.unwrap().entries > 100, "it grows back");
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
        std::fs::write(dir.path().join("recent"), damage).unwrap();
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
