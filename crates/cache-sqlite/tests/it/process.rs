//! Ends of processes: kills, cancellation.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::task::{Context, Waker};

use cache_core::{Backend, Key};
use cache_sqlite::{Durability, SqliteBackend};
use cache_testkit::{Bench, Fixture, Rng, check_dropped_methods};

use crate::support::{child_command, child_dir, config, entry, key, open};

/// A child of the next test: puts, replaces and removes, and says what was acknowledged, for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_killed() {
    let Some(dir) = child_dir() else { return };
    let durability = if std::env::var_os("POWER").is_some() { Durability::Power } else { Durability::Process };
    let backend = SqliteBackend::open(config(&dir).durability(durability)).await.unwrap();
    let mut stdout = std::io::stdout();
    for stamp in 1.. {
        let number = (stamp * 7 % 50) as usize;
        let entries = (0..3).map(|plus| (key(number + plus * 50), entry(stamp, (stamp * 311 % 30_000) as usize)));
        for answer in backend.put_many(entries.collect()).await {
            answer.unwrap();
        }
        writeln!(stdout, "acknowledged {stamp}").unwrap();
    }
}

async fn killed_at_random_moments(rounds: u64, power: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(9);
    for round in 0..rounds {
        std::fs::remove_dir_all(dir.path()).unwrap();
        std::fs::create_dir(dir.path()).unwrap();
        let mut command = child_command("process::child_writes_until_it_is_killed", dir.path());
        if power {
            command.env("POWER", "1");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let enough = 5 + rng.below(200);
        let mut told = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
        let mut last = told.by_ref().find(|stamp| *stamp >= enough).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        last = told.last().unwrap_or(last);
        let backend = open(dir.path()).await;
        assert_eq!(backend.report().moved_aside, None);
        for stamp in 1..=last {
            let number = (stamp * 7 % 50) as usize;
            // Only the newest of those that share a key.
            if stamp + 50 > last {
                for plus in 0..3 {
                    is_there(&backend, &key(number + plus * 50), stamp, round).await;
                }
            }
        }
        let usage = backend.usage().await.unwrap();
        assert!(usage.entries <= 150, "{usage:?}");
        // Its end deletes the log by its path, at which the next round has its own.
        backend.close().await.unwrap();
    }
}

async fn is_there(backend: &SqliteBackend, key: &Key, stamp: u64, round: u64) {
    let found = backend.get(key).await.unwrap();
    let found = found.unwrap_or_else(|| panic!("round {round}: {key} of stamp {stamp} is lost"));
    let stored = found.meta.stamp.as_u64();
    assert!(stored >= stamp, "round {round}: {key} has stamp {stored}, {stamp} was acknowledged");
    assert!(found == entry(stored, (stored * 311 % 30_000) as usize), "round {round}: {key} has wrong bytes");
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_killed_process() {
    killed_at_random_moments(12, false).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_killed_process_that_syncs() {
    killed_at_random_moments(3, true).await;
}

#[tokio::test]
async fn a_cancelled_put_is_whole_or_absent() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    for number in 0..50 {
        backend.put(&key(number), entry(1, 10_000)).await.unwrap();
        let key = key(number);
        let mut put = std::pin::pin!(backend.put(&key, entry(2, 60_000)));
        // Polled a few times, then dropped.
        for _ in 0..number % 5 {
            if put.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    backend.close().await.unwrap();
    let backend = open(dir.path()).await;
    for number in 0..50 {
        let found = backend.get(&key(number)).await.unwrap().unwrap();
        assert!(found == entry(1, 10_000) || found == entry(2, 60_000), "key {number}");
    }
}

#[tokio::test]
async fn every_method_may_be_dropped_at_every_poll() {
    let open = async |bench: Bench| {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path()).clock(bench.clock);
        Ok(Fixture::new(SqliteBackend::open(config).await?).keep(dir))
    };
    check_dropped_methods(open).await.unwrap();
}

#[tokio::test]
async fn dropping_a_backend_carries_out_what_was_queued() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    let key = key(1);
    {
        let mut put = std::pin::pin!(backend.put(&key, entry(1, 60_000)));
        // Queued by the first poll, whether it has the answer already or not.
        let _ = put.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    drop(backend);
    let backend = open(dir.path()).await;
    let there = || async { backend.get(&key).await.unwrap() == Some(entry(1, 60_000)) };
    assert!(cache_testkit::eventually(std::time::Duration::from_secs(10), there).await);
}
