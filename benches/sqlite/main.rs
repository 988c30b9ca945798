//! The SQLite tier beside bare rusqlite with the same promises: gets and puts by length and number of tasks.
//!
//! Bare rusqlite is what a program on tokio would write: one row for each key, a few connections that read and one that
//! writes, WAL, the same `synchronous`, on the blocking pool. The limit is the same on the calling thread, which a
//! program on tokio must not do. Slices are short and every contender has one in each round, in rotated order.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nothing to say")]

mod contenders;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::options::{self, Effort, Options};
use benches::report::{Report, Table};
use benches::stats::median;
use bytes::Bytes;
use cache_core::Key;
use contenders::{Bare, Contender, Direct, Ours};
use tokio::runtime::{Builder, Runtime};

const LENGTHS: [(&str, usize, usize); 3] =
    [("4 KiB", 4 << 10, 2_000), ("64 KiB", 64 << 10, 400), ("1 MiB", 1 << 20, 50)];
const TASKS: [usize; 2] = [1, 16];
const NAMES: [&str; 3] = ["Reelcache", "rusqlite on the blocking pool", "rusqlite on the thread"];

fn main() -> ExitCode {
    options::run(measured)
}

fn measured(options: &Options) -> Result<(), String> {
    let (rounds, span) = match options.effort {
        Effort::Try => (1, Duration::from_millis(1)),
        Effort::Quick => (7, Duration::from_millis(100)),
        Effort::Full => (15, Duration::from_millis(300)),
    };
    let mut report = Report::new("sqlite", options.folder.clone());
    report.say(format!(
        "Calls in a second, median of {rounds} slices. A ratio is the median of those of the rounds, not that of the \
         medians beside it:"
    ));
    let mut table = Table::new(["calls in a second", NAMES[0], NAMES[1], NAMES[2], "ours / pool", "ours / thread"]);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    for (name, len, count) in LENGTHS {
        let dir = tempfile::tempdir().expect("a directory");
        let keys: Arc<[Key]> = (0..count).map(|number| Key::of("bench").part(number).build().expect("a key")).collect();
        let bodies: [Bytes; 8] = std::array::from_fn(|seed| bytes_of(len, seed as u64));
        let contenders: [Arc<dyn Contender>; 3] = [
            Arc::new(runtime.block_on(Ours::open(&dir.path().join("ours.db")))),
            Arc::new(Bare::open(&dir.path().join("bare.db"))),
            Arc::new(Direct(Bare::open(&dir.path().join("direct.db")))),
        ];
        for contender in &contenders {
            runtime.block_on(async {
                for key in &*keys {
                    contender.put(key, &bodies[0]).await;
                }
            });
        }
        for tasks in TASKS {
            for (operation, puts) in [("get", false), ("put", true)] {
                let work = Work { keys: keys.clone(), bodies: bodies.clone(), tasks, puts };
                let speeds = compared(&runtime, &contenders, &work, rounds, span);
                table.row(row(&format!("{operation} {name}, {tasks} task(s)"), &speeds));
            }
        }
    }
    report.say(table.markdown());
    report.finish().map_err(|error| format!("writing the report: {error}"))
}

/// What the tasks do.
#[derive(Clone)]
struct Work {
    keys: Arc<[Key]>,
    /// Puts take them in turn: SQLite does not write what is there already.
    bodies: [Bytes; 8],
    tasks: usize,
    puts: bool,
}

fn compared(
    runtime: &Runtime,
    contenders: &[Arc<dyn Contender>; 3],
    work: &Work,
    rounds: usize,
    span: Duration,
) -> [Vec<f64>; 3] {
    let mut speeds = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for step in 0..contenders.len() {
            let at = (round + step) % contenders.len();
            speeds[at].push(runtime.block_on(slice(contenders[at].clone(), work.clone(), span)));
        }
    }
    speeds
}

/// Calls in a second.
async fn slice(contender: Arc<dyn Contender>, work: Work, span: Duration) -> f64 {
    let calls = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..work.tasks)
        .map(|task| {
            let (contender, work, calls) = (contender.clone(), work.clone(), calls.clone());
            tokio::spawn(async move {
                let (mut at, mut turn) = (task * work.keys.len() / work.tasks, task);
                while start.elapsed() < span {
                    at = (at + 1) % work.keys.len();
                    turn += 1 + usize::from(at == 0);
                    let body = &work.bodies[turn % work.bodies.len()];
                    if work.puts {
                        contender.put(&work.keys[at], body).await;
                    } else {
                        assert_eq!(contender.get(&work.keys[at]).await, body.len());
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that ends");
    }
    calls.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

fn row(name: &str, speeds: &[Vec<f64>; 3]) -> Vec<String> {
    let middle = |values: &[f64]| median(&mut values.to_vec()).unwrap_or(f64::NAN);
    let ratio = |other: usize| {
        let ratios: Vec<f64> = speeds[0].iter().zip(&speeds[other]).map(|(ours, other)| ours / other).collect();
        format!("**{:.2}**", middle(&ratios))
    };
    let mut row = vec![name.to_owned()];
    row.extend(speeds.iter().map(|speeds| format!("{:.0}", middle(speeds))));
    row.extend([ratio(1), ratio(2)]);
    row
}

/// Bytes that do not compress.
fn bytes_of(len: usize, seed: u64) -> Bytes {
    let mut random = benches::random::Random::new(seed);
    (0..len).map(|_| random.below(256) as u8).collect()
}
