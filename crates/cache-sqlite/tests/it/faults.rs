//! A medium that refuses: full, not writable, locked.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use cache_core::{Backend, Error, ErrorKind, Retry};
use cache_sqlite::{SqliteBackend, SqliteConfig};
use rusqlite::{Connection, TransactionBehavior};

use crate::support::{child_dir, config, entry, file, fill, is_whole, key, open};

fn is_unavailable(error: &Error, operation: &str, message: &str) {
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error:?}");
    assert_eq!((error.backend(), error.operation()), (Some("sqlite"), Some(operation)), "{error:?}");
    assert!(error.message().contains(message), "{error} does not say {message:?}");
}

/// Runs a test as a child in which a file system of its own is mounted.
fn child_on_mount(test: &str, options: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o {options} none \"$1\" && exec \"$2\" --exact {test} --nocapture");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command.arg(dir.path()).arg(std::env::current_exe().unwrap()).env("CACHE_SQLITE_TEST_DIR", dir.path());
    command.output().expect("unshare (util-linux) runs")
}

fn passed(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}\n{err}");
}

/// A child of the next test, on a file system of 6 MiB.
#[tokio::test]
async fn child_fills_the_disk() {
    let Some(dir) = child_dir() else { return };
    let backend = open(&dir).await;
    fill(&backend, 5).await;
    let mut refused = None;
    for number in 10..200 {
        if let Err(error) = backend.put(&key(number), entry(1, 100_000)).await {
            refused = Some((number, error));
            break;
        }
    }
    let (number, error) = refused.expect("a full disk");
    is_unavailable(&error, "put", "the disk is full");
    is_whole(&backend, 5).await;
    assert_eq!(backend.get(&key(number)).await.unwrap(), None);
    let held = number - 10;
    assert!(held > 5, "{held} entries before the disk was full");
    for number in 10..10 + held {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(entry(1, 100_000)), "key {number}");
    }
    assert_eq!(backend.usage().await.unwrap().entries, held as u64 + 5);
    assert_eq!(backend.report().restarts, 0);
}

#[test]
fn a_full_disk_refuses_puts_and_keeps_what_is_there() {
    passed(&child_on_mount("faults::child_fills_the_disk", "size=6m"));
}

/// A child of the next test: the file system is made read-only under an open database.
#[tokio::test]
async fn child_loses_the_right_to_write() {
    let Some(dir) = child_dir() else { return };
    fill(&open(&dir).await, 5).await;
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&dir).status().unwrap();
    assert!(remounted.success());
    let error = SqliteBackend::open(config(&dir)).await.unwrap_err();
    is_unavailable(&error, "open", "read-only file system");
}

#[test]
fn a_read_only_file_system_is_told() {
    passed(&child_on_mount("faults::child_loses_the_right_to_write", "size=6m"));
}

#[tokio::test]
async fn a_lock_held_for_longer_than_the_busy_timeout_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(200);
    let backend = SqliteBackend::open(config(dir.path()).busy_timeout(patience)).await.unwrap();
    fill(&backend, 5).await;
    let mut other = Connection::open(file(dir.path())).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let start = Instant::now();
    let error = backend.put(&key(1), entry(9, 10)).await.unwrap_err();
    is_unavailable(&error, "put", "another process has the database locked");
    assert!(start.elapsed() >= patience, "it waited for {:?}", start.elapsed());
    is_whole(&backend, 5).await;
    drop(lock);
    backend.put(&key(1), entry(9, 10)).await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap(), Some(entry(9, 10)));
}

#[tokio::test]
async fn paths_that_cannot_be_are_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = SqliteBackend::open(SqliteConfig::new(file.path().join("below/cache.db"))).await.unwrap_err();
    is_unavailable(&error, "open", file.path().to_str().unwrap());
    let error = SqliteBackend::open(SqliteConfig::new(Path::new("/nowhere/cache.db"))).await.unwrap_err();
    is_unavailable(&error, "open", "make its directory first");
    let refused = [
        SqliteConfig::new("/"),
        SqliteConfig::new("cache.db").readers(0),
        SqliteConfig::new("cache.db").busy_timeout(Duration::from_hours(2)),
    ];
    for config in refused {
        let error = SqliteBackend::open(config).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Invalid, Some("open")), "{error:?}");
    }
}

#[tokio::test]
async fn a_directory_taken_away_is_told_and_its_return_noticed() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (here, away) = (dir.path().join("cache"), elsewhere.path().join("cache"));
    std::fs::create_dir(&here).unwrap();
    let backend = open(&here).await;
    fill(&backend, 5).await;
    std::fs::rename(&here, &away).unwrap();
    for _ in 0..2 {
        is_unavailable(&backend.get(&key(1)).await.unwrap_err(), "get", "make its directory first");
        is_unavailable(&backend.put(&key(1), entry(9, 10)).await.unwrap_err(), "put", "make its directory first");
    }
    std::fs::rename(&away, &here).unwrap();
    is_whole(&backend, 5).await;
}
