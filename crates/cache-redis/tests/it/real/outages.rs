//! Rules: while Redis is away, slow or full, every call ends in time with a typed error; afterwards all is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Backend, ErrorKind, Key};
use cache_redis::{RedisBackend, RedisOptions};
use cache_testkit::proxy::{Proxy, Weather};
use cache_testkit::{eventually, writer_of};

use tokio::time::{MissedTickBehavior, timeout};

use super::support::{BOUND, COMMAND, LIMIT, assert_outage, entry, hasty, key, open, recovered, timed};
use crate::servers::Redis;

/// Puts and reads by several tasks until `count` calls were made; every answer is right, absent or an outage.
async fn busy(backend: &Arc<RedisBackend>, count: u64, done: &Arc<AtomicU64>) -> u64 {
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (backend, done) = (backend.clone(), done.clone());
            tokio::spawn(async move {
                let mut failed = 0;
                // So that an outage, in which calls fail at once, is not over all of them.
                let mut pace = tokio::time::interval(Duration::from_millis(2));
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while done.fetch_add(2, Ordering::Relaxed) < count {
                    pace.tick().await;
                    let turn = done.load(Ordering::Relaxed);
                    let number = turn % 200;
                    let put = timed(backend.put(&key(number), entry(number, turn * 16 + task, 1_000))).await;
                    let got = timed(backend.get(&key(number))).await;
                    for answer in [put.as_ref().map(drop), got.as_ref().map(drop)] {
                        if answer.is_err() {
                            assert_outage(&answer.map_err(Clone::clone));
                            failed += 1;
                        }
                    }
                    if let Ok(Some(found)) = got {
                        assert_eq!(writer_of(&found.body), Some(number), "the answer to another question");
                    }
                }
                failed
            })
        })
        .collect();
    let mut failed = 0;
    for task in tasks {
        failed += task.await.unwrap();
    }
    failed
}

async fn reached(done: &AtomicU64, count: u64) {
    assert!(eventually(LIMIT, || async { done.load(Ordering::Relaxed) >= count }).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_and_started_again_amid_10_000_calls_is_found_again() {
    let mut redis = Redis::start(&[]);
    let backend = Arc::new(open(redis.options()).await);
    let done = Arc::new(AtomicU64::new(0));
    let calls = tokio::spawn({
        let (backend, done) = (backend.clone(), done.clone());
        async move { busy(&backend, 10_000, &done).await }
    });
    reached(&done, 3_000).await;
    redis.server.kill().unwrap();
    assert!(eventually(LIMIT, || async { backend.get(&key(0)).await.is_err() }).await);
    redis.start_again();
    let back = recovered(&backend).await;
    let failed = calls.await.unwrap();
    println!("killed: {failed} of 10,000 calls failed, back {back:?} after the server was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_times_out_and_no_late_reply_answers_another_call() {
    let redis = Redis::start(&[]);
    let backend = Arc::new(open(redis.options()).await);
    for number in 0..200 {
        backend.put(&key(number), entry(number, 1, 1_000)).await.unwrap();
    }
    let done = Arc::new(AtomicU64::new(0));
    let calls = tokio::spawn({
        let (backend, done) = (backend.clone(), done.clone());
        async move { busy(&backend, 6_000, &done).await }
    });
    reached(&done, 2_000).await;
    redis.server.pause().unwrap();
    // Longer than a call, shorter than the silence that ends a connection: its replies come late.
    assert!(eventually(LIMIT, || async { timed(backend.get(&key(0))).await.is_err() }).await);
    redis.server.resume().unwrap();
    recovered(&backend).await;
    redis.server.pause().unwrap();
    // Longer than that.
    let start = std::time::Instant::now();
    while start.elapsed() < COMMAND * 6 {
        assert_outage(&timed(backend.get(&key(1))).await);
    }
    redis.server.resume().unwrap();
    let back = recovered(&backend).await;
    let failed = calls.await.unwrap();
    println!("stopped: {failed} of 6,000 calls failed, back {back:?} after the server was");
}

#[tokio::test]
async fn a_reply_that_is_cut_short_is_no_entry() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let backend = open(RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    backend.put(&key(1), entry(1, 1, 100_000)).await.unwrap();
    for cut in [0, 1, 10, 1_000, 99_999] {
        proxy.set(Weather::CutReplies(cut));
        assert_outage(&timed(backend.get(&key(1))).await);
        proxy.set(Weather::Clear);
        recovered(&backend).await;
        assert!(backend.get(&key(1)).await.unwrap().is_some(), "nothing was dropped for it");
    }
}

#[tokio::test]
async fn a_read_whose_connection_is_cut_is_repeated_once() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let options = hasty(RedisOptions::single("127.0.0.1", proxy.addr().port()));
    let backend = Arc::new(RedisBackend::open(options.command_timeout(LIMIT)).await.unwrap());
    backend.put(&key(1), entry(1, 1, 10)).await.unwrap();
    proxy.set(Weather::Hang);
    let read = tokio::spawn({
        let backend = backend.clone();
        async move { backend.get(&key(1)).await }
    });
    // On this one thread, the command is on its way by then.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    proxy.cut_all().await;
    assert!(read.await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn slow_servers_are_waited_for_within_the_limit() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let backend = open(RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    let expected = entry(1, 1, 50_000);
    backend.put(&key(1), expected.clone()).await.unwrap();
    proxy.set(Weather::Delay(COMMAND / 10));
    assert!(timed(backend.get(&key(1))).await.unwrap() == Some(expected));
    proxy.set(Weather::Delay(COMMAND * 2));
    assert_eq!(timed(backend.get(&key(1))).await.unwrap_err().kind(), ErrorKind::Timeout);
    proxy.set(Weather::Clear);
    recovered(&backend).await;
    proxy.set(Weather::Drip(1_000));
    assert_outage(&timed(backend.get(&key(1))).await);
    proxy.set(Weather::Clear);
    recovered(&backend).await;
}

#[tokio::test]
async fn a_hung_network_fails_many_calls_as_fast_as_one() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let options = RedisOptions::single("127.0.0.1", proxy.addr().port());
    let backend = RedisBackend::open(hasty(options).in_flight_bytes(1 << 20)).await.unwrap();
    proxy.set(Weather::Hang);
    let puts: Vec<_> = (0..500).map(|number| (key(number), entry(number, 1, 200_000))).collect();
    let keys: Vec<Key> = (0..500).map(key).collect();
    let (gets, puts) = tokio::join!(
        timed(backend.get_many(&keys)),
        timed(async { timeout(BOUND, backend.put(&puts[0].0, puts[0].1.clone())).await.unwrap() })
    );
    gets.iter().for_each(assert_outage);
    assert_outage(&puts);
    proxy.set(Weather::Clear);
    recovered(&backend).await;
}

#[tokio::test]
async fn a_full_server_refuses_puts_and_goes_on_with_reads() {
    let redis = Redis::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let backend = open(redis.options()).await;
    let mut kept = Vec::new();
    let refused = loop {
        let number = kept.len() as u64;
        match backend.put(&key(number), entry(number, 1, 50_000)).await {
            Ok(()) => kept.push(key(number)),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.message().contains("maxmemory"), "{refused}");
    assert!(!kept.is_empty(), "it held something");
    for (key, found) in kept.iter().zip(backend.get_many(&kept).await) {
        assert!(found.unwrap().is_some(), "{key}");
    }
    let replaced = backend.put(&kept[0], entry(0, 9, 50_000)).await;
    assert!(replaced.is_err(), "a put over an entry is refused as well");
    assert_eq!(backend.get(&kept[0]).await.unwrap().map(|entry| entry.meta.stamp.as_u64()), Some(1));
    // A remove makes room.
    assert!(backend.remove(&kept[0]).await.unwrap());
}

#[tokio::test]
async fn entries_that_the_server_evicts_are_misses() {
    let redis = Redis::start(&["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"]);
    let backend = open(redis.options()).await;
    let mut found = 0;
    for number in 0..200 {
        backend.put(&key(number), entry(number, 1, 50_000)).await.unwrap();
    }
    for number in 0..200 {
        if let Some(entry) = backend.get(&key(number)).await.unwrap() {
            assert_eq!(writer_of(&entry.body), Some(number));
            found += 1;
        }
    }
    println!("allkeys-lru: {found} of 200 entries are left, no call failed, none was wrong");
    assert!((1..200).contains(&found), "{found} of 200 are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_for_many_take_no_longer_than_their_number_allows_while_the_server_hangs() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let backend = open(RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    backend.put(&key(0), entry(0, 1, 10)).await.unwrap();
    proxy.set(Weather::Hang);
    let count = 1_000;
    let limit = COMMAND * (3 + 1_000 / 64) + Duration::from_secs(1);
    let keys: Vec<Key> = (0..count).map(key).collect();
    let read = timeout(limit, backend.get_many(&keys)).await.unwrap();
    assert!(
        read.len() == keys.len() && read.iter().all(|answer| answer.as_ref().is_err_and(|error| error.key().is_some()))
    );
    let entries = (0..count).map(|number| (key(number), entry(number, 1, 10))).collect();
    let put = timeout(limit, backend.put_many(entries)).await.unwrap();
    assert_eq!(put.len(), keys.len());
    put.iter().for_each(assert_outage);
}
