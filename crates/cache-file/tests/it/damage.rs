//! Damaged volumes: a miss, never wrong bytes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cache_core::{Backend, Cause, Entry};
use cache_file::{FileBackend, FileConfig};
use cache_testkit::EvictionLog;

use crate::support::{config, entry, fill, is_whole, key, meta, mixed, open, volume};

/// A backend with one entry in a volume and an undamaged neighbour in the next.
async fn prepared(dir: &Path, len: usize) -> FileBackend {
    let backend = FileBackend::open(alone(dir)).await.unwrap();
    backend.put(&key(0), entry(1, len)).await.unwrap();
    backend.put(&key(1), entry(2, 70_000)).await.unwrap();
    backend
}

fn alone(dir: &Path) -> FileConfig {
    config(dir).volume_len(64 << 10)
}

/// The damaged entry is gone for good and counted, its neighbour is not touched.
async fn is_dropped(backend: &FileBackend, what: &str) {
    assert_eq!(backend.get(&key(0)).await.unwrap(), None, "{what}");
    let usage = backend.usage().await.unwrap();
    assert_eq!((usage.corrupt, usage.entries), (1, 1), "{what}");
    assert_eq!(backend.get(&key(0)).await.unwrap(), None, "{what}");
    assert_eq!(backend.usage().await.unwrap().corrupt, 1, "{what}: counted once");
    assert_eq!(backend.get(&key(1)).await.unwrap(), Some(entry(2, 70_000)), "{what}");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_record_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let backend = prepared(dir.path(), 5_000).await;
    let whole = fs::read(volume(dir.path(), 1)).unwrap();
    backend.close().await.unwrap();
    // Header, key and meta densely, the body here and there.
    let positions = (0..100).chain((100..whole.len()).step_by(487)).chain([whole.len() - 1]);
    for position in positions {
        let dir = tempfile::tempdir().unwrap();
        let backend = prepared(dir.path(), 5_000).await;
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << (position % 8);
        fs::write(volume(dir.path(), 1), bytes).unwrap();
        is_dropped(&backend, &format!("byte {position}")).await;
    }
}

#[tokio::test]
async fn who_listens_hears_of_what_did_not_verify() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Arc::new(EvictionLog::default()));
    let backend = FileBackend::open(config(dir.path()).listener(log.clone())).await.unwrap();
    backend.put(&key(0), entry(1, 5_000)).await.unwrap();
    fs::OpenOptions::new().write(true).open(volume(dir.path(), 1)).unwrap().set_len(40).unwrap();
    assert_eq!(backend.get(&key(0)).await.unwrap(), None);
    // The count comes with the news.
    assert_eq!(backend.usage().await.unwrap().corrupt, 1);
    assert_eq!(
        log.heard().iter().map(|heard| (&heard.key, heard.cause)).collect::<Vec<_>>(),
        [(&key(0), Cause::Corrupt)]
    );
}

#[tokio::test]
async fn a_cut_record_is_a_miss() {
    for cut in [0, 1, 24, 40, 4_096, 5_000] {
        let dir = tempfile::tempdir().unwrap();
        let backend = prepared(dir.path(), 5_000).await;
        fs::OpenOptions::new().write(true).open(volume(dir.path(), 1)).unwrap().set_len(cut).unwrap();
        is_dropped(&backend, &format!("cut to {cut}")).await;
        backend.put(&key(0), entry(9, 5_000)).await.unwrap();
        assert_eq!(backend.get(&key(0)).await.unwrap(), Some(entry(9, 5_000)));
    }
}

#[tokio::test]
async fn volumes_that_changed_places_are_misses() {
    let dir = tempfile::tempdir().unwrap();
    let backend = FileBackend::open(alone(dir.path())).await.unwrap();
    for number in 0..2 {
        backend.put(&key(number), entry(1, 70_000)).await.unwrap();
    }
    backend.close().await.unwrap();
    let (one, two, aside) = (volume(dir.path(), 1), volume(dir.path(), 2), dir.path().join("aside"));
    fs::rename(&one, &aside).unwrap();
    fs::rename(&two, &one).unwrap();
    fs::rename(&aside, &two).unwrap();
    let backend = FileBackend::open(alone(dir.path())).await.unwrap();
    for number in 0..2 {
        assert_eq!(backend.get(&key(number)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn deleted_volumes_are_found_at_the_opening() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path(), 70_000).await.close().await.unwrap();
    fs::remove_file(volume(dir.path(), 1)).unwrap();
    let backend = FileBackend::open(alone(dir.path())).await.unwrap();
    assert_eq!(backend.report().dangling, 1);
    assert_eq!(backend.get(&key(0)).await.unwrap(), None);
    assert_eq!(backend.get(&key(1)).await.unwrap(), Some(entry(2, 70_000)));
}

#[tokio::test]
async fn a_volume_within_a_body_is_not_taken_for_entries() {
    let inner = tempfile::tempdir().unwrap();
    let backend = open(inner.path()).await;
    fill(&backend, 12).await;
    backend.close().await.unwrap();
    let inner = fs::read(volume(inner.path(), 1)).unwrap();
    assert!(inner.starts_with(b"RLCV"));
    // As much in front of the body as puts the inner records at the starts of blocks.
    let head = Entry::new(meta(1), "").encode().unwrap().len() + 24 + key(0).as_str().len();
    let body = [vec![0; 4096 - head], inner].concat();
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    backend.put(&key(0), Entry::new(meta(1), body)).await.unwrap();
    backend.close().await.unwrap();
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let mut bytes = fs::read(volume(dir.path(), 1)).unwrap();
    assert!(bytes[4096..].starts_with(b"RLCV"));
    bytes[0] ^= 1;
    fs::write(volume(dir.path(), 1), bytes).unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.usage().await.unwrap().entries, 0);
}

#[tokio::test]
async fn what_stands_in_the_place_of_files_is_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::create_dir_all(dir.path().join("volumes/00000001.vol")).unwrap();
    std::os::unix::fs::symlink(outside.path(), volume(dir.path(), 2)).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("index.redb")).unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 8).await;
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    is_whole(&backend, 8).await;
    assert_eq!(backend.get(&key(0)).await.unwrap(), Some(mixed(0)));
    assert_eq!(outside.as_file().metadata().unwrap().len(), 0, "links are not followed");
}

#[tokio::test]
async fn a_place_without_the_header_of_its_entry_may_be_anothers_and_is_not_erased() {
    for (position, is_erased) in [(40_000, true), (3, false)] {
        let dir = tempfile::tempdir().unwrap();
        let backend = open(dir.path()).await;
        backend.put(&key(0), entry(1, 70_000)).await.unwrap();
        backend.put(&key(1), entry(2, 70_000)).await.unwrap();
        let mut bytes = fs::read(volume(dir.path(), 1)).unwrap();
        bytes[position] ^= 1;
        fs::write(volume(dir.path(), 1), &bytes).unwrap();
        is_dropped(&backend, &format!("byte {position}")).await;
        let left = fs::read(volume(dir.path(), 1)).unwrap();
        assert_eq!(left[..70_000] != bytes[..70_000], is_erased, "byte {position}");
        assert_eq!(backend.disk().records, 72 << 10, "counted as gone");
        backend.close().await.unwrap();
        drop(backend);
        let backend = open(dir.path()).await;
        assert!(
            fs::read(volume(dir.path(), 1)).unwrap()[4_096..70_000].iter().all(|byte| *byte == 0),
            "at the next start"
        );
        assert_eq!(backend.get(&key(1)).await.unwrap(), Some(entry(2, 70_000)));
    }
}
