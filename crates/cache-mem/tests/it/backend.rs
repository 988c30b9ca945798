//! What the memory backend promises besides the contract.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{
    Backend, Clock, Entry, ErrorKind, HOUR, Key, KeyPrefix, ManualClock, Meta, PolicyKind, Result, Stamp, Timestamp,
    ttl,
};
use cache_mem::{MemBackend, MemBackendBuilder};
use cache_testkit::{EvictionLog, check_eviction_listener};
use futures_util::StreamExt;
use proptest::prelude::*;

use crate::laws;

const START: Timestamp = Timestamp::from_millis(1_000_000);

#[expect(clippy::unwrap_used, reason = "the names in these tests are legal")]
fn key(name: impl std::fmt::Display) -> Key {
    Key::of("test").part(name).build().unwrap()
}

fn entry(stamp: u64, len: usize) -> Entry {
    Entry::new(Meta::new(Stamp::from_u64(stamp), START), vec![7; len])
}

fn on(clock: &Arc<ManualClock>, capacity: u64) -> MemBackendBuilder {
    MemBackend::builder(capacity).clock(clock.clone())
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(START))
}

#[tokio::test]
async fn who_listens_hears_of_what_left_by_itself_and_of_nothing_else() {
    let (clock, log) = (clock(), Arc::new(EvictionLog::default()));
    let backend = on(&clock, 1 << 20).entries(4).shards(1).policy(PolicyKind::Lru).listener(log.clone()).build();
    check_eviction_listener(&backend, &clock, &log).await.unwrap();
}

#[tokio::test]
async fn an_entry_weighs_what_the_formula_says() {
    let backend = MemBackend::new(1 << 20);
    let mut entry = entry(1, 1_000);
    entry.meta.content_type = Some("video/mp4".into());
    entry.meta.etag = Some("abc".into());
    entry.meta.codec = Some("msgpack".into());
    entry.meta.tags = ["one", "three"].map(Arc::from).into();
    let expected = 448 + "test:k".len() as u64 + 1_000 + 9 + 3 + 7 + (3 + 32) + (5 + 32);
    assert_eq!(MemBackend::weight_of(&key("k"), &entry), expected);
    backend.put(&key("k"), entry).await.unwrap();
    let usage = backend.usage().await.unwrap();
    assert_eq!((usage.entries, usage.bytes, usage.capacity, usage.max_entries), (1, expected, Some(1 << 20), None));
}

#[tokio::test]
async fn usage_counts_evictions_and_expiries() {
    let clock = clock();
    let backend = on(&clock, 1 << 20).entries(10).build();
    for number in 0..25 {
        backend.put(&key(number), entry(1, 10)).await.unwrap();
    }
    let usage = backend.usage().await.unwrap();
    assert_eq!((usage.entries, usage.evicted, usage.max_entries), (10, 15, Some(10)));
    let mut fleeting = entry(2, 10);
    fleeting.meta = fleeting.meta.with_lifetime(ttl(HOUR));
    backend.put(&key("fleeting"), fleeting).await.unwrap();
    clock.advance(HOUR);
    assert_eq!(backend.sweep(clock.now(), 9).await.unwrap().expired, 1);
    let usage = backend.usage().await.unwrap();
    assert_eq!((usage.entries, usage.evicted, usage.expired), (9, 16, 1));
}

#[tokio::test]
async fn the_longest_body_is_admitted_under_the_longest_key_by_every_shard() {
    let many = on(&clock(), 1 << 20).max_body(10_000).shards(64).build();
    let longest = "k".repeat(Key::MAX_BYTES - "test:000".len());
    for number in 100..400 {
        let key = key(format!("{number}{longest}"));
        assert_eq!(key.as_str().len(), Key::MAX_BYTES);
        many.put(&key, entry(1, 10_000)).await.unwrap();
        assert!(many.get(&key).await.unwrap().is_some());
    }
    for capacity in [10_000, 100_000, 70 << 20] {
        let backend = MemBackend::new(capacity);
        let max_body = backend.info().max_body;
        assert!(max_body > 0 && max_body <= capacity);
        let key = key(format!("{}{longest}", 100));
        backend.put(&key, entry(1, max_body as usize)).await.unwrap();
        assert!(backend.get(&key).await.unwrap().is_some(), "capacity {capacity}");
    }
}

#[tokio::test]
async fn a_body_above_the_longest_is_too_large_and_changes_nothing() {
    let backend = on(&clock(), 1 << 20).name("near").max_body(100).build();
    backend.put(&key("k"), entry(1, 100)).await.unwrap();
    let error = backend.put(&key("k"), entry(2, 101)).await.unwrap_err();
    assert_eq!((error.kind(), error.backend(), error.operation()), (ErrorKind::TooLarge, Some("near"), Some("put")));
    assert_eq!(backend.get(&key("k")).await.unwrap(), Some(entry(1, 100)));
}

#[tokio::test]
async fn a_backend_without_room_answers_and_holds_nothing() {
    for backend in [MemBackend::new(0), MemBackend::builder(1 << 20).entries(0).build()] {
        backend.put(&key("k"), entry(1, 0)).await.unwrap();
        assert_eq!(backend.get(&key("k")).await.unwrap(), None);
        let usage = backend.usage().await.unwrap();
        assert_eq!((usage.entries, usage.bytes), (0, 0));
    }
}

#[tokio::test]
async fn a_lifetime_of_zero_stores_nothing() {
    let backend = on(&clock(), 1 << 20).build();
    let mut dead = entry(2, 10);
    dead.meta = dead.meta.with_lifetime(ttl(Duration::ZERO));
    backend.put(&key("k"), dead.clone()).await.unwrap();
    assert_eq!(backend.get(&key("k")).await.unwrap(), None);
    assert_eq!(backend.usage().await.unwrap().entries, 0);
}

#[tokio::test]
async fn closing_releases_the_memory_and_ends_a_scan_with_an_error() {
    let backend = MemBackend::new(16 << 20);
    let tag: Arc<str> = "witness".into();
    for number in 0..2_000 {
        let mut entry = entry(1, 10);
        entry.meta.tags = [tag.clone()].into();
        backend.put(&key(number), entry).await.unwrap();
    }
    let prefix = KeyPrefix::all();
    let mut scan = backend.scan(&prefix);
    assert!(scan.next().await.unwrap().is_ok());
    backend.close().await.unwrap();
    let rest: Vec<_> = scan.by_ref().collect().await;
    assert!(rest.len() < 1_000);
    assert_eq!(rest.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Closed);
    drop((scan, rest));
    assert_eq!(Arc::strong_count(&tag), 1);
    backend.close().await.unwrap();
    assert_eq!(backend.get(&key(1)).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_scan_sees_what_is_held_all_the_time_exactly_once() {
    let backend = MemBackend::builder(64 << 20).max_body(1_000).shards(4).build();
    for number in 0..2_000 {
        backend.put(&key(number), entry(1, 10)).await.unwrap();
    }
    let prefix = KeyPrefix::below(&Key::of("test").build().unwrap());
    let mut scan = backend.scan(&prefix);
    let mut seen = Vec::new();
    while let Some(found) = scan.next().await {
        let number = seen.len();
        seen.push(found.unwrap().0);
        backend.remove(&key(1_000 + number % 1_000)).await.unwrap();
        backend.put(&key(number % 1_000), entry(2, 20)).await.unwrap();
        backend.put(&key(10_000 + number), entry(1, 10)).await.unwrap();
    }
    let mut stayed: Vec<Key> = (0..1_000).map(key).collect();
    seen.retain(|key| stayed.contains(key));
    seen.sort_unstable();
    stayed.sort_unstable();
    assert_eq!(seen, stayed);
}

#[derive(Debug, Clone)]
enum Op {
    Put { key: u8, stamp: u64, len: usize, lives: Option<u64> },
    Get(u8),
    Remove(u8),
    Advance(u64),
    Sweep(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let lives = prop_oneof![2 => Just(None), 1 => (0..9_u64).prop_map(Some)];
    let put = (0..8_u8, 0..4_u64, 0..400_usize, lives);
    let op = prop_oneof![
        10 => put.prop_map(|(key, stamp, len, lives)| Op::Put { key, stamp, len, lives }),
        6 => (0..8_u8).prop_map(Op::Get),
        2 => (0..8_u8).prop_map(Op::Remove),
        2 => (0..5_u64).prop_map(Op::Advance),
        1 => (0..3_usize).prop_map(Op::Sweep),
    ];
    prop::collection::vec(op, 1..40)
}

/// Puts and gets beside a list of what was put last: whatever is served is that, and the budget is held.
async fn serves_the_last_put_or_nothing(backend: &MemBackend, clock: &ManualClock, ops: &[Op]) -> Result<()> {
    let mut last: [Option<Entry>; 8] = Default::default();
    for op in ops {
        match *op {
            Op::Put { key: number, stamp, len, lives } => {
                let mut entry = entry(stamp, len);
                if let Some(millis) = lives {
                    entry.meta.valid_until = clock.now().after(Duration::from_millis(millis));
                }
                // Evicted or not is the policy's to say: ask for what is there.
                let present = backend.get(&key(number)).await?;
                backend.put(&key(number), entry.clone()).await?;
                let wins = present.as_ref().is_none_or(|present| present.meta.stamp <= Stamp::from_u64(stamp));
                last[usize::from(number)] =
                    if wins && !entry.meta.is_expired(clock.now()) { Some(entry) } else { present };
            }
            Op::Get(number) => {
                let (served, put) = (backend.get(&key(number)).await?, &last[usize::from(number)]);
                assert!(served.is_none() || served == *put, "{served:?} was served, {put:?} was put");
                assert!(served.is_none_or(|entry| !entry.meta.is_expired(clock.now())));
            }
            Op::Remove(number) => {
                let present = backend.stat(&key(number)).await?.is_some();
                assert_eq!(backend.remove(&key(number)).await?, present);
                last[usize::from(number)] = None;
            }
            Op::Advance(millis) => clock.advance(Duration::from_millis(millis)),
            Op::Sweep(limit) => assert!(backend.sweep(clock.now(), limit).await?.expired <= limit as u64),
        }
        let usage = backend.usage().await?;
        assert!(Some(usage.bytes) <= usage.capacity && Some(usage.entries) <= usage.max_entries);
        assert!(usage.bytes >= usage.entries * 448);
    }
    Ok(())
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn what_is_served_is_what_was_put_last(ops in ops(), entries in 1..9_u64, kind in 0..PolicyKind::ALL.len()) {
        let clock = clock();
        let backend = on(&clock, 5_000).entries(entries).policy(PolicyKind::ALL[kind]).build();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(serves_the_last_put_or_nothing(&backend, &clock, &ops)).unwrap();
    }
}
