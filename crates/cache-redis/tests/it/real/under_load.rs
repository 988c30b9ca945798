//! Rules: while servers hang, change places or hand over slots, and reads and writes go on, no answer is wrong, and all
//! is well again without help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_redis::RedisOptions;
use cache_testkit::eventually;

use super::load::{Load, Promise, all_answer, keys};
use super::support::{BOUND, LIMIT, open, recovered};
use crate::servers::{Cluster, Redis, Said, Watched};

/// How long a stopped server stays so.
const STOP: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stopped_for_5_s_costs_each_call_its_limit_at_most_and_answers_nobody_else_later() {
    let redis = Redis::start(&[]);
    let backend = Arc::new(open(redis.options()).await);
    let load = Load::on(&backend, Promise::Kept);
    load.goes_on(1_000).await;
    redis.server.pause().unwrap();
    let stopped = Instant::now();
    assert!(eventually(LIMIT, || async { stopped.elapsed() >= STOP }).await);
    redis.server.resume().unwrap();
    let back = recovered(&backend).await;
    load.goes_on(2_000).await;
    let calls = load.end().await;
    println!("stopped for {STOP:?}: {calls:?}, back {back:?} after the server was");
    assert!(calls.failed > 0 && calls.lost == 0, "{calls:?}");
    assert!(calls.outage() < STOP + BOUND, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_under_load_and_no_acknowledged_write_is_lost() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let backend = Arc::new(open(RedisOptions::from_url(&cluster.url()).unwrap()).await);
    let load = Load::on(&backend, Promise::Kept);
    load.goes_on(1_000).await;
    let (cluster, moved) = tokio::task::spawn_blocking(move || {
        let moved = move_slots(&cluster, 20);
        (cluster, moved)
    })
    .await
    .unwrap();
    let began = Instant::now();
    all_answer(&backend, &keys()).await;
    load.goes_on(1_000).await;
    let calls = load.end().await;
    let held = cluster.nodes[0].raw().say("DBSIZE");
    println!("{moved} slots moved: {calls:?}, all answered after {:?}; {held:?} keys stay", began.elapsed());
    assert!(moved == 20 && calls.lost == 0, "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_a_cluster_takes_over_under_load() {
    let mut cluster = tokio::task::spawn_blocking(Cluster::start_with_replica).await.unwrap();
    let backend = Arc::new(open(RedisOptions::from_url(&cluster.url()).unwrap()).await);
    let load = Load::on(&backend, Promise::MayBeLost);
    load.goes_on(2_000).await;
    let killed = Instant::now();
    cluster.nodes[0].server.kill().unwrap();
    assert!(eventually(LIMIT, || async { cluster.has_taken_over(3) }).await, "the replica does not take over");
    let elected = killed.elapsed();
    let back = all_answer(&backend, &keys()).await;
    recovered(&backend).await;
    load.goes_on(1_000).await;
    let calls = load.end().await;
    println!("cluster failover: elected after {elected:?}, all keys answered {back:?} later; {calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_promoted_by_a_sentinel_takes_over_under_load() {
    let mut watched = tokio::task::spawn_blocking(Watched::start).await.unwrap();
    let options = RedisOptions::sentinel([("127.0.0.1".to_owned(), watched.sentinel_port)], "films");
    let backend = Arc::new(open(options).await);
    let load = Load::on(&backend, Promise::MayBeLost);
    load.goes_on(2_000).await;
    let killed = Instant::now();
    watched.primary.server.kill().unwrap();
    let promoted = || async { watched.has_promoted() };
    assert!(eventually(LIMIT, promoted).await, "the replica is not promoted");
    let elected = killed.elapsed();
    let back = all_answer(&backend, &keys()).await;
    recovered(&backend).await;
    load.goes_on(1_000).await;
    let calls = load.end().await;
    println!("sentinel failover: promoted after {elected:?}, all keys answered {back:?} later; {calls:?}");
}

/// Moves `count` slots that hold keys from the first node to the second; how many there were. Blocks.
fn move_slots(cluster: &Cluster, count: usize) -> usize {
    let (from, to) = (&cluster.nodes[0], &cluster.nodes[1]);
    let [mut source, mut target] = [from.raw(), to.raw()];
    let [source_id, target_id] = [&mut source, &mut target].map(|node| node.say("CLUSTER MYID").text());
    let held = (0..5_461).filter(|slot| source.say(&format!("CLUSTER COUNTKEYSINSLOT {slot}")) != Said::Number(0));
    let slots: Vec<_> = held.take(count).collect();
    for slot in &slots {
        target.say(&format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}"));
        source.say(&format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}"));
        while let Said::Many(names) = source.say(&format!("CLUSTER GETKEYSINSLOT {slot} 10")) {
            if names.is_empty() {
                break;
            }
            for name in names {
                source.say(&format!("MIGRATE 127.0.0.1 {} {} 0 5000", to.port, name.text()));
            }
        }
        for node in [&mut target, &mut source] {
            node.say(&format!("CLUSTER SETSLOT {slot} NODE {target_id}"));
        }
    }
    slots.len()
}
