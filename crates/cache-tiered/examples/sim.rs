//! A fleet of two nodes lived through in virtual time, as a function of a seed, and checked against a naive model.
//!
//! `cargo run --release -p cache-tiered --example sim -- [--seeds 1000] [--from S] [--seed S] [--log S]`
//!
//! Each node has a memory tier that it loses at its end, a durable tier of its own, and a tier that both share, with
//! leases and a backplane. Calls fail, hang, are slow, corrupt, lose their reply or panic; nodes crash in the midst of
//! what they do; clocks jump. Several clients ask, write and invalidate. A model that knows every value that was made,
//! and every operation that was acknowledged, checks each answer. A seed is always the same world: `--seed S` lives
//! through that one alone and tells what concerns each violation; `--log S` tells all that happens in it.

#[path = "sim/world.rs"]
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the command line asks for.
struct Plan {
    first: u64,
    seeds: u64,
    threads: usize,
    /// Whether to tell all that happens.
    log: bool,
}

thread_local! {
    /// A panic of this thread that nobody has planned.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn main() -> ExitCode {
    match arguments().and_then(|plan| simulate(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Outcome<Plan> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut plan = Plan { first: 1, seeds: 1_000, threads, log: false };
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--seeds" => plan.seeds = value.parse()?,
            "--seed" => (plan.first, plan.seeds) = (value.parse()?, 1),
            "--log" => (plan.first, plan.seeds, plan.log) = (value.parse()?, 1, true),
            "--from" => plan.first = value.parse()?,
            "--threads" => plan.threads = value.parse()?,
            _ => return Err(format!("unknown option {name}: use --seeds, --from, --seed, --log, --threads").into()),
        }
    }
    Ok(plan)
}

/// Lives through all worlds; whether no rule was broken in any.
fn simulate(plan: &Plan) -> Outcome<bool> {
    watch_panics();
    let began = Instant::now();
    let next = AtomicU64::new(plan.first);
    let end = plan.first + plan.seeds;
    let sums: Mutex<BTreeMap<&'static str, u64>> = Mutex::default();
    let broken: Mutex<BTreeMap<u64, Vec<String>>> = Mutex::default();
    let hashes = AtomicU64::new(0);
    let work = || -> Outcome<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return Ok(());
            }
            let report = live(seed)?;
            hashes.fetch_add(report.hash, Ordering::Relaxed);
            let mut sums = sums.lock().map_err(|_| "a thread has panicked")?;
            for (what, count) in report.counts {
                *sums.entry(what).or_default() += count;
            }
            if plan.log {
                writeln!(std::io::stdout(), "{}", report.log.join("\n"))?;
            }
            if !report.violations.is_empty() {
                broken.lock().map_err(|_| "a thread has panicked")?.insert(seed, report.violations);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread has panicked")?)
    })?;
    let (sums, broken) = (sums.into_inner()?, broken.into_inner()?);
    tell(plan, &sums, &broken)?;
    let (seeds, from, broken, hash) = (plan.seeds, plan.first, broken.len(), hashes.into_inner());
    let seconds = began.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "seeds={seeds} from={from} broken={broken} hash={hash:016x} seconds={seconds:.1}")?;
    Ok(broken == 0)
}

/// Of so many worlds, one is lived through twice, to see that a seed decides all of it.
const TWICE: u64 = 50;

fn live(seed: u64) -> Outcome<world::Report> {
    let lived = world::run(seed);
    let again = (world::REPEATABLE && seed.is_multiple_of(TWICE)).then(|| world::run(seed)).transpose()?;
    let panicked = PANIC.take();
    let mut report = lived.map_err(|error| format!("seed {seed}: {error}; {panicked:?}"))?;
    if again.is_some_and(|again| again.hash != report.hash) {
        report.violations.push("lived through twice, it was not the same world\n".to_owned());
    }
    if let Some(panicked) = panicked {
        report.violations.insert(0, format!("a panic: {panicked}\n"));
    }
    Ok(report)
}

/// The most worlds whose violations are told in full.
const MOST_TOLD: usize = 3;

fn tell(plan: &Plan, sums: &BTreeMap<&'static str, u64>, broken: &BTreeMap<u64, Vec<String>>) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    for (seed, violations) in broken.iter().take(MOST_TOLD) {
        for violation in violations.iter().take(if plan.seeds == 1 { usize::MAX } else { 1 }) {
            writeln!(out, "seed {seed}, {violation}")?;
        }
    }
    for (seed, violations) in broken {
        let first = violations.first().and_then(|violation| violation.lines().next()).unwrap_or_default();
        writeln!(out, "broken: --seed {seed}: {first}")?;
    }
    for (what, count) in sums {
        writeln!(out, "{what:<24} {count:>12}")?;
    }
    Ok(())
}

/// Planned panics are silent; any other is a violation.
fn watch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains("planned panic") {
            PANIC.set(Some(text));
        }
    }));
}
