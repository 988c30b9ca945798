//! Rules: whatever is found on the server, a read is right or absent, and nobody else's keys are touched.

use std::time::Duration;

use cache_core::{Backend, BackendExt, Entry, Key, KeyPrefix, ttl};
use cache_testkit::eventually;

use super::support::{LIMIT, count, entry, key, now, open};
use crate::servers::{Raw, Redis, Said};

const PREFIX: &[u8] = b"reelcache:";

fn name(key: &Key) -> Vec<u8> {
    [PREFIX, key.as_str().as_bytes()].concat()
}

fn stored(raw: &mut Raw, key: &Key) -> Vec<u8> {
    let Said::Text(bytes) = raw.ask(&[b"GET", &name(key)]) else { panic!("no record") };
    bytes
}

#[tokio::test]
async fn a_record_that_was_changed_is_absent_and_dropped() {
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    let good = entry(1, 5, 2_000);
    backend.put(&key(1), good.clone()).await.unwrap();
    let record = stored(&mut raw, &key(1));
    let mut bad = vec![record[..record.len() - 1].to_vec(), record[..40].to_vec(), [&record[..], b"x"].concat()];
    for at in (5..record.len()).step_by(97) {
        let mut flipped = record.clone();
        flipped[at] ^= 0x10;
        bad.push(flipped);
    }
    for (number, value) in bad.iter().enumerate() {
        raw.ask(&[b"SET", &name(&key(1)), value]);
        assert_eq!(backend.get(&key(1)).await.unwrap(), None, "value {number}");
        assert_eq!(backend.usage().await.unwrap().corrupt, number as u64 + 1);
        assert_eq!(raw.ask(&[b"EXISTS", &name(&key(1))]), Said::Number(0), "value {number} is dropped");
    }
    raw.ask(&[b"SET", &name(&key(1)), &record]);
    assert_eq!(backend.get(&key(1)).await.unwrap(), Some(good));
    // The record of another key is none of this one.
    raw.ask(&[b"RENAME", &name(&key(1)), &name(&key(2))]);
    assert_eq!(backend.get(&key(2)).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_record_is_absent_and_stays_until_a_put() {
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    raw.ask(&[b"HSET", &name(&key(1)), b"field", b"value"]);
    raw.ask(&[b"SET", &name(&key(2)), b"somebody else's"]);
    raw.ask(&[b"SET", &name(&key(3)), b""]);
    raw.ask(&[b"SET", &name(&key(4)), b"RLCR\x02 of a later version, and long enough to have a front"]);
    for number in 1..=4 {
        assert_eq!(backend.get(&key(number)).await.unwrap(), None);
        assert_eq!(backend.stat(&key(number)).await.unwrap(), None);
        assert!(!backend.remove(&key(number)).await.unwrap());
        assert!(!backend.renew(&key(number), entry(1, 1, 8).meta.stamp, entry(1, 1, 8).meta).await.unwrap());
        assert_eq!(raw.ask(&[b"EXISTS", &name(&key(number))]), Said::Number(1));
    }
    assert_eq!(count(&backend).await, 0);
    for number in 1..=4 {
        let entry = entry(number, 1, 100);
        backend.put(&key(number), entry.clone()).await.unwrap();
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(entry));
    }
}

#[tokio::test]
async fn long_bodies_come_back_equal_and_a_damaged_one_does_not() {
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    for len in [200_000, 262_000, 262_144, 300_000, 3_000_000] {
        let entry = entry(1, len as u64, len);
        backend.put(&key(1), entry.clone()).await.unwrap();
        assert!(backend.get(&key(1)).await.unwrap() == Some(entry), "{len} bytes");
    }
    raw.ask(&[b"SETRANGE", &name(&key(1)), b"2900000", b"damaged"]);
    assert!(backend.get(&key(1)).await.unwrap().is_none());
    assert_eq!(raw.ask(&[b"EXISTS", &name(&key(1))]), Said::Number(0));
}

#[tokio::test]
async fn odd_and_foreign_keys_are_ignored_and_left_alone() {
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    let odd: [&[u8]; 5] = [b"\xff\xfe", b"", b"=lease:x", b"a*", &vec![b'k'; 64 << 10]];
    for rest in odd {
        raw.ask(&[b"SET", &[PREFIX, rest].concat(), b"odd"]);
    }
    assert!(backend.usage().await.unwrap().exact);
    raw.say("DEBUG POPULATE 150000 foreign 10");
    for number in 0..50 {
        backend.put(&key(number), entry(number, 1, 10)).await.unwrap();
    }
    assert_eq!(count(&backend).await, 50);
    let usage = backend.usage().await.unwrap();
    // Two thirds of the keys are looked at, so the estimate is 5 off as a rule: six times that is no chance.
    assert!((20..=80).contains(&usage.entries), "an estimate of 50: {usage:?}");
    assert!(!usage.exact, "and said to be one");
    assert_eq!(backend.sweep(now(), 100).await.unwrap().expired, 0);
    assert_eq!(backend.remove_prefix(&KeyPrefix::all()).await.unwrap(), 50);
    assert_eq!(raw.say("DBSIZE"), Said::Number(150_005), "keys of others");
}

#[tokio::test]
async fn the_server_drops_what_has_ended() {
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    let with_life = |millis| {
        let Entry { meta, body } = entry(1, 1, 10);
        Entry { meta: meta.with_lifetime(ttl(Duration::from_millis(millis))), body }
    };
    backend.put(&key(1), with_life(300)).await.unwrap();
    backend.put(&key(2), with_life(3_600_000)).await.unwrap();
    backend.put(&key(3), entry(1, 1, 10)).await.unwrap();
    let life = |raw: &mut Raw, number| match raw.ask(&[b"PTTL", &name(&key(number))]) {
        Said::Number(life) => life,
        other => panic!("{other:?}"),
    };
    assert!((3_500_000..=3_601_000).contains(&life(&mut raw, 2)));
    assert_eq!(life(&mut raw, 3), -1, "without end");
    // A renewal moves the end, in place and with a longer head, and takes it away.
    let mut renewed = with_life(60_000).meta;
    assert!(backend.renew(&key(2), renewed.stamp, renewed.clone()).await.unwrap());
    assert!((1..=61_000).contains(&life(&mut raw, 2)));
    renewed.tags = (0..50).map(|number| format!("tag {number}").into()).collect();
    assert!(backend.renew(&key(2), renewed.stamp, renewed).await.unwrap());
    assert!((1..=61_000).contains(&life(&mut raw, 2)));
    assert!(backend.renew(&key(2), entry(1, 1, 8).meta.stamp, entry(1, 1, 8).meta).await.unwrap());
    assert_eq!(life(&mut raw, 2), -1);
    let gone = || async { redis.raw().ask(&[b"EXISTS", &name(&key(1))]) == Said::Number(0) };
    assert!(eventually(LIMIT, gone).await, "dropped without a read");
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_forgotten_script_is_sent_again() {
    let redis = Redis::start(&[]);
    let (backend, mut raw) = (open(redis.options()).await, redis.raw());
    for stamp in 1..=3 {
        raw.say("SCRIPT FLUSH");
        backend.put(&key(1), entry(1, stamp, 10)).await.unwrap();
        assert_eq!(backend.get(&key(1)).await.unwrap().map(|entry| entry.meta.stamp.as_u64()), Some(stamp));
    }
}

#[tokio::test]
async fn a_sweep_that_stopped_at_its_limit_goes_on_there() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options().expiry_slack(Duration::from_hours(1))).await;
    for number in 0..200 {
        let mut entry = entry(number, 1, 10);
        entry.meta = entry.meta.with_lifetime(ttl(Duration::from_mins(10)));
        backend.put(&key(number), entry).await.unwrap();
    }
    redis.raw().say("DEBUG POPULATE 20000 foreign 10");
    redis.raw().say("CONFIG RESETSTAT");
    let later = now().after(Duration::from_mins(11));
    let (mut expired, mut more) = (0, true);
    while more {
        let swept = backend.sweep(later, 10).await.unwrap();
        (expired, more) = (expired + swept.expired, swept.more);
    }
    assert_eq!(expired, 200);
    let stats = redis.raw().say("INFO commandstats").text();
    let calls = stats.split("cmdstat_scan:calls=").nth(1).unwrap().split(',').next().unwrap();
    assert!(calls.parse::<u64>().unwrap() < 150, "{calls} steps over a server of 40");
}
