//! What sweeps, counts and scans cost, and where they go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_core::{Backend, Entry, Key, KeyPrefix, ManualClock, Meta, Role, Stamp, Timestamp};
use cache_s3::{ObjectBackend, ObjectConfig};
use futures_util::StreamExt;

use crate::fake::{Answer, Fake};

/// A backend with a clock that stands at 1 s, and `expired` and `live` entries.
async fn filled(url: &str, expired: usize, live: usize) -> ObjectBackend {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let backend = ObjectBackend::open(ObjectConfig::parse(url).unwrap().clock(clock.clone())).await.unwrap();
    let entries = (0..expired + live).map(|number| {
        let mut meta = Meta::new(Stamp::from_u64(1), Timestamp::EPOCH);
        if number < expired {
            meta.stale_until = Timestamp::from_millis(1_000);
        }
        (Key::of(number % 5).part(number).build().unwrap(), Entry::new(meta, "x"))
    });
    assert!(backend.put_many(entries.collect()).await.iter().all(Result::is_ok));
    clock.set(Timestamp::from_millis(1_000));
    backend
}

#[tokio::test]
async fn sweeps_go_on_where_the_last_one_ended_and_reach_everything() {
    let backend = filled("memory:///", 1_500, 1_000).await;
    let mut dropped = 0;
    for _ in 0..4 {
        dropped += backend.sweep(Timestamp::from_millis(1_000), 700).await.unwrap().expired;
    }
    assert_eq!(dropped, 1_500, "in four sweeps, each over a thousand objects at most");
    assert_eq!(backend.usage().await.unwrap().entries, 1_000);
    assert_eq!(backend.usage().await.unwrap().expired, 1_500);
}

#[tokio::test]
async fn a_sweep_is_a_list_a_look_at_each_object_and_another_one_and_few_deletes_for_what_has_expired() {
    let fake = Fake::start().await;
    let backend = filled(&fake.url(), 60, 30).await;
    fake.fault(|_, answer| answer);
    let swept = backend.sweep(Timestamp::from_millis(1_000), 1_000).await.unwrap();
    assert_eq!((swept.expired, swept.more), (60, false));
    assert_eq!(fake.requests(), 1 + 90 + 60 + 2);
}

#[tokio::test]
async fn an_object_that_may_not_be_read_stops_no_sweep() {
    let fake = Fake::start().await;
    let backend = filled(&fake.url(), 100, 0).await;
    // Archived, or of another owner.
    let hash = blake3::hash(Key::of(0).part(0).build().unwrap().as_str().as_bytes()).to_hex().to_string();
    fake.fault(move |request, answer| {
        let is_it = request.method == "GET" && request.target.contains(&hash[2..]);
        if is_it { Answer::error(403, "InvalidObjectState") } else { answer }
    });
    let mut dropped = 0;
    for _ in 0..2 {
        dropped += backend.sweep(Timestamp::from_millis(1_000), 60).await.unwrap().expired;
    }
    assert_eq!(dropped, 99);
}

/// The first hundred of 1,100 may not be read: every sweep comes further, and the next round comes back to them.
#[tokio::test]
async fn sweeps_get_past_what_may_not_be_read_and_come_back_to_it() {
    let fake = Fake::start().await;
    let backend = filled(&fake.url(), 1_100, 0).await;
    let names = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let may_read = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_open = may_read.clone();
    fake.fault(move |request, answer| {
        if request.method != "GET" || request.target.contains("list-type=2") || is_open.load(Ordering::SeqCst) {
            return answer;
        }
        let mut names = names.lock().unwrap();
        let is_known = names.contains(&request.target);
        if is_known || names.len() < 100 {
            names.insert(request.target.clone());
            return Answer::error(403, "InvalidObjectState");
        }
        answer
    });
    let mut dropped = 0;
    for _ in 0..12 {
        dropped += backend.sweep(Timestamp::from_millis(1_000), 1_000).await.map_or(0, |swept| swept.expired);
    }
    assert_eq!(dropped, 1_000);
    may_read.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        dropped += backend.sweep(Timestamp::from_millis(1_000), 1_000).await.unwrap().expired;
    }
    assert_eq!(dropped, 1_100);
}

#[tokio::test]
async fn a_sweep_that_fails_to_list_goes_on_where_the_last_one_ended() {
    let fake = Fake::start().await;
    let backend = filled(&fake.url(), 0, 1_500).await;
    let now = Timestamp::from_millis(1_000);
    backend.sweep(now, 10).await.unwrap();
    fake.fault(|_, _| Answer::error(403, "AccessDenied"));
    backend.sweep(now, 10).await.unwrap_err();
    let lists = Arc::new(AtomicUsize::new(0));
    let seen = lists.clone();
    fake.fault(move |request, answer| {
        let goes_on = request.target.contains("continuation-token");
        seen.fetch_add(usize::from(goes_on), Ordering::SeqCst);
        answer
    });
    backend.sweep(now, 10).await.unwrap();
    assert_eq!(lists.load(Ordering::SeqCst), 1, "the page after the first one was asked for");
}

#[tokio::test]
async fn tombstones_and_marks_stay_for_an_hour_after_they_have_expired() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let backend = ObjectBackend::open(ObjectConfig::parse("memory:///").unwrap().clock(clock.clone())).await.unwrap();
    for (number, role) in [Role::Value, Role::Tombstone, Role::Mark].into_iter().enumerate() {
        let mut meta = Meta::new(Stamp::from_u64(1), Timestamp::EPOCH);
        (meta.role, meta.stale_until) = (role, Timestamp::from_millis(1_000));
        backend.put(&Key::of("k").part(number).build().unwrap(), Entry::new(meta, "")).await.unwrap();
    }
    let mut swept = Vec::new();
    for now in [1_000, 3_600_999, 3_601_000] {
        swept.push(backend.sweep(Timestamp::from_millis(now), 10).await.unwrap().expired);
    }
    assert_eq!(swept, [1, 0, 2]);
}

#[tokio::test]
async fn a_sweep_on_s3_goes_on_at_its_token() {
    let fake = Fake::start().await;
    let backend = filled(&fake.url(), 1_200, 0).await;
    let first = backend.sweep(Timestamp::from_millis(1_000), 5_000).await.unwrap();
    let second = backend.sweep(Timestamp::from_millis(1_000), 5_000).await.unwrap();
    assert_eq!((first.expired, second.expired), (1_000, 200));
}

#[tokio::test]
async fn a_scan_below_a_prefix_looks_at_the_objects_of_its_first_segment_alone() {
    let fake = Fake::start().await;
    let backend = filled(&fake.url(), 0, 50).await;
    fake.fault(|_, answer| answer);
    let found = backend.scan(&KeyPrefix::below(&Key::parse("3").unwrap())).count().await;
    assert_eq!((found, fake.requests()), (10, 1 + 10));
}

#[tokio::test]
async fn heads_are_read_without_bodies() {
    let fake = Fake::start().await;
    let backend = ObjectBackend::open(ObjectConfig::parse(&fake.url()).unwrap()).await.unwrap();
    let key = Key::parse("long").unwrap();
    let entry = Entry::new(Meta::new(Stamp::from_u64(1), Timestamp::EPOCH), vec![7; 1 << 20]);
    backend.put(&key, entry).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    fake.fault(move |_, answer| {
        count.fetch_add(answer.body.len(), Ordering::SeqCst);
        answer
    });
    assert!(backend.stat(&key).await.unwrap().is_some());
    assert_eq!(backend.scan(&KeyPrefix::all()).count().await, 1);
    assert!(sent.load(Ordering::SeqCst) < 10_000, "{sent:?} bytes");
}

#[tokio::test]
async fn a_long_meta_is_read_whole_by_every_method() {
    let backend = ObjectBackend::open(ObjectConfig::parse("memory:///").unwrap()).await.unwrap();
    let key = Key::parse("long").unwrap();
    let mut meta = Meta::new(Stamp::from_u64(1), Timestamp::EPOCH);
    meta.tags = (0..2_000).map(|number| Arc::from(format!("tag {number}"))).collect();
    backend.put(&key, Entry::new(meta.clone(), "x")).await.unwrap();
    assert_eq!(backend.stat(&key).await.unwrap(), Some(meta.clone()));
    assert_eq!(backend.get(&key).await.unwrap(), Some(Entry::new(meta, "x")));
}

#[tokio::test]
async fn objects_of_others_below_the_prefix_are_neither_counted_nor_touched() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("readme.txt"), "not a cache entry").unwrap();
    let backend = filled(&format!("file://{}", dir.path().display()), 10, 5).await;
    assert_eq!(backend.usage().await.unwrap().entries, 15);
    assert_eq!(backend.scan(&KeyPrefix::all()).filter(|found| std::future::ready(found.is_err())).count().await, 0);
    assert_eq!(backend.sweep(Timestamp::from_millis(1_000), 100).await.unwrap().expired, 10);
    assert_eq!(std::fs::read_to_string(dir.path().join("readme.txt")).unwrap(), "not a cache entry");
}
