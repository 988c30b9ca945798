//! Rules: the stream is found where it has gone, and what is missing there is a gap.

use cache_core::Backend;
use cache_redis::RedisOptions;
use cache_testkit::eventually;
use cache_testkit::proxy::Proxy;

use super::{Ear, mark, tell};
use crate::real::support::{LIMIT, open, recovered, timed};
use crate::servers::{self, Cluster, Redis, Said, Watched};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_and_what_the_replica_had_is_not_lost() {
    let mut watched = tokio::task::spawn_blocking(Watched::start).await.unwrap();
    let options = RedisOptions::sentinel([("127.0.0.1".to_owned(), watched.sentinel_port)], "films");
    let backend = open(options).await;
    let mut ear = Ear::new(&backend).await;
    tell(&backend, 0..50).await;
    ear.marks(0..20).await;
    in_step(&watched.primary, &watched.replica);
    watched.primary.server.kill().unwrap();
    recovered(&backend).await;
    tell(&backend, 50..60).await;
    assert_eq!(ear.until(&backend, 59).await, ((20..60).collect(), 1), "and a gap: it might have been behind");
}

/// Waits until the replica has all marks.
fn in_step(primary: &Redis, replica: &Redis) {
    let marks = |redis: &Redis| redis.raw().say("XLEN reelcache:=backplane");
    servers::wait_for("the replica is in step", || marks(primary) == marks(replica));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_behind_is_a_gap() {
    let mut redis = Redis::start(&["--repl-diskless-sync-delay", "0"]);
    let mut behind = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let one = open(RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    let mut ear = Ear::new(&one).await;
    tell(&one, 0..3).await;
    ear.marks(0..3).await;
    // What the other has is the beginning of the same stream.
    behind.raw().say(&format!("REPLICAOF 127.0.0.1 {}", redis.port));
    in_step(&redis, &behind);
    behind.raw().say("REPLICAOF NO ONE");
    tell(&one, 3..6).await;
    ear.marks(3..6).await;
    redis.server.kill().unwrap();
    let two = open(behind.options()).await;
    // The same number of marks, and newer ids: only the tags tell.
    tell(&two, 13..16).await;
    let mut ear = Ear::after(&two, ear.at.clone());
    ear.gap().await;
    behind.server.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_nothing_is_lost_when_the_slot_moves() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let backend = open(RedisOptions::from_url(&cluster.url()).unwrap()).await;
    let mut ear = Ear::new(&backend).await;
    tell(&backend, 0..10).await;
    ear.marks(0..5).await;
    move_stream(&cluster);
    let telling = async {
        for number in 10..20 {
            let told = || async { timed(backend.backplane().unwrap().publish(&mark(number))).await.is_ok() };
            assert!(eventually(LIMIT, told).await);
        }
    };
    let (heard, ()) = tokio::join!(ear.until(&backend, 19), telling);
    assert_eq!(heard, ((5..20).collect(), 1), "and a gap: it is another server");
}

/// Moves the slot of the stream to another node, with the stream.
fn move_stream(cluster: &Cluster) {
    let name = "reelcache:=backplane";
    let mut raws: Vec<_> = cluster.nodes.iter().map(Redis::raw).collect();
    let Said::Number(slot) = raws[0].say(&format!("CLUSTER KEYSLOT {name}")) else { panic!() };
    let from = usize::try_from(slot).unwrap() * 3 / 16_384;
    let to = (from + 1) % 3;
    let [source, target] = [from, to].map(|node| raws[node].say("CLUSTER MYID").text());
    raws[to].say(&format!("CLUSTER SETSLOT {slot} IMPORTING {source}"));
    raws[from].say(&format!("CLUSTER SETSLOT {slot} MIGRATING {target}"));
    raws[from].say(&format!("MIGRATE 127.0.0.1 {} {name} 0 5000", cluster.nodes[to].port));
    for node in [to, from, 3 - to - from] {
        raws[node].say(&format!("CLUSTER SETSLOT {slot} NODE {target}"));
    }
}
