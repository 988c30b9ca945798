//! Small helpers of all tests.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::{Backend, Entry, Key, ManualClock, Meta, Stamp, Timestamp};
use cache_file::{FileBackend, FileConfig};

/// Where the clocks of tests stand.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW))
}

/// A configuration with room for every test that does not ask for less.
pub(crate) fn config(dir: &Path) -> FileConfig {
    FileConfig::new(dir).clock(clock()).capacity(64 << 20)
}

pub(crate) async fn open(dir: &Path) -> FileBackend {
    FileBackend::open(config(dir)).await.unwrap()
}

pub(crate) fn key(number: usize) -> Key {
    Key::of("test").part(number).build().unwrap()
}

pub(crate) fn meta(stamp: u64) -> Meta {
    Meta::new(Stamp::from_u64(stamp), NOW)
}

/// An entry whose body follows from its stamp.
pub(crate) fn entry(stamp: u64, len: usize) -> Entry {
    let mut mixed = stamp.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let body: Vec<u8> = (0..len)
        .map(|_| {
            mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (mixed >> 56) as u8
        })
        .collect();
    Entry::new(meta(stamp), body)
}

/// Entries on both sides of the limit between index and volumes.
pub(crate) fn mixed(number: usize) -> Entry {
    entry(number as u64 + 1, [10, 300, 5_000, 70_000][number % 4])
}

pub(crate) async fn fill(backend: &FileBackend, count: usize) {
    for number in 0..count {
        backend.put(&key(number), mixed(number)).await.unwrap();
    }
}

pub(crate) async fn is_whole(backend: &FileBackend, count: usize) {
    for number in 0..count {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(mixed(number)), "key {number}");
    }
}

/// Blocks of a directory's files. The directories themselves are not counted.
pub(crate) fn blocks(path: &Path) -> u64 {
    let meta = fs::symlink_metadata(path).unwrap();
    if !meta.is_dir() {
        return meta.blocks() * 512;
    }
    fs::read_dir(path).unwrap().map(|found| blocks(&found.unwrap().path())).sum()
}

pub(crate) fn volume(dir: &Path, number: u32) -> PathBuf {
    dir.join("volumes").join(format!("{number:08}.vol"))
}

/// What the directory takes beyond index and volumes: lock and tag.
pub(crate) const FIXTURES: u64 = 8 << 10;
