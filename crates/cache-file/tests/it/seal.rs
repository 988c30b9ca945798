//! The seal of the index: there while the directory is closed, and never believed beside another index.

use std::fs;

use cache_core::Backend;
use cache_file::IndexOrigin;

use crate::support::{blocks, fill, is_whole, key, mixed, open};

#[tokio::test]
async fn a_seal_is_there_while_the_directory_is_closed_and_only_then() {
    let dir = tempfile::tempdir().unwrap();
    let seal = dir.path().join("index.seal");
    for round in 0..3 {
        let backend = open(dir.path()).await;
        assert!(!seal.exists(), "round {round}");
        fill(&backend, 20).await;
        assert!(!seal.exists(), "round {round}");
        backend.close().await.unwrap();
        let bytes = fs::read(&seal).unwrap();
        backend.close().await.unwrap();
        assert_eq!(fs::read(&seal).unwrap(), bytes, "closed twice");
    }
}

#[tokio::test]
async fn a_directory_opens_whole_whatever_stands_in_the_place_of_its_seal() {
    let [dir, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (dir, count) in [(&dir, 40), (&other, 41)] {
        let backend = open(dir.path()).await;
        fill(&backend, count).await;
        backend.close().await.unwrap();
    }
    let path = dir.path().join("index.seal");
    for case in 0..8 {
        let seal = fs::read(&path).unwrap();
        match case {
            0 => fs::remove_file(&path).unwrap(),
            1 => fs::write(&path, "").unwrap(),
            2 => fs::write(&path, &seal[..seal.len() / 2]).unwrap(),
            3 => fs::write(&path, vec![0xFF; seal.len()]).unwrap(),
            4 => drop(fs::copy(other.path().join("index.seal"), &path).unwrap()),
            5 => fs::write(&path, [&*seal, b"more"].concat()).unwrap(),
            6 => {
                fs::remove_file(&path).unwrap();
                fs::create_dir_all(path.join("within")).unwrap();
            }
            _ => {
                fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink(other.path().join("index.seal"), &path).unwrap();
            }
        }
        let backend = open(dir.path()).await;
        assert_eq!(backend.report().index, IndexOrigin::Opened, "case {case}");
        is_whole(&backend, 40).await;
        backend.close().await.unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "case {case}");
    }
    assert!(other.path().join("index.seal").exists(), "a link is deleted, not what it leads to");
}

#[tokio::test]
async fn an_older_seal_takes_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.seal");
    let backend = open(dir.path()).await;
    fill(&backend, 20).await;
    backend.close().await.unwrap();
    let older = fs::read(&path).unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 60).await;
    assert!(backend.remove(&key(3)).await.unwrap());
    backend.close().await.unwrap();
    fs::write(&path, older).unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().index, IndexOrigin::Opened);
    assert_eq!(backend.get(&key(3)).await.unwrap(), None);
    for number in (0..60).filter(|number| *number != 3) {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(mixed(number)), "key {number}");
    }
    backend.close().await.unwrap();
}

#[tokio::test]
async fn a_seal_fits_into_the_capacity_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let capacity = 4 << 20;
    let config = || crate::support::config(dir.path()).capacity(capacity);
    for _ in 0..2 {
        let backend = cache_file::FileBackend::open(config()).await.unwrap();
        for number in 0..3_000 {
            backend.put(&key(number), crate::support::entry(number as u64 + 1, 1_500)).await.unwrap();
        }
        backend.close().await.unwrap();
        assert!(blocks(dir.path()) <= capacity + crate::support::FIXTURES, "{}", blocks(dir.path()));
    }
}
