//! Rules: calls that are gathered because many are under way answer as each of them would alone.

use std::sync::Arc;

use cache_core::{Backend, Entry, ErrorKind, Result};
use cache_redis::RedisBackend;
use futures_util::future::join_all;

use super::support::{entry, key, open};
use crate::servers::Redis;

/// Calls at the same time: enough to be gathered.
const CROWD: u64 = 200;

/// Has the backend see that puts usually find an entry in their way.
async fn puts_replace(backend: &RedisBackend) {
    for stamp in 1..100 {
        backend.put(&key(u64::MAX), entry(0, stamp, 8)).await.unwrap();
    }
}

/// Puts of `entries` at the same time, one under each number.
async fn puts(backend: &Arc<RedisBackend>, entries: impl Iterator<Item = (u64, Entry)>) -> Vec<Result<()>> {
    let put = |(number, entry)| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.put(&key(number), entry).await })
    };
    let puts: Vec<_> = entries.map(put).collect();
    join_all(puts).await.into_iter().map(|answer| answer.unwrap()).collect()
}

#[tokio::test]
async fn reads_at_the_same_time_answer_as_alone() {
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (Arc::new(open(redis.options()).await), redis.raw());
    let lens = [8, 1_000, 16_000, 17_000, 70_000, 300_000];
    // Made once: an entry knows when it was made.
    let entries: Vec<_> = (0..CROWD).map(|number| entry(number, 1, lens[number as usize % 6])).collect();
    let held = |number: u64| (number % 8 < 6).then(|| entries[number as usize].clone());
    for number in 0..CROWD {
        if let Some(entry) = held(number) {
            backend.put(&key(number), entry).await.unwrap();
        }
    }
    let name = |number| format!("reelcache:{}", key(number)).into_bytes();
    for number in (0..CROWD).filter(|number| number % 16 == 6) {
        raw.ask(&[b"HSET", &name(number), b"field", b"value"]);
        raw.ask(&[b"SETRANGE", &name(number + 1), b"0", b"somebody else's"]);
        raw.ask(&[b"SETRANGE", &name(number - 6), b"30", b"damaged"]);
    }
    for _ in 0..5 {
        let reads: Vec<_> = (0..CROWD)
            .map(|number| {
                let backend = backend.clone();
                tokio::spawn(async move { backend.get(&key(number)).await })
            })
            .collect();
        for (number, found) in (0..CROWD).zip(join_all(reads).await) {
            let expected = held(number).filter(|_| number % 16 != 0);
            assert!(found.unwrap().unwrap() == expected, "number {number}");
        }
    }
    let keys: Vec<_> = (0..CROWD).map(key).collect();
    for (number, found) in (0..CROWD).zip(backend.get_many(&keys).await) {
        assert!(found.unwrap() == held(number).filter(|_| number % 16 != 0), "number {number}");
    }
}

#[tokio::test]
async fn of_puts_at_the_same_time_the_newest_stamp_wins() {
    let redis = Redis::start(&[]);
    let backend = Arc::new(open(redis.options()).await);
    puts_replace(&backend).await;
    // Ten keys, twenty stamps each in no order, long ones among them.
    let stamp = |turn: u64| 1 + turn * 7 % 20;
    let entries =
        (0..CROWD).map(|at| (at % 10, entry(at % 10, stamp(at / 10), if at % 9 == 0 { 20_000 } else { 900 })));
    for answer in puts(&backend, entries).await {
        answer.unwrap();
    }
    for number in 0..10 {
        let found = backend.get(&key(number)).await.unwrap().unwrap();
        assert_eq!(found.meta.stamp.as_u64(), 20, "number {number}");
    }
}

#[tokio::test]
async fn a_full_server_refuses_each_of_the_puts_at_the_same_time() {
    let redis = Redis::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let (backend, mut raw) = (Arc::new(open(redis.options()).await), redis.raw());
    puts_replace(&backend).await;
    raw.ask(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    for answer in puts(&backend, (0..CROWD).map(|number| (number, entry(number, 1, 900)))).await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.message().contains("maxmemory"), "{error}");
    }
}

#[tokio::test]
async fn callers_that_leave_take_nobody_with_them() {
    let redis = Redis::start(&[]);
    let backend = Arc::new(open(redis.options()).await);
    puts_replace(&backend).await;
    for number in 0..CROWD {
        backend.put(&key(number), entry(number, 1, 100)).await.unwrap();
    }
    for _ in 0..20 {
        let calls: Vec<_> = (0..CROWD)
            .map(|number| {
                let backend = backend.clone();
                tokio::spawn(async move {
                    backend.put(&key(number), entry(number, 1, 100)).await?;
                    backend.get(&key(number)).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        calls.iter().step_by(2).for_each(tokio::task::JoinHandle::abort);
        for call in calls.into_iter().skip(1).step_by(2) {
            assert!(call.await.unwrap().unwrap().is_some());
        }
    }
}
