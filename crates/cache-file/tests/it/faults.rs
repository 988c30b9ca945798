//! Failing disks: nothing false is acknowledged, reads go on, writes resume without a restart.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cache_core::{Backend, Entry, ErrorKind};
use cache_file::{Durability, FileBackend, FileConfig, IndexOrigin};

use crate::faulty_fs::FaultyFs;
use crate::hooked_fs::HookedFs;
use crate::support::{blocks, config, entry, fill, is_whole, key, mixed, volume};

/// Entries there before anything fails.
const BASE: usize = 12;

fn faulty(dir: &Path, fs: &FaultyFs, durability: Durability) -> FileConfig {
    config(dir).fs(Arc::new(fs.clone())).durability(durability).volume_len(128 << 10)
}

/// What each key may hold: one entry, or several after a write that failed.
#[derive(Default)]
struct Model(BTreeMap<usize, Vec<Option<Entry>>>);

impl Model {
    fn wrote(&mut self, number: usize, value: Option<Entry>, done: bool) {
        let held = self.0.entry(number).or_insert_with(|| vec![None]);
        if done {
            held.clear();
        } else if !held.contains(&None) {
            held.push(None);
        }
        held.push(value);
    }

    /// Every key reads as it may, and every read succeeds: none of the failures is one of reading.
    async fn holds(&self, backend: &FileBackend, what: &str) {
        for (number, allowed) in &self.0 {
            match backend.get(&key(*number)).await {
                Ok(found) => assert!(allowed.contains(&found), "{what}: key {number}: {:?}", found.map(|it| it.meta)),
                Err(error) => assert_eq!(error.to_string(), "", "{what}: key {number}"),
            }
        }
    }
}

/// Puts, overwrites and removes of all kinds, each alone in its group.
async fn work(backend: &FileBackend, model: &mut Model, what: &str) {
    for step in 0..14_usize {
        let number = [0, 20, 1, 21, 2, 22, 3, 23, 20, 21, 22, 23, 4, 5][step];
        let (value, done) = if matches!(step, 8 | 9 | 12 | 13) {
            (None, backend.remove(&key(number)).await.map(drop))
        } else {
            let entry = entry(100 + step as u64, [200, 6_000, 1_500, 90_000][step % 4]);
            (Some(entry.clone()), backend.put(&key(number), entry).await)
        };
        if let Err(error) = &done {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {error}");
        }
        model.wrote(number, value, done.is_ok());
        model.holds(backend, what).await;
    }
}

async fn sweep(durability: Durability, count: u64) {
    for first in 1.. {
        let what = &format!("{durability:?}: {count} failures from call {first}");
        let dir = tempfile::tempdir().unwrap();
        let fs = FaultyFs::default();
        let backend = FileBackend::open(faulty(dir.path(), &fs, durability)).await.unwrap();
        fill(&backend, BASE).await;
        let mut model = Model::default();
        for number in 0..BASE {
            model.wrote(number, Some(mixed(number)), true);
        }
        fs.fail(first, count);
        work(&backend, &mut model, what).await;
        let failed = fs.heal();
        for number in 40..44 {
            backend.put(&key(number), mixed(number)).await.unwrap();
            model.wrote(number, Some(mixed(number)), true);
        }
        model.holds(&backend, what).await;
        backend.close().await.unwrap();
        let backend = FileBackend::open(faulty(dir.path(), &fs, durability)).await.unwrap();
        assert_ne!(backend.report().index, IndexOrigin::Rebuilt, "{what}");
        model.holds(&backend, what).await;
        assert_eq!(backend.usage().await.unwrap().corrupt, 0, "{what}");
        assert_eq!(backend.disk().volumes, backend.disk().records, "{what}");
        if !failed {
            assert!(first > 20, "only {first} calls were made");
            return;
        }
    }
}

#[tokio::test]
async fn one_failed_change_anywhere_is_survived() {
    sweep(Durability::Process, 1).await;
}

#[tokio::test]
async fn a_disk_that_stays_broken_is_survived() {
    sweep(Durability::Process, u64::MAX).await;
}

#[tokio::test]
async fn one_failed_change_or_sync_anywhere_is_survived() {
    sweep(Durability::Power, 1).await;
}

#[tokio::test]
async fn an_opening_that_fails_anywhere_harms_nothing() {
    for count in [1, u64::MAX] {
        for first in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let fs = FaultyFs::default();
            let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await.unwrap();
            fill(&backend, BASE).await;
            backend.close().await.unwrap();
            // Three times: an error is no crash, however often it comes.
            for _ in 0..3 {
                fs.fail(first, count);
                match FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await {
                    Ok(backend) => backend.close().await.unwrap(),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
                }
            }
            let failed = fs.heal();
            let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await.unwrap();
            assert_ne!(backend.report().index, IndexOrigin::Rebuilt, "{count} failures from call {first}");
            is_whole(&backend, BASE).await;
            if !failed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn on_a_full_disk_entries_are_evicted_and_writes_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    fs.limit(dir.path(), 3 << 19);
    let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await.unwrap();
    for step in 0..200_usize {
        backend.put(&key(step), entry(step as u64 + 1, [30_000, 5_000, 700][step % 3])).await.unwrap();
        assert_eq!(backend.usage().await.unwrap().corrupt, 0);
    }
    let usage = backend.usage().await.unwrap();
    assert!(usage.evicted > 0 && usage.entries > 20, "{usage:?}");
    for step in 0..200_usize {
        let found = backend.get(&key(step)).await.unwrap();
        assert!(found.is_none_or(|found| found == entry(step as u64 + 1, [30_000, 5_000, 700][step % 3])));
        backend.remove(&key(step)).await.unwrap();
    }
    assert_eq!(backend.usage().await.unwrap().entries, 0);
    assert_eq!(backend.disk().volumes, 0);
}

#[tokio::test]
async fn without_holes_the_budget_holds_and_dead_volumes_go() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    fs.refuse_holes();
    let capacity = 2 << 20;
    let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process).capacity(capacity)).await.unwrap();
    for step in 0..300_usize {
        backend.put(&key(step), entry(1, 30_000)).await.unwrap();
        assert!(backend.disk().total() <= capacity, "step {step}: {:?}", backend.disk());
    }
    assert!(backend.usage().await.unwrap().entries > 10);
    assert!(blocks(&dir.path().join("volumes")) <= capacity);
}

#[tokio::test]
async fn a_removed_entry_without_holes_does_not_come_back_with_a_new_index() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    fs.refuse_holes();
    let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await.unwrap();
    fill(&backend, BASE).await;
    backend.remove(&key(2)).await.unwrap();
    backend.close().await.unwrap();
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await.unwrap();
    assert_eq!(backend.get(&key(2)).await.unwrap(), None);
    assert_eq!(backend.get(&key(6)).await.unwrap(), Some(mixed(6)));
}

#[tokio::test]
async fn one_failed_read_of_the_index_fails_one_call_and_no_write_after_it() {
    // More than the index library keeps in memory.
    const COUNT: usize = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let config = faulty(dir.path(), &fs, Durability::Process).capacity(256 << 20).inline_max(16 << 10);
    let backend = FileBackend::open(config).await.unwrap();
    let kept = entry(1, 12_000);
    let entries = (0..COUNT).map(|number| (key(number), kept.clone())).collect();
    backend.put_many(entries).await.into_iter().for_each(|answer| answer.unwrap());
    fs.fail_index_reads(1);
    let mut failed = 0;
    for number in 0..COUNT {
        match backend.get(&key(number)).await {
            Ok(found) => assert_eq!(found.as_ref(), Some(&kept), "key {number}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                failed += 1;
                backend.put(&key(COUNT), mixed(0)).await.unwrap();
            }
        }
    }
    assert_eq!(failed, 1);
}

#[tokio::test]
async fn without_holes_no_record_of_a_gap_comes_back_with_a_new_index() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    fs.refuse_holes();
    let open = || FileBackend::open(faulty(dir.path(), &fs, Durability::Process));
    let backend = open().await.unwrap();
    for number in 0..6 {
        backend.put(&key(number), entry(1, 5_000)).await.unwrap();
    }
    backend.close().await.unwrap();
    let before = fs::read(volume(dir.path(), 1)).unwrap();
    let backend = open().await.unwrap();
    for number in 1..4 {
        backend.remove(&key(number)).await.unwrap();
    }
    backend.close().await.unwrap();
    // As after a kill between the commit and the end of the space.
    fs::write(volume(dir.path(), 1), before).unwrap();
    open().await.unwrap().close().await.unwrap();
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let backend = open().await.unwrap();
    for number in 0..6 {
        let there = backend.get(&key(number)).await.unwrap().is_some();
        assert_eq!(there, !(1..4).contains(&number), "key {number}");
    }
}

#[tokio::test]
async fn where_files_are_compressed_what_a_killed_process_left_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let compressing = HookedFs::compressing(8);
    let killed = compressing.clone().without_holes();
    let backend = FileBackend::open(config(dir.path()).fs(Arc::new(killed))).await.unwrap();
    for number in 0..10 {
        backend.put(&key(number), entry(1, 20_000)).await.unwrap();
    }
    for number in 0..8 {
        backend.remove(&key(number)).await.unwrap();
    }
    backend.close().await.unwrap();
    let backend = FileBackend::open(config(dir.path()).fs(Arc::new(compressing))).await.unwrap();
    backend.close().await.unwrap();
    assert_eq!(blocks(&dir.path().join("volumes")), 2 * 20_480);
    fs::remove_file(dir.path().join("index.redb")).unwrap();
    let backend = FileBackend::open(config(dir.path())).await.unwrap();
    assert_eq!(backend.usage().await.unwrap().entries, 2, "removed entries came back");
}

#[tokio::test]
async fn what_a_failed_append_wrote_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await.unwrap();
    backend.put(&key(0), entry(1, 5_000)).await.unwrap();
    let len = || fs::metadata(volume(dir.path(), 1)).unwrap().len();
    let before = len();
    // The body first, then what is before it.
    for first in [1, 2] {
        fs.fail(first, 1);
        backend.put(&key(1), entry(1, 70_000)).await.unwrap_err();
        assert!(fs.heal());
        assert_eq!(len().next_multiple_of(4096), before.next_multiple_of(4096), "failed at write {first}");
        assert_eq!(backend.disk().volumes, backend.disk().records);
    }
}

#[tokio::test]
async fn numbers_of_volumes_are_not_used_again_after_failures() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    let backend = FileBackend::open(faulty(dir.path(), &fs, Durability::Process)).await.unwrap();
    for number in 0..3 {
        backend.put(&key(number), entry(1, 100_000)).await.unwrap();
    }
    backend.remove(&key(2)).await.unwrap();
    assert!(volume(dir.path(), 3).exists(), "the last one is kept to be written to");
    for number in 3..5 {
        // The commit fails, and all is read again from disk.
        fs.fail(1, 1);
        backend.put(&key(number), entry(1, 10)).await.unwrap_err();
        assert!(fs.heal() && !volume(dir.path(), 3).exists());
    }
    backend.put(&key(6), entry(1, 100_000)).await.unwrap();
    assert!(!volume(dir.path(), 3).exists() && volume(dir.path(), 4).exists());
}

#[tokio::test]
async fn a_directory_without_permission_is_named() {
    if rustix_is_root() {
        // Root may write everywhere: a read-only file system would be needed.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let error = FileBackend::open(config(dir.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no permission"), "{error}");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}
