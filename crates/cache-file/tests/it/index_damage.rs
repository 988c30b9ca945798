//! A damaged index: the backend opens all the same, in a process of its own because the library may abort.

use std::fs;
use std::path::Path;

use cache_core::{Backend, Role, Stamp};
use cache_file::{FileBackend, IndexOrigin};

use crate::process::{child, child_dir};
use crate::support::{config, entry, fill, is_whole, key, mixed, open};

const ENTRIES: usize = 60;
/// Starts until a directory opens: two may be ended by the index library, the third distrusts the index.
const STARTS: usize = 3;

/// A closed directory, once for all cases.
async fn closed_directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, ENTRIES).await;
    backend.close().await.unwrap();
    dir
}

/// A copy of `dir`, with its seal, whose index has the given bytes.
fn copy_with_index(dir: &Path, index: &[u8]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("volumes")).unwrap();
    for found in fs::read_dir(dir.join("volumes")).unwrap() {
        let name = found.unwrap().file_name();
        fs::copy(dir.join("volumes").join(&name), copy.path().join("volumes").join(&name)).unwrap();
    }
    fs::copy(dir.join("index.seal"), copy.path().join("index.seal")).unwrap();
    fs::write(copy.path().join("index.redb"), index).unwrap();
    copy
}

/// A child of the tests below: every entry is right or absent, and writing works.
#[tokio::test]
async fn child_uses_a_damaged_directory() {
    let Some(dir) = child_dir() else { return };
    let backend = FileBackend::open(config(&dir)).await.unwrap();
    for number in 0..ENTRIES {
        let found = backend.get(&key(number)).await.unwrap();
        assert!(found.is_none() || found == Some(mixed(number)), "key {number}");
        backend.stat(&key(number)).await.unwrap();
    }
    backend.put(&key(1_000), entry(1, 10)).await.unwrap();
    backend.put(&key(1_001), entry(1, 10_000)).await.unwrap();
    backend.close().await.unwrap();
    let backend = FileBackend::open(config(&dir)).await.unwrap();
    assert_eq!(backend.get(&key(1_000)).await.unwrap(), Some(entry(1, 10)));
    assert_eq!(backend.get(&key(1_001)).await.unwrap(), Some(entry(1, 10_000)));
    assert_eq!(backend.disk().volumes, backend.disk().records);
}

fn opens(dir: &Path, what: &str) {
    let mut starts = 0;
    loop {
        let run = child("index_damage::child_uses_a_damaged_directory", dir);
        if run.status.success() {
            return;
        }
        starts += 1;
        // A failed assertion is no abort: more starts would hide it.
        let aborted = run.status.code().is_none();
        assert!(aborted && starts < STARTS, "{what}: {}", String::from_utf8_lossy(&run.stdout));
    }
}

#[tokio::test]
async fn a_flipped_bit_or_byte_in_the_index_is_survived() {
    let dir = closed_directory().await;
    let whole = fs::read(dir.path().join("index.redb")).unwrap();
    // The headers densely, then where pages have bytes.
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let positions = (0..320).step_by(16).chain(used.iter().copied().step_by(used.len() / 60));
    for position in positions {
        for mask in [1 << (position % 8), 0xFF] {
            let mut bytes = whole.clone();
            bytes[position] ^= mask;
            opens(copy_with_index(dir.path(), &bytes).path(), &format!("byte {position} ^ {mask:#x}"));
        }
    }
}

#[tokio::test]
async fn a_cut_zeroed_or_foreign_index_is_survived() {
    let dir = closed_directory().await;
    let whole = fs::read(dir.path().join("index.redb")).unwrap();
    for cut in [0, 1, 9, 100, 4_096, whole.len() / 2, whole.len() - 1] {
        opens(copy_with_index(dir.path(), &whole[..cut]).path(), &format!("cut to {cut}"));
    }
    for page in (0..whole.len()).step_by(4_096).filter(|page| whole[*page..page + 4_096].iter().any(|byte| *byte != 0))
    {
        let mut bytes = whole.clone();
        bytes[page..page + 4_096].fill(0);
        opens(copy_with_index(dir.path(), &bytes).path(), &format!("page at {page} zeroed"));
    }
    for garbage in [vec![0; 50_000], vec![0xFF; 50_000], b"redb\x1A\x0A\xA9\x0D\x0A and then nothing".to_vec()] {
        opens(copy_with_index(dir.path(), &garbage).path(), "garbage");
    }
}

#[tokio::test]
async fn a_damaged_index_is_kept_in_quarantine_at_most_twice() {
    let dir = closed_directory().await;
    for round in 0..4 {
        fs::write(dir.path().join("index.redb"), format!("garbage {round}")).unwrap();
        let backend = open(dir.path()).await;
        assert_eq!(backend.report().index, IndexOrigin::Rebuilt);
        assert_eq!(backend.get(&key(3)).await.unwrap(), Some(mixed(3)));
        backend.close().await.unwrap();
    }
    let mut kept: Vec<_> = fs::read_dir(dir.path().join("quarantine"))
        .unwrap()
        .map(|found| fs::read_to_string(found.unwrap().path()).unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["garbage 2", "garbage 3"]);
}

#[tokio::test]
async fn openings_that_ended_at_different_steps_are_forgiven() {
    let dir = closed_directory().await;
    let [one, other] = [7, 8].map(|step: u64| format!("{step:016x}\n"));
    for marker in [String::new(), "1\n".to_owned(), format!("2\n{one}{other}"), format!("4\n{other}{one}")] {
        fs::write(dir.path().join("opening"), marker).unwrap();
        let backend = open(dir.path()).await;
        assert_eq!(backend.report().index, IndexOrigin::Opened);
        is_whole(&backend, ENTRIES).await;
        assert!(!dir.path().join("opening").exists());
        backend.close().await.unwrap();
    }
}

#[tokio::test]
async fn after_two_ends_at_one_step_or_five_anywhere_the_index_is_not_opened() {
    for marker in ["2\n00000000000000ff\n00000000000000ff\n", "5\n0000000000000001\n0000000000000002\n"] {
        let dir = closed_directory().await;
        fs::write(dir.path().join("opening"), marker).unwrap();
        let backend = open(dir.path()).await;
        assert_eq!(backend.report().index, IndexOrigin::Rebuilt);
        assert_eq!(backend.get(&key(3)).await.unwrap(), Some(mixed(3)));
        assert!(!dir.path().join("opening").exists());
    }
}

#[tokio::test]
async fn an_index_whose_creation_crashed_is_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("index.redb.new"), "half of an index").unwrap();
    fs::write(dir.path().join("opening"), "1\n").unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().index, IndexOrigin::Created);
    fill(&backend, 8).await;
    is_whole(&backend, 8).await;
}

#[tokio::test]
async fn a_mark_comes_back_with_the_volumes_when_the_index_is_lost() {
    for renewed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let backend = open(dir.path()).await;
        let mut mark = entry(1, 10);
        mark.meta.role = Role::Mark;
        backend.put(&key(0), mark.clone()).await.unwrap();
        backend.put(&key(1), entry(1, 10)).await.unwrap();
        if renewed {
            let mut meta = mark.meta.clone();
            meta.stamp = Stamp::from_u64(2);
            assert!(backend.renew(&key(0), mark.meta.stamp, meta).await.unwrap());
        }
        backend.close().await.unwrap();
        fs::remove_file(dir.path().join("index.redb")).unwrap();
        let backend = open(dir.path()).await;
        assert_eq!(backend.get(&key(0)).await.unwrap(), Some(mark));
        assert_eq!(backend.get(&key(1)).await.unwrap(), None, "short values are in the index alone");
        backend.close().await.unwrap();
    }
}
