//! Several processes and several lives: locks, kills, cancellation.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use cache_core::{Backend, ErrorKind, Retry};
use cache_file::{DirectoryInUse, FileBackend, FileConfig, IndexOrigin};

use crate::support::{config, entry, fill, is_whole, key, open};

/// Where a child of these tests finds its directory.
pub(crate) const DIR: &str = "CACHE_FILE_TEST_DIR";

/// Runs one of the tests below as a process of its own, on `dir`.
pub(crate) fn child(test: &str, dir: &Path) -> Output {
    let exe = std::env::current_exe().unwrap();
    Command::new(exe).args(["--exact", test, "--nocapture"]).env(DIR, dir).output().unwrap()
}

/// The directory, when this process is a child.
pub(crate) fn child_dir() -> Option<std::path::PathBuf> {
    std::env::var_os(DIR).map(Into::into)
}

fn in_use(opened: cache_core::Result<FileBackend>, holder: u32) {
    let error = opened.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
    let told_as = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<DirectoryInUse>());
    assert_eq!(told_as.and_then(|in_use| in_use.process), Some(holder));
    let told = format!("in use by process {holder}");
    assert!(error.message().contains(&told), "{error} does not say {told:?}");
}

/// A child of the next test; passes as a test of its own.
#[tokio::test]
async fn child_meets_the_lock() {
    let Some(dir) = child_dir() else { return };
    let holder = fs::read_to_string(dir.join("holder")).unwrap().parse().unwrap();
    let start = Instant::now();
    in_use(FileBackend::open(config(&dir)).await, holder);
    assert!(start.elapsed() < Duration::from_secs(5), "a held lock is told at once");
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 4).await;
    fs::write(dir.path().join("holder"), std::process::id().to_string()).unwrap();
    let output = child("process::child_meets_the_lock", dir.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    is_whole(&backend, 4).await;
}

#[tokio::test]
async fn a_second_backend_of_one_process_is_told_too() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    in_use(FileBackend::open(config(dir.path())).await, std::process::id());
    backend.close().await.unwrap();
    open(dir.path()).await.close().await.unwrap();
}

#[tokio::test]
async fn a_closed_directory_opens_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let backend = open(dir.path()).await;
        backend.put(&key(0), entry(round + 1, 3_000)).await.unwrap();
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn closes_at_the_same_time_all_wait_for_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    let (one, two) = tokio::join!(backend.close(), backend.close());
    assert!(one.is_ok() && two.is_ok());
    open(dir.path()).await;
}

/// A child of the next test: writes, then ends without a word.
#[tokio::test]
async fn child_is_killed() {
    let Some(dir) = child_dir() else { return };
    let backend = open(&dir).await;
    fill(&backend, 40).await;
    std::process::abort();
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_killed_process() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!child("process::child_is_killed", dir.path()).status.success());
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().index, IndexOrigin::Recovered);
    is_whole(&backend, 40).await;
    assert_eq!(backend.disk().volumes, backend.disk().records);
}

#[tokio::test]
async fn a_cancelled_put_is_whole_or_absent_and_leaks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    for number in 0..50 {
        backend.put(&key(number), entry(1, 10_000)).await.unwrap();
        let key = key(number);
        let mut put = std::pin::pin!(backend.put(&key, entry(2, 60_000)));
        // Polled a few times, then dropped.
        for _ in 0..number % 5 {
            if put.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    for number in 0..50 {
        let found = backend.get(&key(number)).await.unwrap().unwrap();
        assert!(found == entry(1, 10_000) || found == entry(2, 60_000), "key {number}");
    }
    assert_eq!(backend.disk().volumes, backend.disk().records);
}

#[tokio::test]
async fn paths_that_cannot_be_directories_are_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path().to_owned(), file.path().join("below")] {
        let error = FileBackend::open(FileConfig::new(&path)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(error.to_string().contains("not a directory"), "{error}");
    }
    let error = FileBackend::open(FileConfig::new("")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
