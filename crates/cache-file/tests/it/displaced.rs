//! Directories that are deleted, moved or replaced while they are used: nothing is acknowledged, nothing of others harmed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use cache_core::{Backend, ErrorKind};
use cache_file::{DirectoryInUse, FileBackend};

use crate::support::{config, entry, fill, is_whole, key, mixed, open, volume};

/// Every write fails and says what to do; reads find the right entry, nothing, or fail.
async fn refuses(backend: &FileBackend) {
    for number in 0..40 {
        let error = backend.put(&key(number), mixed(number)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.message().contains("open the backend again"), "{error}");
        assert!(backend.remove(&key(number)).await.is_err());
        let found = backend.get(&key(number)).await;
        assert!(found.is_err() || found.is_ok_and(|found| found.is_none_or(|found| found == mixed(number))));
    }
}

/// After `harm` writes are refused until the backend is opened again.
async fn refuses_after(harm: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("cache");
    let backend = open(&root).await;
    fill(&backend, 8).await;
    harm(&root);
    refuses(&backend).await;
    backend.close().await.unwrap();
    let backend = open(&root).await;
    fill(&backend, 8).await;
    is_whole(&backend, 8).await;
}

#[tokio::test]
async fn a_directory_deleted_while_it_is_used_takes_no_writes_until_it_is_opened_again() {
    refuses_after(|root| fs::remove_dir_all(root).unwrap()).await;
}

#[tokio::test]
async fn a_directory_emptied_while_it_is_used_takes_no_writes_until_it_is_opened_again() {
    let empty = |root: &Path| {
        fs::remove_dir_all(root.join("volumes")).unwrap();
        for found in fs::read_dir(root).unwrap() {
            fs::remove_file(found.unwrap().path()).unwrap();
        }
    };
    refuses_after(empty).await;
}

#[tokio::test]
async fn a_directory_replaced_by_a_copy_takes_no_writes_until_it_is_opened_again() {
    let copy = |root: &Path| {
        let away = root.with_extension("away");
        fs::rename(root, &away).unwrap();
        fs::create_dir(root).unwrap();
        fs::copy(away.join("lock"), root.join("lock")).unwrap();
        fs::copy(away.join("index.redb"), root.join("index.redb")).unwrap();
    };
    refuses_after(copy).await;
}

#[tokio::test]
async fn a_directory_moved_away_and_back_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (root, away) = (dir.path().join("cache"), dir.path().join("away"));
    let backend = open(&root).await;
    fill(&backend, 8).await;
    fs::rename(&root, &away).unwrap();
    assert!(backend.put(&key(8), mixed(8)).await.is_err());
    is_whole(&backend, 8).await;
    fs::rename(&away, &root).unwrap();
    fill(&backend, 9).await;
    backend.close().await.unwrap();
    is_whole(&open(&root).await, 9).await;
}

#[tokio::test]
async fn a_directory_put_in_the_place_of_one_in_use_keeps_what_is_in_it() {
    const COUNT: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let (root, away) = (dir.path().join("cache"), dir.path().join("away"));
    let small = || config(&root).volume_len(64 << 10).capacity(4 << 20);
    let old = FileBackend::open(small()).await.unwrap();
    for number in 0..20 {
        old.put(&key(number), entry(1, 20_000)).await.unwrap();
    }
    fs::rename(&root, &away).unwrap();
    let new = FileBackend::open(small()).await.unwrap();
    for number in 0..COUNT {
        new.put(&key(number), entry(2, 20_000)).await.unwrap();
    }
    for number in 20..120 {
        assert!(old.put(&key(number), entry(3, 20_000)).await.is_err());
    }
    drop(old);
    for number in 0..COUNT {
        assert_eq!(new.get(&key(number)).await.unwrap(), Some(entry(2, 20_000)), "all fit");
    }
    new.close().await.unwrap();
    let new = FileBackend::open(small()).await.unwrap();
    for number in 0..COUNT {
        assert_eq!(new.get(&key(number)).await.unwrap(), Some(entry(2, 20_000)), "{:?}", new.report());
    }
}

#[tokio::test]
async fn a_directory_whose_lock_was_deleted_is_refused_to_a_second_backend() {
    let dir = tempfile::tempdir().unwrap();
    let one = open(dir.path()).await;
    fill(&one, 8).await;
    for link in [false, true] {
        let _ = fs::remove_file(dir.path().join("lock"));
        if link {
            symlink("/nowhere/at/all", dir.path().join("lock")).unwrap();
        }
        let error = FileBackend::open(config(dir.path())).await.unwrap_err();
        let told_as = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<DirectoryInUse>());
        assert_eq!(told_as.map(|in_use| in_use.process), Some(None), "{error}");
    }
    refuses(&one).await;
    one.close().await.unwrap();
    is_whole(&open(dir.path()).await, 8).await;
}

#[tokio::test]
async fn a_stray_in_the_place_of_the_next_volume_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fs::write(volume(dir.path(), 1), "x").unwrap();
    symlink("/nowhere/at/all", volume(dir.path(), 2)).unwrap();
    fill(&backend, 8).await;
    assert_eq!(fs::read(volume(dir.path(), 1)).unwrap(), b"x");
    assert!(volume(dir.path(), 3).exists());
    backend.close().await.unwrap();
    is_whole(&open(dir.path()).await, 8).await;
}
