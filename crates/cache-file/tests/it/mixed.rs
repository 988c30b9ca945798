//! Everything at once, by many, with bodies that are held for long.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use cache_core::{Backend, Entry, Key};
use cache_file::FileBackend;
use cache_testkit::Rng;

use crate::support::{blocks, config, entry, key};

const LENS: [usize; 7] = [10, 900, 5_000, 60_000, 128 << 10, 200_000, 400_000];
const CAPACITY: u64 = 12 << 20;

async fn open(dir: &Path) -> Arc<FileBackend> {
    let config = config(dir).capacity(CAPACITY).volume_len(256 << 10);
    Arc::new(FileBackend::open(config).await.unwrap())
}

/// What a task knows of its own keys: what was put last and not removed.
type Known = HashMap<usize, Entry>;

/// Random work on keys that no other task writes. Nothing is read that was not put last; what is held stays as it is.
async fn work(backend: Arc<FileBackend>, task: usize, seed: u64, known: &mut Known) {
    let mut rng = Rng::new(seed * 1_000 + task as u64);
    let mut held: VecDeque<(Entry, Entry)> = VecDeque::new();
    for step in 0..150_u64 {
        let number = rng.below(24) as usize;
        let (name, len): (Key, usize) = (key(task * 1_000 + number), LENS[rng.below(LENS.len() as u64) as usize]);
        match rng.below(10) {
            0..=3 => {
                let put = entry(seed * 1_000_000 + step + 1, len);
                backend.put(&name, put.clone()).await.unwrap();
                known.insert(number, put);
            }
            4 => {
                backend.remove(&name).await.unwrap();
                known.remove(&number);
            }
            5 => {
                let stranger = key((task + 1) % 6 * 1_000 + number);
                if let Some(found) = backend.get(&stranger).await.unwrap() {
                    assert!(found == entry(found.meta.stamp.as_u64(), found.body.len()), "seed {seed} step {step}");
                    held.push_back((found.clone(), entry(found.meta.stamp.as_u64(), found.body.len())));
                }
            }
            _ => {
                if let Some(found) = backend.get(&name).await.unwrap() {
                    let wanted = known.get(&number);
                    assert!(wanted == Some(&found), "seed {seed} task {task} step {step}");
                    held.push_back((found.clone(), found));
                }
            }
        }
        if held.len() > 12
            && let Some((found, wanted)) = held.pop_front()
        {
            assert!(
                found == wanted && found == entry(found.meta.stamp.as_u64(), found.body.len()),
                "seed {seed}: written over"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_read_what_was_put_and_hold_what_they_read() {
    for seed in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let mut known: Vec<Known> = (0..6).map(|_| Known::new()).collect();
        for round in 0..4 {
            let backend = open(dir.path()).await;
            let report = backend.report();
            assert_eq!((report.corrupt, report.dangling), (0, 0), "seed {seed} round {round}: {report:?}");
            let tasks = known.drain(..).enumerate().map(|(task, mut known)| {
                let backend = backend.clone();
                tokio::spawn(async move {
                    work(backend, task, seed * 10 + round, &mut known).await;
                    known
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                known.push(task.await.unwrap());
            }
            assert_eq!(backend.usage().await.unwrap().corrupt, 0, "seed {seed} round {round}");
            let disk = backend.disk();
            assert!(disk.total() <= CAPACITY, "{disk:?}");
            backend.close().await.unwrap();
            drop(backend);
            assert!(blocks(dir.path()) <= CAPACITY + (64 << 10), "seed {seed}: {} on disk", blocks(dir.path()));
        }
    }
}
