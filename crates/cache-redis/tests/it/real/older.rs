//! Rules: what was put out of date stays so when the server comes back with less than it had acknowledged.

use cache_core::{Error, Key, Selector};
use cache_mem::MemBackend;
use cache_redis::RedisOptions;
use cache_testkit::eventually;
use cache_tiered::{Cache, Load, Tiered};

use super::support::{LIMIT, key, open};
use crate::servers::Redis;

async fn node(number: u8, options: RedisOptions) -> Cache<String> {
    let near = MemBackend::builder(1 << 20).name("near").build();
    let tiers = Tiered::builder().node(number).tier(near).tier(open(options).await).build().unwrap();
    let cache = Cache::builder("strings").tiers(tiers).build().unwrap();
    cache.get(&key(0)).await.unwrap();
    cache
}

async fn holds(cache: &Cache<String>, key: &Key) -> bool {
    cache.get(key).await.unwrap().is_some()
}

/// Two processes that hold the keys 1 and 2, over a server that has saved them.
async fn saved() -> (Redis, Cache<String>, Cache<String>) {
    let redis = Redis::start(&[]);
    let (one, two) = (node(1, redis.options()).await, node(2, redis.options()).await);
    // The very first marks may be told before somebody listens.
    for (teller, hearer) in [(&one, &two), (&two, &one)] {
        let heard = || async {
            hearer.put(&key(9), "probe".to_owned()).await.unwrap();
            teller.remove(&key(9)).await.unwrap();
            eventually(LIMIT / 100, || async { !holds(hearer, &key(9)).await }).await
        };
        assert!(eventually(LIMIT, heard).await);
    }
    for number in [1, 2] {
        one.get_or_load(&key(number), |_: Load| async { Ok::<_, Error>("old".to_owned()) }).await.unwrap();
        assert!(eventually(LIMIT, || async { holds(&two, &key(number)).await }).await);
    }
    redis.raw().say("SAVE");
    (redis, one, two)
}

/// The server has crashed and is back, and a process starts.
async fn back(redis: &mut Redis) -> Cache<String> {
    redis.server.kill().unwrap();
    redis.start_again();
    node(3, redis.options()).await
}

/// Fails unless every one of `caches` comes to know that `keys` are gone.
async fn assert_gone(caches: &[&Cache<String>], keys: &[u64]) {
    for (at, cache) in caches.iter().enumerate() {
        for number in keys {
            let gone = || async { !holds(cache, &key(*number)).await };
            assert!(eventually(LIMIT, gone).await, "cache {at} serves key {number}, which was put out of date");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_holds_after_the_server_came_back_without_it_while_who_made_it_lives() {
    let (mut redis, one, two) = saved().await;
    // Whether the other one hears of it or not.
    one.invalidate(&Selector::all()).await.unwrap();
    let three = back(&mut redis).await;
    assert_gone(&[&one, &two, &three], &[1, 2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_holds_after_the_server_came_back_without_it_while_who_heard_it_lives() {
    let (mut redis, one, two) = saved().await;
    one.invalidate(&Selector::all()).await.unwrap();
    assert_gone(&[&two], &[1, 2]).await;
    one.close().await.unwrap();
    drop(one);
    let three = back(&mut redis).await;
    assert_gone(&[&two, &three], &[1, 2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remove_holds_after_the_server_came_back_without_it_while_who_made_it_lives() {
    let (mut redis, one, two) = saved().await;
    one.remove(&key(1)).await.unwrap();
    let three = back(&mut redis).await;
    assert_gone(&[&one, &two, &three], &[1]).await;
    assert!(holds(&three, &key(2)).await, "the others stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remove_holds_after_the_server_came_back_without_it_while_who_heard_it_lives() {
    let (mut redis, one, two) = saved().await;
    one.remove(&key(1)).await.unwrap();
    assert_gone(&[&two], &[1]).await;
    one.close().await.unwrap();
    drop(one);
    let three = back(&mut redis).await;
    assert_gone(&[&two, &three], &[1]).await;
}
