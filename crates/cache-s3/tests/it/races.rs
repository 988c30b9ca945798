//! Several writers: in one process, and in two that share a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cache_core::{Backend, BackendExt, Entry, Key, KeyPrefix, ManualClock, Meta, Role, Stamp, Timestamp};
use cache_s3::{ObjectBackend, ObjectConfig};
use cache_testkit::{body_of, eventually};

use crate::fake::Fake;

fn entry(stamp: u64) -> Entry {
    Entry::new(Meta::new(Stamp::from_u64(stamp), Timestamp::EPOCH), body_of(stamp, 100 + stamp as usize))
}

fn key() -> Key {
    Key::parse("raced").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_in_two_processes_the_newest_stamp_wins() {
    let fake = Fake::start().await;
    let open = || async { ObjectBackend::open(ObjectConfig::parse(&fake.url()).unwrap()).await.unwrap() };
    let (left, right) = (open().await, open().await);
    assert!(left.compares_across_processes());
    for round in 1..=150_u64 {
        let (key, older, newer) = (key(), entry(2 * round), entry(2 * round + 1));
        let (one, other) = tokio::join!(left.put(&key, older), right.put(&key, newer.clone()));
        one.and(other).unwrap();
        assert_eq!(left.get(&key).await.unwrap(), Some(newer), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_renewals_of_one_stamp_one_succeeds() {
    let fake = Fake::start().await;
    let open = || async { ObjectBackend::open(ObjectConfig::parse(&fake.url()).unwrap()).await.unwrap() };
    let (left, right) = (open().await, open().await);
    for round in 0..20_u64 {
        let (old, new) = (Stamp::from_u64(round * 10), round * 10 + 1);
        left.put(&key(), entry(old.as_u64())).await.unwrap();
        let key = key();
        let (one, other) =
            tokio::join!(left.renew(&key, old, entry(new).meta), right.renew(&key, old, entry(new + 1).meta));
        assert_ne!(one.unwrap(), other.unwrap(), "round {round}");
    }
}

#[tokio::test]
async fn a_remove_tells_one_of_two_that_an_entry_was_there() {
    let backend = ObjectBackend::open(ObjectConfig::parse("memory:///").unwrap()).await.unwrap();
    let key = key();
    for stamp in 1..50 {
        backend.put(&key, entry(stamp)).await.unwrap();
        let (one, other) = tokio::join!(backend.remove(&key), backend.remove(&key));
        assert!(one.unwrap() != other.unwrap());
    }
}

/// What is put while a sweep is on its way from the look to the delete stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_drops_nothing_that_was_put_meanwhile() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(10)));
    let fake = Fake::start().await;
    let config = ObjectConfig::parse(&fake.url()).unwrap().clock(clock.clone());
    let backend = Arc::new(ObjectBackend::open(config).await.unwrap());
    let keys: Vec<_> = (0..40).map(|number| Key::of("raced").part(number).build().unwrap()).collect();
    for round in 1..=5 {
        let now = Timestamp::from_millis(round * 1_000);
        for key in &keys {
            let mut old = entry(round);
            old.meta.stale_until = now;
            backend.put(key, old).await.unwrap();
        }
        clock.set(now);
        let sweep = tokio::spawn({
            let backend = backend.clone();
            async move { backend.sweep(now, 1_000).await }
        });
        let puts = keys.iter().map(|key| backend.put(key, entry(1)));
        futures_util::future::join_all(puts).await.into_iter().for_each(|done| done.unwrap());
        sweep.await.unwrap().unwrap();
        for key in &keys {
            assert_eq!(backend.get(key).await.unwrap(), Some(entry(1)), "{key}");
        }
        backend.remove_prefix(&KeyPrefix::all()).await.unwrap();
    }
}

/// Between the look of a sweep that found it expired and the delete, another process puts a tombstone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_looks_again_before_it_deletes_what_another_process_may_have_written() {
    let fake = Fake::start().await;
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let config = || ObjectConfig::parse(&fake.url()).unwrap().clock(clock.clone());
    let one = Arc::new(ObjectBackend::open(config()).await.unwrap());
    let two = ObjectBackend::open(config()).await.unwrap();
    let (mut old, mut tombstone, now) = (entry(1), entry(5), Timestamp::from_millis(1_000));
    old.meta.stale_until = now;
    tombstone.meta.role = Role::Tombstone;
    one.put(&key(), old).await.unwrap();
    clock.set(now);
    // The first look tells how it was, late.
    let looks = Arc::new(AtomicUsize::new(0));
    let is_put = Arc::new(AtomicBool::new(false));
    let (count, may_go) = (looks.clone(), is_put.clone());
    fake.fault(move |request, answer| {
        if request.headers.contains_key("range") && count.fetch_add(1, Ordering::SeqCst) == 0 {
            let wait = || {
                while !may_go.load(Ordering::SeqCst) {
                    std::thread::park_timeout(Duration::from_millis(2));
                }
            };
            tokio::task::block_in_place(wait);
        }
        answer
    });
    let sweep = tokio::spawn({
        let one = one.clone();
        async move { one.sweep(now, 1_000).await }
    });
    assert!(eventually(Duration::from_secs(5), || async { looks.load(Ordering::SeqCst) > 0 }).await);
    two.put(&key(), tombstone.clone()).await.unwrap();
    is_put.store(true, Ordering::SeqCst);
    assert_eq!(sweep.await.unwrap().unwrap().expired, 0);
    assert_eq!(two.get(&key()).await.unwrap(), Some(tombstone));
}
