//! One fault at an opening: what it leaves behind takes nothing of what is put later.

use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use cache_core::{Backend, Entry, PolicyKind, Role};
use cache_file::FileBackend;
use tempfile::TempDir;

use crate::faulty_fs::FaultyFs;
use crate::support::{config, entry, key};

const OLD: usize = 40;
const LEN: usize = 100_000;
/// What is put after the fault.
const NEW: RangeInclusive<usize> = 1_000..=MARK;
const MARK: usize = 1_010;

/// Entries that do not fit at an opening are taken out of the index. A fault may keep them in it.
#[tokio::test]
async fn what_a_failed_opening_left_in_the_index_takes_nothing_of_what_was_put_later() {
    let first = closed().await;
    for fault in 1..60 {
        let fs = FaultyFs::default();
        fs.fail(fault, 1);
        if !lose_nothing(first.path(), &fs, &format!("fault {fault}")).await {
            return;
        }
    }
    panic!("the openings were not over");
}

#[tokio::test]
async fn nor_does_what_two_faults_left_in_it() {
    let first = closed().await;
    for (fault, next) in (20..26).flat_map(|fault| (1..9).map(move |next| (fault, fault + next))) {
        let fs = FaultyFs::default();
        fs.fail(fault, 1);
        fs.fail_again(next);
        lose_nothing(first.path(), &fs, &format!("faults {fault} and {next}")).await;
    }
}

/// A directory with entries; what lies last is the oldest.
async fn closed() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(config(dir.path())).await.unwrap();
    for number in 0..OLD {
        backend.put(&key(number), entry((OLD - number) as u64, LEN)).await.unwrap();
    }
    backend.close().await.unwrap();
    dir
}

/// Opens a copy of `first`, too long for the capacity, on `fs`, puts, closes, and opens it again; whether `fs` failed.
async fn lose_nothing(first: &Path, fs: &FaultyFs, faults: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    copy(first, dir.path());
    let small = config(dir.path()).capacity(2 << 20).policy(PolicyKind::Fifo).fs(Arc::new(fs.clone()));
    let Ok(backend) = FileBackend::open(small).await else { return true };
    let has_failed = fs.heal();
    let is_new = |number: usize| if number == MARK { mark() } else { entry(5_000, 20_000) };
    for number in NEW {
        backend.put(&key(number), is_new(number)).await.unwrap();
    }
    for number in NEW {
        assert!(backend.get(&key(number)).await.unwrap() == Some(is_new(number)), "{faults}: {number} is not held");
    }
    assert!(backend.usage().await.unwrap().entries > NEW.count() as u64, "{faults}: all others were evicted");
    backend.close().await.unwrap();
    drop(backend);
    let backend = FileBackend::open(config(dir.path())).await.unwrap();
    for number in 0..OLD {
        let found = backend.get(&key(number)).await.unwrap();
        assert!(found.is_none_or(|found| found == entry((OLD - number) as u64, LEN)), "{faults}: {number}");
    }
    for number in NEW {
        assert!(backend.get(&key(number)).await.unwrap() == Some(is_new(number)), "{faults}: {number} was lost");
    }
    assert_eq!(backend.usage().await.unwrap().corrupt, 0, "{faults}");
    has_failed
}

fn mark() -> Entry {
    let mut mark = entry(5_000, 100);
    mark.meta.role = Role::Mark;
    mark
}

/// Copies a directory. A process that is started for that would hold the locks of other tests for a moment.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for found in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(found.file_name());
        if found.file_type().unwrap().is_dir() {
            copy(&found.path(), &target);
        } else {
            fs::copy(found.path(), target).unwrap();
        }
    }
}
