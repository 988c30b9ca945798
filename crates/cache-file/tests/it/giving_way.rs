//! Free space that is left to others, and full disks: the cache makes way in steps, and grows back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::Backend;
use cache_file::FileBackend;
use cache_testkit::eventually;

use crate::faulty_fs::FaultyFs;
use crate::hooked_fs::{Call, HookedFs};
use crate::support::{FIXTURES, blocks, config, entry, key};

#[tokio::test]
async fn free_space_down_to_the_floor_is_left_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let disk = HookedFs::new(|_, _| ());
    disk.leave(40 << 20);
    let config = config(dir.path()).fs(Arc::new(disk.clone())).free_floor(30 << 20);
    let backend = FileBackend::open(config).await.unwrap();
    for number in 0..300 {
        backend.put(&key(number), entry(1, 60_000)).await.unwrap();
        let taken = blocks(dir.path());
        assert!(taken <= (10 << 20) + FIXTURES + 120_000, "put {number}: {taken} of 10 MiB");
    }
    let held = backend.usage().await.unwrap().entries;
    assert!(held > 100, "{held} entries in 10 MiB");
    // Others take nearly all of it: the cache makes way.
    disk.leave(32 << 20);
    backend.put(&key(400), entry(1, 1_000)).await.unwrap();
    assert!(blocks(dir.path()) <= (2 << 20) + FIXTURES, "{}", blocks(dir.path()));
    disk.leave(40 << 20);
    for number in 0..120 {
        backend.put(&key(number), entry(2, 60_000)).await.unwrap();
    }
    assert!(backend.usage().await.unwrap().entries > 100, "it grows back");
}

#[tokio::test]
async fn what_goes_for_others_goes_in_steps_and_puts_meanwhile_take_nothing() {
    const COUNT: usize = 6_000;
    let dir = tempfile::tempdir().unwrap();
    // Blocks, one for each entry, that were given back since the index was committed last, and most of them ever.
    let (holes, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (now, longest) = (holes.clone(), most.clone());
    let disk = HookedFs::new(move |call, path| match call {
        Call::Punch(len) => {
            let blocks = len / 4_096;
            longest.fetch_max(now.fetch_add(blocks, Ordering::SeqCst) + blocks, Ordering::SeqCst);
        }
        Call::Write if path.to_string_lossy().contains("index.redb") => now.store(0, Ordering::SeqCst),
        _ => {}
    });
    disk.leave(100 << 20);
    let config = config(dir.path()).fs(Arc::new(disk.clone())).free_floor(30 << 20);
    let backend = FileBackend::open(config).await.unwrap();
    let entries = (0..COUNT).map(|number| (key(number), entry(1, 3_000))).collect();
    assert!(backend.put_many(entries).await.iter().all(Result::is_ok));
    disk.leave(34 << 20);
    let mut before = blocks(dir.path());
    for number in 0..2 {
        backend.put(&key(COUNT + number), entry(1, 3_000)).await.unwrap();
        let taken = blocks(dir.path());
        // The index may grow by some pages for what is taken out of it.
        assert!(taken <= before + (128 << 10), "put {number} took {before} to {taken}");
        before = taken;
    }
    // Nobody writes any more: the rest goes all the same.
    let made_way = eventually(Duration::from_secs(30), async || blocks(dir.path()) <= (4 << 20) + FIXTURES).await;
    assert!(made_way, "{} bytes stay", blocks(dir.path()));
    assert!(most.load(Ordering::SeqCst) < 1_024, "{most:?} entries went at once");
    assert!(backend.usage().await.unwrap().entries > 300);
    backend.put(&key(COUNT * 2), entry(1, 3_000)).await.unwrap();
    assert!(backend.get(&key(COUNT * 2)).await.unwrap().is_some(), "it takes entries");
}

#[tokio::test]
async fn the_first_put_after_a_full_disk_with_nothing_to_evict_is_held() {
    for len in [100, 20_000] {
        let dir = tempfile::tempdir().unwrap();
        let fs = FaultyFs::default();
        let backend = FileBackend::open(config(dir.path()).fs(Arc::new(fs.clone()))).await.unwrap();
        fs.limit(dir.path(), blocks(dir.path()));
        let full = backend.put(&key(0), entry(1, 600_000)).await;
        assert!(full.is_err(), "{:?}", backend.disk());
        fs.limit(dir.path(), u64::MAX);
        backend.put(&key(1), entry(1, len)).await.unwrap();
        assert_eq!(backend.get(&key(1)).await.unwrap(), Some(entry(1, len)));
    }
}
