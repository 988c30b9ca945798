//! Puts into a full directory beside puts into an empty one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::options::Effort;
use benches::report::{Report, Table};
use benches::stats::{median, quantile};
use bytes::Bytes;
use cache_core::{Backend, Key};

use crate::contenders::{Contender, Ours, Promise};
use crate::{bytes_of, runtime};

/// Tasks that put.
const WRITERS: usize = 8;
const LENGTHS: [(&str, usize); 3] = [("4 KiB", 4 << 10), ("200 KiB", 200 << 10), ("2 MiB", 2 << 20)];

/// What the puts of one slice came to.
struct Slice {
    mib_per_second: f64,
    /// Milliseconds that each put took.
    pauses: Vec<f64>,
}

pub(crate) fn measured(effort: Effort, report: &mut Report) {
    let (rounds, capacity) = match effort {
        Effort::Try => (1, 16 << 20),
        Effort::Quick => (3, 256 << 20),
        Effort::Full => (7, 1 << 30),
    };
    report.say(format!(
        "#### Puts at capacity\n\n{WRITERS} tasks put new entries into a directory that may take {} MiB: those that fill \
         it to two fifths, and after it has been filled and a half more, as many again. Median of {rounds} rounds.",
        capacity >> 20
    ));
    let mut table = Table::new([
        "",
        "empty, MiB/s",
        "full, MiB/s",
        "full / empty",
        "empty, p99.9, ms",
        "full, p99.9, ms",
        "full, longest, ms",
    ]);
    for (name, len) in LENGTHS {
        let runs: Vec<_> = (0..rounds).map(|_| run(capacity, len)).collect();
        let middle = |of: &dyn Fn(&(Slice, Slice)) -> f64| {
            let mut values: Vec<_> = runs.iter().map(of).collect();
            median(&mut values).unwrap_or(f64::NAN)
        };
        let at = |slice: &Slice, share: f64| quantile(&mut slice.pauses.clone(), share).unwrap_or(f64::NAN);
        table.row([
            name.to_owned(),
            format!("{:.0}", middle(&|run| run.0.mib_per_second)),
            format!("{:.0}", middle(&|run| run.1.mib_per_second)),
            format!("**{:.2}**", middle(&|run| run.1.mib_per_second / run.0.mib_per_second)),
            format!("{:.1}", middle(&|run| at(&run.0, 0.999))),
            format!("{:.1}", middle(&|run| at(&run.1, 0.999))),
            format!("{:.1}", middle(&|run| at(&run.1, 1.0))),
        ]);
    }
    report.say(table.markdown());
}

/// Puts into the empty directory, and into the full one.
fn run(capacity: u64, len: usize) -> (Slice, Slice) {
    let dir = tempfile::tempdir().expect("a directory");
    let (runtime, body) = (runtime(), bytes_of(len, 1));
    runtime.block_on(async {
        let ours = Arc::new(Ours::open(dir.path(), capacity, Promise::Process).await);
        let puts = capacity as usize / (len + 4096) / WRITERS;
        let empty = slice(&ours, &body, 0, puts * 2 / 5).await;
        let past = slice(&ours, &body, puts, puts * 11 / 10).await;
        let full = slice(&ours, &body, 3 * puts, puts * 2 / 5).await;
        drop(past);
        let usage = ours.backend.usage().await.expect("figures");
        assert!(usage.evicted > 0, "the directory never was full");
        ours.close().await;
        (empty, full)
    })
}

/// `puts` puts by each task of keys from number `first` on.
async fn slice(ours: &Arc<Ours>, body: &Bytes, first: usize, puts: usize) -> Slice {
    let start = Instant::now();
    let tasks: Vec<_> = (0..WRITERS)
        .map(|task| {
            let (ours, body) = (ours.clone(), body.clone());
            tokio::spawn(async move {
                let mut pauses = Vec::with_capacity(puts);
                for number in first..first + puts {
                    let key = Key::of("bench").part(task).part(number).build().expect("a key");
                    let begin = Instant::now();
                    ours.put(&key, body.clone()).await;
                    pauses.push(millis(begin.elapsed()));
                }
                pauses
            })
        })
        .collect();
    let mut pauses = Vec::new();
    for task in tasks {
        pauses.extend(task.await.expect("a task that ends"));
    }
    let bytes = (pauses.len() * body.len()) as f64;
    Slice { mib_per_second: bytes / f64::from(1 << 20) / start.elapsed().as_secs_f64(), pauses }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
