//! Small helpers of all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cache_core::{Backend, Entry, Key, ManualClock, Meta, Stamp, Timestamp};
use cache_sqlite::{SqliteBackend, SqliteConfig};
use cache_testkit::body_of;

/// Where the clocks of tests stand.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Where a child of a test finds its directory.
const DIR: &str = "CACHE_SQLITE_TEST_DIR";

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOW))
}

/// The database of the tests in `dir`.
pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join("cache.db")
}

/// A configuration with room for every test that does not ask for less.
pub(crate) fn config(dir: &Path) -> SqliteConfig {
    SqliteConfig::new(file(dir)).clock(clock()).capacity(256 << 20)
}

pub(crate) async fn open(dir: &Path) -> SqliteBackend {
    SqliteBackend::open(config(dir)).await.unwrap()
}

pub(crate) fn key(number: usize) -> Key {
    Key::of("test").part(number).build().unwrap()
}

pub(crate) fn entry(stamp: u64, len: usize) -> Entry {
    Entry::new(Meta::new(Stamp::from_u64(stamp), NOW), body_of(stamp, len))
}

/// Entries within one page, and beyond.
pub(crate) fn mixed(number: usize) -> Entry {
    entry(number as u64 + 1, [0, 10, 300, 5_000, 70_000][number % 5])
}

pub(crate) async fn fill(backend: &dyn Backend, count: usize) {
    let entries = (0..count).map(|number| (key(number), mixed(number))).collect();
    for answer in backend.put_many(entries).await {
        answer.unwrap();
    }
}

pub(crate) async fn is_whole(backend: &dyn Backend, count: usize) {
    for number in 0..count {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(mixed(number)), "key {number}");
    }
}

/// One of the tests, as a process of its own on `dir`.
pub(crate) fn child_command(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(DIR, dir);
    command
}

/// The directory, when this process is a child.
pub(crate) fn child_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(Into::into)
}

/// What was moved aside in `dir`, without the logs that belong to it.
pub(crate) fn aside(dir: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(dir).unwrap().map(|found| found.unwrap().path());
    let is_aside = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("cache.db.aside-") && !name.ends_with("-wal")
    };
    found.filter(is_aside).collect()
}
