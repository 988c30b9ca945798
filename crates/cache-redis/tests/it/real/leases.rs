//! Rules of leases: one holder at a time, in the whole fleet; tokens rise; what was lost stays lost.

use std::sync::Mutex;
use std::time::Duration;

use cache_core::{Backend, Hlc, Lease, Leases, Stamp};
use cache_redis::{RedisBackend, RedisOptions};
use cache_testkit::eventually;
use futures_util::future::join_all;

use super::support::{LIMIT, assert_outage, key, now, open, timed};
use crate::servers::{self, Redis, Said};

const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(50);

fn leases(backend: &RedisBackend) -> &dyn Leases {
    backend.leases().unwrap()
}

/// Takes the lease of key `number` as soon as it is free.
async fn taken(backend: &RedisBackend, number: u64, at_least: Stamp, span: Duration) -> Lease {
    let taken = Mutex::new(None);
    let take = || async {
        let lease = leases(backend).take(&key(number), at_least, span).await.unwrap();
        let got_it = lease.is_some();
        *taken.lock().unwrap() = lease;
        got_it
    };
    assert!(eventually(LIMIT, take).await, "not free within {LIMIT:?}");
    taken.into_inner().unwrap().unwrap()
}

fn servers() -> [RedisOptions; 3] {
    [servers::redis(), servers::valkey(), servers::cluster()]
}

fn stamp(number: u64) -> Stamp {
    Stamp::from_u64(number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_100_takers_from_several_processes_gets_the_lease() {
    for options in servers() {
        let backends = join_all((0..4).map(|_| open(options.clone()))).await;
        for round in 0..10 {
            let key = key(round);
            let takers = (0..100).map(|taker| leases(&backends[taker % 4]).take(&key, stamp(taker as u64), LONG));
            let given: Vec<_> = join_all(takers).await.into_iter().filter_map(Result::unwrap).collect();
            assert_eq!(given.len(), 1, "{given:?}");
            assert!(leases(&backends[0]).renew(&given[0], LONG).await.unwrap(), "whoever asks, by its token");
        }
    }
}

#[tokio::test]
async fn a_token_is_not_older_than_asked_for_and_newer_than_all_before() {
    for options in servers() {
        let backend = open(options).await;
        let leases = leases(&backend);
        // Clocks ahead of the server's, behind it, at both ends of the bytes; released and expired.
        let ahead = Stamp::first_of(now().after(Duration::from_mins(5))).as_u64();
        let asked = [7, 7, 6, 0x01_ff, 0x02_ff, 0, ahead, 3, ahead - 1, ahead + 0x100, 0x00ff_ffff_ffff_ffff];
        let mut last = Stamp::ZERO;
        for (turn, at_least) in asked.into_iter().enumerate() {
            let at_least = stamp(at_least);
            let span = if turn % 2 == 0 { LONG } else { SHORT };
            let lease = taken(&backend, 1, at_least, span).await;
            assert!(lease.token > last && lease.token >= at_least, "{:?} after {last:?}", lease.token);
            assert_eq!(lease.token.node(), at_least.node(), "the number of the taker's clock");
            last = lease.token;
            if turn % 2 == 0 {
                assert!(leases.release(&lease).await.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn what_was_released_expired_or_never_held_is_neither_renewed_nor_released() {
    let backend = open(servers::redis()).await;
    let leases = leases(&backend);
    let first = taken(&backend, 1, stamp(1), LONG).await;
    assert!(leases.take(&key(1), stamp(2), LONG).await.unwrap().is_none(), "held, also by this process");
    let other = Lease::new(key(1), stamp(2));
    assert!(!leases.renew(&other, LONG).await.unwrap() && !leases.release(&other).await.unwrap());
    assert!(!leases.renew(&Lease::new(key(2), first.token), LONG).await.unwrap(), "another key");
    assert!(leases.release(&first).await.unwrap());
    assert!(!leases.release(&first).await.unwrap() && !leases.renew(&first, LONG).await.unwrap());

    let second = taken(&backend, 1, stamp(1), SHORT).await;
    let third = taken(&backend, 1, stamp(1), LONG).await;
    assert!(!leases.renew(&second, LONG).await.unwrap() && !leases.release(&second).await.unwrap(), "expired");
    assert!(leases.renew(&third, LONG).await.unwrap(), "what the former holder did changes nothing");
}

#[tokio::test]
async fn an_expired_lease_is_not_renewed_although_nobody_else_has_it() {
    let backend = open(servers::redis()).await;
    let lease = taken(&backend, 1, stamp(1), SHORT).await;
    let refused = || async { !leases(&backend).renew(&lease, Duration::ZERO).await.unwrap() };
    assert!(eventually(LIMIT, refused).await);
}

#[tokio::test]
async fn a_renewed_lease_is_held_beyond_its_first_span() {
    let backend = open(servers::redis()).await;
    let span = Duration::from_millis(500);
    let lease = taken(&backend, 1, stamp(1), span).await;
    assert!(leases(&backend).renew(&lease, LONG).await.unwrap());
    // One as long, taken later and not renewed, has ended: so the first span has.
    taken(&backend, 2, stamp(1), span).await;
    taken(&backend, 2, stamp(1), span).await;
    assert!(leases(&backend).take(&key(1), stamp(9), LONG).await.unwrap().is_none());
}

#[tokio::test]
async fn a_fence_ends_10_minutes_after_the_lease_and_its_token() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let minutes = |name: &str| {
        let Said::Number(millis) = redis.raw().say(&format!("PTTL reelcache:=lease:{name}")) else { panic!() };
        (millis.unsigned_abs() + 30_000) / 60_000
    };
    let ends = [(1, Duration::ZERO, 11), (2, Duration::from_mins(5), 15), (3, Duration::from_hours(48), 30)];
    for (number, ahead, life) in ends {
        let token = Stamp::first_of(now().after(ahead));
        let lease = leases(&backend).take(&key(number), token, LONG).await.unwrap().unwrap();
        assert_eq!(minutes(key(number).as_str()), life);
        leases(&backend).release(&lease).await.unwrap();
        assert_eq!(minutes(key(number).as_str()), life.max(11) - u64::from(life == 11), "held or not");
    }
    assert!(Hlc::MAX_AHEAD == Duration::from_mins(10));
    assert_eq!(super::support::count(&backend).await, 0, "no entries");
    assert_eq!(backend.usage().await.unwrap().entries, 0);
}

#[tokio::test]
async fn after_the_last_stamp_there_is_no_lease_until_the_fence_ends() {
    let backend = open(servers::redis()).await;
    let last = leases(&backend).take(&key(1), stamp(u64::MAX), LONG).await.unwrap().unwrap();
    assert!(leases(&backend).release(&last).await.unwrap());
    assert!(leases(&backend).take(&key(1), stamp(1), LONG).await.unwrap().is_none());
}

#[tokio::test]
async fn a_foreign_value_in_place_of_a_lease_is_replaced() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    for (number, command) in [(1, "RPUSH"), (2, "SET"), (3, "SADD")] {
        redis.raw().say(&format!("{command} reelcache:=lease:{} foreign-and-long", key(number)));
        assert!(leases(&backend).take(&key(number), stamp(9), LONG).await.unwrap().is_some(), "{command}");
        assert!(leases(&backend).take(&key(number), stamp(9), LONG).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn without_a_server_leases_are_typed_errors_in_bounded_time() {
    let mut redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let lease = taken(&backend, 1, stamp(1), LONG).await;
    redis.server.kill().unwrap();
    let taken = timed(leases(&backend).take(&key(2), stamp(1), LONG)).await;
    assert_outage(&taken);
    let error = taken.unwrap_err();
    assert_eq!((error.backend(), error.operation(), error.key()), (Some("redis"), Some("take"), Some(&key(2))));
    assert_outage(&timed(leases(&backend).renew(&lease, LONG)).await);
    assert_outage(&timed(leases(&backend).release(&lease)).await);
    redis.start_again();
    // Nothing was kept: the lease is lost, and its holder learns it.
    let refused = || async { leases(&backend).renew(&lease, LONG).await.is_ok_and(|held| !held) };
    assert!(eventually(LIMIT, refused).await);
}
