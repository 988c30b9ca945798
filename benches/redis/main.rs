//! The Redis tier beside bare client libraries and the server's own limit: rates by length and tasks.
//!
//! Slices are short and every contender has one in each round, in rotated order, so that what else the machine does
//! hits all alike. Figures are medians over the rounds.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark that prints, and cannot go on with errors")]

mod contenders;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache_core::Backend;
use cache_testkit::servers::{Server, accepts, free_port, program};
use tokio::runtime::Runtime;

use contenders::{Contender, key};

/// Keys by length of body: about 64 MiB at most.
const LENGTHS: [(usize, &str, usize); 2] = [(1 << 10, "1 KiB", 1_000), (64 << 10, "64 KiB", 250)];
const TASKS: [usize; 3] = [1, 16, 256];
/// Keys of one `get_many`.
const MANY: usize = 1_000;

/// How long it is measured.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    slice: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Get,
    Put,
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (rounds, slice) = if quick { (3, Duration::from_millis(150)) } else { (9, Duration::from_millis(400)) };
    let effort = Effort { rounds, slice };
    let folder = tempfile::tempdir().expect("a directory");
    let port = free_port().expect("a port");
    let _server = start(port, folder.path());
    let runtime = Runtime::new().expect("a runtime");
    let contenders = runtime.block_on(contenders::all(port));
    let names: Vec<_> = contenders.iter().map(|(name, _)| *name).collect();
    println!("Thousand calls a second.\n");
    println!("| call | tasks | {} | redis-benchmark | of fred | of redis |", names.join(" | "));
    println!("|---|--:|{}--:|--:|--:|", "--:|".repeat(names.len()));
    for (len, shown, keys) in LENGTHS {
        let body = Bytes::from((0..len).map(|at| (at * 7 % 251) as u8).collect::<Vec<_>>());
        runtime.block_on(async {
            for (_, contender) in &contenders {
                for number in 0..keys {
                    contender.put(number, body.clone()).await;
                }
            }
        });
        for call in [Call::Get, Call::Put] {
            for tasks in TASKS {
                let rates = measured(&runtime, &contenders, effort, |contender| Work {
                    contender,
                    call,
                    keys,
                    tasks,
                    body: body.clone(),
                });
                let limit = limit(port, call, tasks, len, keys);
                row(&format!("{} {shown}", if call == Call::Get { "get" } else { "put" }), tasks, &rates, limit);
            }
        }
    }
    get_many(&runtime, &contenders[0].1, effort);
}

/// What one contender does in a slice.
struct Work {
    contender: Arc<Contender>,
    call: Call,
    keys: usize,
    tasks: usize,
    body: Bytes,
}

impl Work {
    /// Calls a second.
    async fn rate(self, slice: Duration) -> f64 {
        let (calls, next) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = Instant::now();
        let tasks: Vec<_> = (0..self.tasks)
            .map(|_| {
                let (contender, body, call, keys) = (self.contender.clone(), self.body.clone(), self.call, self.keys);
                let (calls, next) = (calls.clone(), next.clone());
                tokio::spawn(async move {
                    while start.elapsed() < slice {
                        let number = next.fetch_add(1, Ordering::Relaxed) % keys;
                        match call {
                            Call::Get => assert_eq!(contender.get(number).await, body.len()),
                            Call::Put => contender.put(number, body.clone()).await,
                        }
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a task");
        }
        calls.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
    }
}

/// The median rate of each contender.
fn measured(
    runtime: &Runtime,
    contenders: &[(&str, Arc<Contender>)],
    effort: Effort,
    work: impl Fn(Arc<Contender>) -> Work,
) -> Vec<f64> {
    let mut rates = vec![Vec::new(); contenders.len()];
    for round in 0..effort.rounds {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            rates[at].push(runtime.block_on(work(contenders[at].1.clone()).rate(effort.slice)));
        }
    }
    rates.into_iter().map(median).collect()
}

fn get_many(runtime: &Runtime, contender: &Contender, effort: Effort) {
    let Contender::Reelcache { backend, .. } = contender else { return };
    let keys: Vec<_> = (0..MANY).map(key).collect();
    let (mut many, mut single) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let body = Bytes::from(vec![7; 1 << 10]);
        for number in 0..MANY {
            contender.put(number, body.clone()).await;
        }
        for _ in 0..effort.rounds {
            let start = Instant::now();
            let found = backend.get_many(&keys).await;
            many.push(start.elapsed().as_secs_f64());
            assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
            let start = Instant::now();
            for key in &keys {
                assert!(backend.get(key).await.expect("an answer").is_some());
            }
            single.push(start.elapsed().as_secs_f64());
        }
    });
    let (many, single) = (median(many) * 1e3, median(single) * 1e3);
    println!(
        "\n`get_many` of {MANY} entries of 1 KiB: {many:.1} ms; one by one {single:.1} ms, {:.1} x.",
        single / many
    );
}

fn row(call: &str, tasks: usize, rates: &[f64], limit: f64) {
    let shown: Vec<_> = rates.iter().map(|rate| format!("{:.1}", rate / 1e3)).collect();
    let fred = rates[1].max(rates[2]);
    println!(
        "| {call} | {tasks} | {} | {:.1} | {:.2} | {:.2} |",
        shown.join(" | "),
        limit / 1e3,
        rates[0] / fred,
        rates[0] / rates[3]
    );
}

/// What the server's own tool reaches on one connection with as many commands under way as there are tasks.
fn limit(port: u16, call: Call, tasks: usize, len: usize, keys: usize) -> f64 {
    let run = |test: &str, calls: usize| {
        let calls = (calls / (1 + len / 8_192)).max(keys * 4);
        let output = Command::new(program("redis-benchmark").expect("redis-benchmark"))
            .args(["-p", &port.to_string(), "-c", "1", "-P", &tasks.to_string(), "-n", &calls.to_string()])
            .args(["-d", &len.to_string(), "-r", &keys.to_string(), "-t", test, "--csv"])
            .output()
            .expect("redis-benchmark");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().last().unwrap_or_default().replace('"', "");
        line.split(',').nth(1).and_then(|rate| rate.parse().ok()).unwrap_or(f64::NAN)
    };
    let calls = if tasks == 1 { 20_000 } else { 200_000 };
    match call {
        Call::Put => run("set", calls),
        Call::Get => {
            run("set", keys * 8);
            run("get", calls)
        }
    }
}

fn start(port: u16, folder: &Path) -> Server {
    let mut command = Command::new(program("redis-server").expect("redis-server"));
    command.args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
    let server = Server::start(&command, &folder.join("log")).expect("a server");
    while !accepts((std::net::Ipv4Addr::LOCALHOST, port).into()) {
        std::thread::yield_now();
    }
    server
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
