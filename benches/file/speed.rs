//! Gets and puts by length and number of tasks.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::options::Effort;
use benches::report::{Report, Table};
use benches::stats::median;
use bytes::{Bytes, BytesMut};
use cache_core::Key;
use tokio::runtime::Runtime;

use crate::contenders::{Contender, Kind, Promise};
use crate::{bytes_of, runtime};

/// A length of bodies, and how many entries of it are read in turn.
struct Length {
    name: &'static str,
    bytes: usize,
    entries: usize,
}

const LENGTHS: [Length; 4] = [
    Length { name: "4 KiB", bytes: 4 << 10, entries: 8_000 },
    Length { name: "64 KiB", bytes: 64 << 10, entries: 1_000 },
    Length { name: "1 MiB", bytes: 1 << 20, entries: 128 },
    Length { name: "8 MiB", bytes: 8 << 20, entries: 24 },
];
const TASKS: [usize; 3] = [1, 16, 64];
const ALL: [Kind; 6] = [Kind::Reelcache, Kind::Foyer, Kind::Cacache, Kind::Redb, Kind::Rusqlite, Kind::Files];
const WITH_POWER: [Kind; 3] = [Kind::Reelcache, Kind::Redb, Kind::Rusqlite];

/// More than one slice puts.
const CAPACITY: u64 = 2 << 30;

/// Rounds, and how long each contender's slice in one is.
const fn effort(effort: Effort) -> (usize, Duration) {
    match effort {
        Effort::Try => (1, Duration::from_millis(1)),
        Effort::Quick => (5, Duration::from_millis(40)),
        Effort::Full => (15, Duration::from_millis(200)),
    }
}

/// Bodies that are put in turn.
struct Bodies([Bytes; 8]);

impl Bodies {
    fn of(len: usize) -> Self {
        Self(std::array::from_fn(|seed| bytes_of(len, seed as u64)))
    }

    fn of_number(&self, number: usize) -> &Bytes {
        &self.0[number % self.0.len()]
    }

    /// One that no other number has: who keeps equal bodies once would read less memory than others.
    fn distinct(&self, number: usize) -> Bytes {
        let mut body = BytesMut::from(&**self.of_number(number));
        body[..8].copy_from_slice(&(number as u64).to_le_bytes());
        body.freeze()
    }
}

pub(crate) fn gets(wanted: Effort, report: &mut Report) {
    let (rounds, span) = effort(wanted);
    report.say(format!(
        "#### Gets\n\nCalls in a second, median of {rounds} slices. A ratio is the median of those of the rounds; the \
         best peer is the one against which ours is lowest."
    ));
    let mut table = Rows::new(&ALL);
    let runtime = runtime();
    for length in &LENGTHS {
        let dir = tempfile::tempdir().expect("a directory");
        let keys: Arc<[Key]> = (0..length.entries).map(|number| key("get", 0, number)).collect();
        let bodies = Bodies::of(length.bytes);
        let contenders: Vec<_> = ALL.iter().map(|kind| opened(&runtime, *kind, dir.path(), length.bytes)).collect();
        for contender in &contenders {
            runtime.block_on(filled(&**contender, &keys, &bodies));
        }
        for tasks in TASKS {
            let mut speeds = vec![Vec::new(); ALL.len()];
            rotated(rounds, ALL.len(), |at| {
                let (contender, keys) = (contenders[at].clone(), keys.clone());
                speeds[at].push(runtime.block_on(slice(tasks, span, move |task, turn| {
                    let (contender, keys) = (contender.clone(), keys.clone());
                    async move {
                        let key = &keys[(task * keys.len() / tasks + turn) % keys.len()];
                        assert_eq!(contender.get(key).await.len(), length.bytes);
                    }
                })));
            });
            table.row(format!("get {}, {tasks} task(s)", length.name), &speeds);
        }
        for contender in &contenders {
            runtime.block_on(contender.close());
        }
    }
    report.say(table.table.markdown());
}

pub(crate) fn puts(wanted: Effort, report: &mut Report) {
    report.say(
        "#### Puts that survive the process\n\nAs above; each slice puts entries that are new into a directory that \
         was empty. When a put returns, all contenders promise the same: the end of the process loses nothing, that \
         of the power may.",
    );
    let mut table = Rows::new(&ALL);
    for length in &LENGTHS {
        for tasks in TASKS {
            let speeds = put_speeds(wanted, &ALL, length, tasks, Promise::Process);
            table.row(format!("put {}, {tasks} task(s)", length.name), &speeds);
        }
    }
    report.say(table.table.markdown());
}

pub(crate) fn puts_with_power(wanted: Effort, report: &mut Report) {
    report.say("#### Puts that survive the loss of power\n\nAs above, with an fsync before each put returns.");
    let mut table = Rows::new(&WITH_POWER);
    let speeds = put_speeds(wanted, &WITH_POWER, &LENGTHS[0], 16, Promise::Power);
    table.row("put 4 KiB, 16 task(s)".to_owned(), &speeds);
    report.say(table.table.markdown());
}

fn put_speeds(wanted: Effort, kinds: &[Kind], length: &Length, tasks: usize, promise: Promise) -> Vec<Vec<f64>> {
    let (rounds, span) = effort(wanted);
    let bodies = Arc::new(Bodies::of(length.bytes));
    let mut speeds = vec![Vec::new(); kinds.len()];
    let runtime = runtime();
    rotated(rounds, kinds.len(), |at| {
        let dir = tempfile::tempdir().expect("a directory");
        let contender = runtime.block_on(kinds[at].open(dir.path(), length.bytes, CAPACITY, promise));
        let put = |series: &'static str| {
            let (contender, bodies) = (contender.clone(), bodies.clone());
            move |task, turn| {
                let (contender, bodies) = (contender.clone(), bodies.clone());
                async move { contender.put(&key(series, task, turn), bodies.of_number(turn).clone()).await }
            }
        };
        runtime.block_on(slice(tasks, span / 4, put("warm")));
        speeds[at].push(runtime.block_on(slice(tasks, span, put("put"))));
        let first = runtime.block_on(contender.get(&key("put", 0, 0)));
        assert!(first == *bodies.of_number(0), "{} returned other bytes", kinds[at].name());
        runtime.block_on(contender.close());
    });
    speeds
}

fn opened(runtime: &Runtime, kind: Kind, dir: &Path, len: usize) -> Arc<dyn Contender> {
    let dir = dir.join(format!("{kind:?}"));
    std::fs::create_dir(&dir).expect("a directory");
    runtime.block_on(kind.open(&dir, len, CAPACITY, Promise::Process))
}

/// Puts all, and sees that every byte comes back.
async fn filled(contender: &dyn Contender, keys: &[Key], bodies: &Bodies) {
    contender.fill(keys.iter().enumerate().map(|(number, key)| (key.clone(), bodies.distinct(number))).collect()).await;
    for (number, key) in keys.iter().enumerate() {
        assert!(contender.get(key).await == bodies.distinct(number), "other bytes came back");
    }
}

fn key(series: &str, task: usize, number: usize) -> Key {
    Key::of("bench").part(series).part(task).part(number).build().expect("a key")
}

/// Calls `turn` with each of `count` in each round, each round from another one on.
fn rotated(rounds: usize, count: usize, mut turn: impl FnMut(usize)) {
    for round in 0..rounds {
        for step in 0..count {
            turn((round + step) % count);
        }
    }
}

/// Calls in a second of `tasks` tasks, which are told their number and how often they called before.
async fn slice<F: Future<Output = ()> + Send + 'static>(
    tasks: usize,
    span: Duration,
    call: impl Fn(usize, usize) -> F + Clone + Send + 'static,
) -> f64 {
    let calls = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let (call, calls) = (call.clone(), calls.clone());
            tokio::spawn(async move {
                let mut turn = 0;
                while turn == 0 || start.elapsed() < span {
                    call(task, turn).await;
                    turn += 1;
                }
                calls.fetch_add(turn as u64, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that ends");
    }
    calls.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// A table of speeds with our ratios.
struct Rows {
    kinds: &'static [Kind],
    table: Table,
}

impl Rows {
    fn new(kinds: &'static [Kind]) -> Self {
        let names = kinds.iter().map(|kind| kind.name());
        let limit = kinds.contains(&Kind::Files).then_some("ours / limit");
        let heading = ["calls in a second"].into_iter().chain(names).chain(["best peer", "ours / best peer"]);
        Self { kinds, table: Table::new(heading.chain(limit)) }
    }

    /// `speeds` of each contender, ours first, by round.
    fn row(&mut self, name: String, speeds: &[Vec<f64>]) {
        let middle = |values: &[f64]| median(&mut values.to_vec()).unwrap_or(f64::NAN);
        let against = |other: &[f64]| {
            let ratios: Vec<f64> = speeds[0].iter().zip(other).map(|(ours, other)| ours / other).collect();
            middle(&ratios)
        };
        let ratios: Vec<_> =
            self.kinds.iter().zip(speeds).skip(1).map(|(kind, other)| (kind, against(other))).collect();
        let peers = ratios.iter().filter(|(kind, _)| **kind != Kind::Files);
        let best = peers.min_by(|one, other| one.1.total_cmp(&other.1)).expect("a peer");
        let mut row = vec![name];
        row.extend(speeds.iter().map(|speeds| format!("{:.0}", middle(speeds))));
        row.extend([best.0.name().to_owned(), format!("**{:.2}**", best.1)]);
        row.extend(ratios.iter().find(|(kind, _)| **kind == Kind::Files).map(|(_, ratio)| format!("{ratio:.2}")));
        self.table.row(row);
    }
}
