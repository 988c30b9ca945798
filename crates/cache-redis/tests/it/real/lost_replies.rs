//! Rules: of a call whose reply is lost, the effect is there once; what tells whether it changed anything is sent once.
//! changed anything is not sent again.

use std::collections::BTreeMap;

use cache_core::Backend;
use cache_redis::{RedisBackend, RedisOptions};
use cache_testkit::proxy::{Proxy, Weather};

use super::support::{assert_outage, count, entry, key, open, recovered, timed};
use crate::servers::Redis;

/// How often the server ran each command.
fn ran(redis: &Redis) -> BTreeMap<String, u64> {
    let stats = redis.raw().say("INFO commandstats").text();
    let calls = stats.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    calls.collect()
}

/// Makes `call` while every connection is cut once the server has answered; how often the server ran `command`.
async fn cut<T: std::fmt::Debug>(
    (redis, proxy, backend): (&Redis, &Proxy, &RedisBackend),
    command: &str,
    call: impl Future<Output = cache_core::Result<T>>,
) -> u64 {
    let times = || ran(redis).get(command).copied().unwrap_or_default();
    proxy.set(Weather::CutReplies(0));
    let before = times();
    assert_outage(&timed(call).await);
    let ran = times() - before;
    proxy.set(Weather::Clear);
    recovered(backend).await;
    ran
}

#[tokio::test]
async fn each_call_whose_reply_is_lost_has_its_effect_once() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let backend = open(RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    let world = (&redis, &proxy, &backend);
    backend.put(&key(1), entry(1, 1, 10)).await.unwrap();
    backend.get(&key(1)).await.unwrap();
    // Every script is known to the server before one has its reply cut: to send it is a call as well.
    backend.put(&key(2), entry(2, 1, 10)).await.unwrap();
    assert!(backend.renew(&key(2), entry(2, 1, 10).meta.stamp, entry(2, 2, 10).meta).await.unwrap());
    assert!(backend.remove(&key(2)).await.unwrap());

    let gets = cut(world, "getrange", backend.get(&key(1))).await;
    let puts = cut(world, "set", backend.put(&key(3), entry(3, 1, 10))).await;
    assert!(backend.get(&key(3)).await.unwrap().is_some(), "told to have failed, and put all the same");
    let renewed = entry(1, 3, 10).meta;
    let renewals = cut(world, "evalsha", backend.renew(&key(1), entry(1, 1, 10).meta.stamp, renewed)).await;
    assert_eq!(backend.get(&key(1)).await.unwrap().map(|entry| entry.meta.stamp.as_u64()), Some(3));
    let removes = cut(world, "evalsha", backend.remove(&key(1))).await;
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    // With the entry of `recovered`.
    assert_eq!(count(&backend).await, 2);
    println!("reply lost: get ran {gets}, put wrote {puts}, renew ran {renewals}, remove ran {removes} times");
    assert!((1..=2).contains(&gets) && (1..=2).contains(&puts), "{gets} gets, {puts} writes by a put");
    assert_eq!((renewals, removes), (1, 1));
}
