//! Whatever is found in the directory, it opens and serves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use cache_core::Backend;
use cache_file::{FileBackend, IndexOrigin};

use crate::faulty_fs::FaultyFs;
use crate::support::{FIXTURES, blocks, config, entry, fill, is_whole, key, mixed, open, volume};

const COUNT: usize = 20;

/// Opens a filled directory after `harm`; what is there is right, and writes of both kinds work. Returns the hits.
async fn opens_after(harm: impl FnOnce(&Path)) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, COUNT).await;
    backend.close().await.unwrap();
    harm(dir.path());
    let backend = open(dir.path()).await;
    let mut hits = 0;
    for number in 0..COUNT {
        if let Some(found) = backend.get(&key(number)).await.unwrap() {
            assert_eq!(found, mixed(number));
            hits += 1;
        }
    }
    for (number, len) in [(100, 10), (101, 9_000)] {
        backend.put(&key(number), entry(1, len)).await.unwrap();
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(entry(1, len)));
    }
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.get(&key(101)).await.unwrap(), Some(entry(1, 9_000)));
    hits
}

fn spoil_index(dir: &Path) {
    fs::write(dir.join("index.redb"), vec![7; 100_000]).unwrap();
}

#[tokio::test]
async fn what_stands_in_the_place_of_the_lock_is_moved_away() {
    let directory = |dir: &Path| {
        fs::remove_file(dir.join("lock")).unwrap();
        fs::create_dir(dir.join("lock")).unwrap();
    };
    let link = |dir: &Path| {
        fs::remove_file(dir.join("lock")).unwrap();
        symlink("/nowhere/at/all", dir.join("lock")).unwrap();
    };
    assert_eq!(opens_after(directory).await, COUNT);
    assert_eq!(opens_after(link).await, COUNT);
}

#[tokio::test]
async fn what_stands_in_the_place_of_the_volumes_is_moved_away() {
    let file = |dir: &Path| {
        fs::remove_dir_all(dir.join("volumes")).unwrap();
        fs::write(dir.join("volumes"), "x").unwrap();
    };
    let link = |dir: &Path| {
        fs::remove_dir_all(dir.join("volumes")).unwrap();
        symlink("/nowhere/at/all", dir.join("volumes")).unwrap();
    };
    // Those in the index are there.
    assert_eq!(opens_after(file).await, COUNT / 2);
    assert_eq!(opens_after(link).await, COUNT / 2);
}

#[tokio::test]
async fn a_damaged_index_is_moved_away_whatever_stands_in_the_way() {
    let quarantine = |dir: &Path| {
        spoil_index(dir);
        fs::write(dir.join("quarantine"), "x").unwrap();
    };
    let directory = |dir: &Path| {
        spoil_index(dir);
        fs::create_dir(dir.join("index.redb.new")).unwrap();
    };
    let link = |dir: &Path| {
        spoil_index(dir);
        symlink("/nowhere/at/all", dir.join("index.redb.new")).unwrap();
    };
    let number = |dir: &Path| {
        spoil_index(dir);
        fs::create_dir(dir.join("quarantine")).unwrap();
        fs::write(dir.join(format!("quarantine/{}-x", u64::MAX)), "x").unwrap();
    };
    assert_eq!(opens_after(quarantine).await, COUNT / 2);
    assert_eq!(opens_after(directory).await, COUNT / 2);
    assert_eq!(opens_after(link).await, COUNT / 2);
    assert_eq!(opens_after(number).await, COUNT / 2);
}

#[tokio::test]
async fn a_stray_volume_with_the_last_number_does_not_end_the_numbers() {
    let stray = |dir: &Path| fs::write(volume(dir, u32::MAX), "x").unwrap();
    assert_eq!(opens_after(stray).await, COUNT);
}

#[tokio::test]
async fn a_volume_that_may_not_be_opened_costs_its_entries_alone() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, COUNT).await;
    backend.close().await.unwrap();
    let fs = FaultyFs::default();
    fs.forbid(volume(dir.path(), 1));
    let backend = FileBackend::open(config(dir.path()).fs(Arc::new(fs))).await.unwrap();
    assert_eq!(backend.report().index, IndexOrigin::Opened);
    assert_eq!(backend.report().dangling, COUNT as u64 / 2);
    assert_eq!(backend.get(&key(1)).await.unwrap(), Some(mixed(1)));
    assert_eq!(backend.get(&key(2)).await.unwrap(), None);
}

#[tokio::test]
async fn a_mark_of_an_opening_that_is_no_number_counts_as_one() {
    for content in ["hello", "~", "", "\0"] {
        let mark = |dir: &Path| fs::write(dir.join("opening"), content).unwrap();
        assert_eq!(opens_after(mark).await, COUNT, "{content:?}");
    }
}

#[tokio::test]
async fn what_is_no_file_does_not_stay_in_quarantine() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, COUNT).await;
    backend.close().await.unwrap();
    let stray = volume(dir.path(), 7);
    fs::create_dir(&stray).unwrap();
    fs::write(stray.join("inside"), vec![1; 1 << 20]).unwrap();
    symlink(dir.path().join("CACHEDIR.TAG"), volume(dir.path(), 8)).unwrap();
    let backend = open(dir.path()).await;
    is_whole(&backend, COUNT).await;
    assert_eq!(fs::read_dir(dir.path().join("quarantine")).unwrap().count(), 0);
    assert!(dir.path().join("CACHEDIR.TAG").exists(), "of a link, the link alone is deleted");
    assert_eq!(backend.disk().total() + FIXTURES, blocks(dir.path()));
}

#[tokio::test]
async fn a_link_in_the_place_of_the_volumes_is_not_followed() {
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("00000001.vol"), "x").unwrap();
    let link = |dir: &Path| {
        fs::remove_dir_all(dir.join("volumes")).unwrap();
        symlink(other.path(), dir.join("volumes")).unwrap();
    };
    assert_eq!(opens_after(link).await, COUNT / 2);
    assert_eq!(fs::read(other.path().join("00000001.vol")).unwrap(), b"x", "a file of others was changed");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1, "files were made where others have theirs");
}

#[tokio::test]
async fn a_link_in_the_place_of_the_quarantine_is_not_followed() {
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("photos")).unwrap();
    fs::write(other.path().join("photos/one"), "x").unwrap();
    fs::write(other.path().join("00000001-two"), vec![1; 8 << 20]).unwrap();
    let link = |dir: &Path| symlink(other.path(), dir.join("quarantine")).unwrap();
    assert_eq!(opens_after(link).await, COUNT);
    let needed = |dir: &Path| {
        link(dir);
        spoil_index(dir);
    };
    assert_eq!(opens_after(needed).await, COUNT / 2);
    assert!(other.path().join("photos/one").exists(), "a directory of others was deleted with all that was in it");
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn the_directory_itself_may_be_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    fs::create_dir(dir.path().join("target")).unwrap();
    symlink("target", &link).unwrap();
    for _ in 0..2 {
        let backend = open(&link).await;
        fill(&backend, COUNT).await;
        is_whole(&backend, COUNT).await;
        backend.close().await.unwrap();
    }
    assert!(dir.path().join("target/index.redb").exists());
}
