//! Rules: whatever becomes of the server behind an address, calls end in time with a typed error, and the backend finds
//! who serves now.

use std::collections::BTreeSet;
use std::time::Instant;

use cache_core::{Backend, ErrorKind, Key};
use cache_redis::{RedisBackend, RedisOptions};
use cache_testkit::eventually;

use super::support::{LIMIT, assert_outage, count, entry, hasty, key, open, recovered, timed};
use crate::servers::{Cluster, Redis, Said, Watched};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_found_through_the_sentinel() {
    let mut watched = tokio::task::spawn_blocking(Watched::start).await.unwrap();
    let options = RedisOptions::sentinel([("127.0.0.1".to_owned(), watched.sentinel_port)], "films");
    let backend = open(options).await;
    backend.put(&key(1), entry(1, 1, 1_000)).await.unwrap();
    let replicated = || async { watched.replica.raw().say("EXISTS reelcache:test:1") == Said::Number(1) };
    assert!(eventually(LIMIT, replicated).await);
    watched.primary.server.kill().unwrap();
    let back = recovered(&backend).await;
    println!("failover: back {back:?} after the primary was killed");
    assert!(backend.get(&key(1)).await.unwrap().is_some(), "what was replicated is there");
}

#[tokio::test]
async fn a_server_turned_replica_is_told_and_serves_again_later() {
    let (redis, other) = (Redis::start(&[]), Redis::start(&[]));
    let backend = open(redis.options()).await;
    backend.put(&key(1), entry(1, 1, 10)).await.unwrap();
    redis.raw().say(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    let told = || async {
        let answer = timed(backend.put(&key(2), entry(2, 1, 10))).await;
        answer.is_err_and(|error| error.message().contains("read-only replica"))
    };
    assert!(eventually(LIMIT, told).await);
    redis.raw().say("REPLICAOF NO ONE");
    recovered(&backend).await;
}

/// A server that takes 2 s to load its keys, and answers in between that it does.
async fn slow_to_load() -> (Redis, RedisBackend) {
    let slow = ["--appendonly", "yes", "--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"];
    let redis = Redis::start(&slow);
    let backend = open(redis.options()).await;
    let entries: Vec<_> = (0..4_000).map(|number| (key(number), entry(number, 1, 100))).collect();
    for answer in backend.put_many(entries).await {
        answer.unwrap();
    }
    (redis, backend)
}

/// Reads until there is an answer, which has to be the entry; how many reads failed, and what they were told.
async fn waits_for_loading(backend: &RedisBackend) -> (u64, BTreeSet<String>) {
    let begun = Instant::now();
    let (mut failed, mut told) = (0, BTreeSet::new());
    loop {
        match timed(backend.get(&key(3_999))).await {
            Ok(found) => break assert!(found.is_some(), "a server that loads is no empty one"),
            Err(error) => {
                failed += 1;
                told.insert(error.message().to_owned());
                assert_outage::<()>(&Err(error));
            }
        }
        assert!(begun.elapsed() < LIMIT, "still loading");
        tokio::task::yield_now().await;
    }
    println!("loading: {failed} reads failed in {:?}: {told:?}", begun.elapsed());
    (failed, told)
}

#[tokio::test]
async fn who_is_connected_to_a_loading_server_is_told_that_it_loads() {
    let (redis, backend) = slow_to_load().await;
    let mut raw = redis.raw();
    let loads = tokio::task::spawn_blocking(move || raw.say("DEBUG RELOAD"));
    // It saves first, and answers meanwhile.
    let begins = || async { backend.get(&key(3_999)).await.is_err() };
    assert!(eventually(LIMIT, begins).await);
    let (failed, told) = waits_for_loading(&backend).await;
    assert!(failed > 0 && told.iter().any(|told| told.contains("loading its data set")), "{told:?}");
    loads.await.unwrap();
    recovered(&backend).await;
}

#[tokio::test]
async fn a_server_that_loads_after_a_restart_is_an_outage_and_no_empty_one() {
    let (mut redis, backend) = slow_to_load().await;
    redis.server.terminate().unwrap();
    redis.start_again_without_waiting();
    let (failed, _) = waits_for_loading(&backend).await;
    assert!(failed > 0, "nobody saw the server load");
    recovered(&backend).await;
}

#[tokio::test]
async fn a_password_set_or_changed_is_told_and_never_hangs() {
    let redis = Redis::start(&[]);
    let backend = RedisBackend::open(hasty(redis.options()).login("films", "first")).await;
    assert!(backend.is_err(), "no such user");
    redis.raw().say("ACL SETUSER films on >first ~* +@all");
    let backend = open(redis.options().login("films", "first")).await;
    recovered(&backend).await;
    let mut raw = redis.raw();
    raw.say("ACL SETUSER films resetpass >second");
    raw.say("CLIENT KILL USER films");
    let refused =
        || async { timed(backend.get(&key(1))).await.is_err_and(|error| error.kind() == ErrorKind::Unavailable) };
    assert!(eventually(LIMIT, refused).await);
    raw.say("ACL SETUSER films resetpass >first");
    recovered(&backend).await;
}

#[tokio::test]
async fn killed_clients_come_back() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    for _ in 0..5 {
        redis.raw().say("CLIENT KILL TYPE normal SKIPME yes");
        recovered(&backend).await;
    }
}

#[tokio::test]
async fn a_flushed_server_is_an_empty_one() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    for number in 0..20 {
        backend.put(&key(number), entry(number, 9, 10)).await.unwrap();
    }
    redis.raw().say("FLUSHALL");
    redis.raw().say("SCRIPT FLUSH");
    assert_eq!(backend.get(&key(1)).await.unwrap(), None);
    assert_eq!((count(&backend).await, backend.usage().await.unwrap().entries), (0, 0));
    backend.put(&key(1), entry(1, 1, 10)).await.unwrap();
    assert!(backend.get(&key(1)).await.unwrap().is_some(), "no stamp is left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_slot_is_followed() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let backend = open(RedisOptions::from_url(&cluster.url()).unwrap()).await;
    for number in 0..100 {
        backend.put(&key(number), entry(number, 1, 100)).await.unwrap();
    }
    // All keys of one slot of the first node go to the second.
    let moved = (0..100).map(key).find(|key| slot(&cluster, key) < 5_461).unwrap();
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let slot = slot(&cluster, &moved);
    let [from_id, to_id] = [from, to].map(|node| node.raw().say("CLUSTER MYID").text());
    to.raw().say(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
    from.raw().say(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
    from.raw().say(&format!("MIGRATE 127.0.0.1 {} reelcache:{moved} 0 5000", to.port));
    // Half-way: the old node sends those who ask on to the new one.
    match timed(backend.get(&moved)).await {
        Ok(found) => assert!(found.is_some(), "while the slot moves"),
        Err(error) => assert!(error.message().contains("moving the slot"), "{error:?}"),
    }
    for node in [to, from] {
        node.raw().say(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
    }
    assert!(timed(backend.get(&moved)).await.unwrap().is_some(), "a read follows");
    assert!(timed(backend.remove(&moved)).await.unwrap(), "a remove follows and counts once");
    timed(backend.put(&moved, entry(1, 2, 10))).await.unwrap();
    assert_eq!(count(&backend).await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_of_a_cluster_is_an_outage_until_it_is_back() {
    let mut cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let backend = open(RedisOptions::from_url(&cluster.url()).unwrap()).await;
    let keys: Vec<Key> = (0..60).map(key).collect();
    for (number, key) in keys.iter().enumerate() {
        backend.put(key, entry(number as u64, 1, 100)).await.unwrap();
    }
    let of_the_dead = keys.iter().find(|key| slot(&cluster, key) >= 10_922).unwrap();
    cluster.nodes[2].server.kill().unwrap();
    let told = || async { timed(backend.get(of_the_dead)).await.is_err() };
    assert!(eventually(LIMIT, told).await);
    for answer in timed(backend.get_many(&keys)).await {
        if let Err(error) = answer {
            assert_outage::<()>(&Err(error));
        }
    }
    cluster.nodes[2].start_again();
    let back = || async { timed(backend.get_many(&keys)).await.iter().all(Result::is_ok) };
    assert!(eventually(LIMIT, back).await);
    recovered(&backend).await;
}

fn slot(cluster: &Cluster, key: &Key) -> i64 {
    match cluster.nodes[0].raw().say(&format!("CLUSTER KEYSLOT reelcache:{key}")) {
        Said::Number(slot) => slot,
        other => panic!("{other:?}"),
    }
}
