//! How long it takes to open a directory with many entries, and what memory they take.
//!
//! Each opening is that of a process of its own: what a process has allocated before is not in its figures.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use benches::options::Effort;
use benches::report::{Report, Table};
use benches::stats::median;
use cache_core::Key;

use crate::contenders::{Kind, Promise};
use crate::{bytes_of, runtime};

const KINDS: [Kind; 3] = [Kind::Reelcache, Kind::Foyer, Kind::Redb];
/// Length of a body: too long for the index of the file tier, and one block together with its header and key.
const LEN: usize = 3 << 10;
const CAPACITY: u64 = 8 << 30;
/// Entries that are put at once.
const BATCH: usize = 1_000;
/// Names the contender that the process is to open.
const KIND: &str = "REELCACHE_BENCH_OPEN";
/// Names the directory that it is in.
const DIR: &str = "REELCACHE_BENCH_DIR";

pub(crate) fn measured(effort: Effort, report: &mut Report) -> Result<(), String> {
    let (entries, rounds) = match effort {
        Effort::Try => (1_000, 1),
        Effort::Quick => (100_000, 3),
        Effort::Full => (1_000_000, 5),
    };
    let dir = tempfile::tempdir().expect("a directory");
    for kind in KINDS {
        let dir = dir.path().join(kind.name());
        std::fs::create_dir(&dir).expect("a directory");
        fill(kind, &dir, entries);
    }
    let (mut spans, mut bytes) = (vec![Vec::new(); KINDS.len()], vec![Vec::new(); KINDS.len()]);
    for round in 0..rounds {
        for step in 0..KINDS.len() {
            let at = (round + step) % KINDS.len();
            let (span, resident) = opened(KINDS[at], dir.path())?;
            spans[at].push(span);
            bytes[at].push(resident / entries as f64);
        }
    }
    report.say(format!(
        "#### Opening {entries} entries\n\nAfter an end in order, bodies of {LEN} bytes, median of {rounds} processes that \
         open and read one entry. Memory is what the process takes from the system meanwhile, for each entry. redb \
         reads nothing when it opens and finds no damage either."
    ));
    let mut table = Table::new(["", "open, ms", "ours / it", "memory for each entry, bytes"]);
    let middle = |values: &[f64]| median(&mut values.to_vec()).unwrap_or(f64::NAN);
    for (at, kind) in KINDS.iter().enumerate() {
        let ratios: Vec<_> = spans[0].iter().zip(&spans[at]).map(|(ours, other)| ours / other).collect();
        let open = format!("{:.1}", middle(&spans[at]));
        let memory = format!("{:.0}", middle(&bytes[at]));
        table.row([kind.name().to_owned(), open, format!("{:.2}", middle(&ratios)), memory]);
    }
    report.say(table.markdown());
    Ok(())
}

/// What a process does that was started to open a directory; nothing in any other.
#[expect(clippy::print_stdout, reason = "the process that started this one reads it")]
pub(crate) fn child() -> Option<ExitCode> {
    let (name, dir) = (std::env::var(KIND).ok()?, std::env::var(DIR).ok()?);
    let kind = KINDS.into_iter().find(|kind| kind.name() == name)?;
    let runtime = runtime();
    let (before, start) = (resident(), Instant::now());
    let contender = runtime.block_on(kind.open(Path::new(&dir), LEN, CAPACITY, Promise::Process));
    let span = start.elapsed();
    let after = resident();
    assert_eq!(runtime.block_on(contender.get(&key(0))), bytes_of(LEN, 0), "other bytes came back");
    println!("{} {}", span.as_nanos(), after.saturating_sub(before));
    runtime.block_on(contender.close());
    Some(ExitCode::SUCCESS)
}

/// Milliseconds and bytes that an opening in another process took.
fn opened(kind: Kind, dir: &Path) -> Result<(f64, f64), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.env(KIND, kind.name()).env(DIR, dir.join(kind.name()));
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.trim().split_once(' ').and_then(|(span, bytes)| Some((span.parse().ok()?, bytes.parse().ok()?)));
    let (nanos, bytes): (u64, u64) =
        told.ok_or_else(|| format!("opening {}: {}", kind.name(), String::from_utf8_lossy(&output.stderr)))?;
    Ok((Duration::from_nanos(nanos).as_secs_f64() * 1e3, bytes as f64))
}

fn fill(kind: Kind, dir: &Path, entries: usize) {
    let (runtime, body) = (runtime(), bytes_of(LEN, 0));
    runtime.block_on(async {
        let contender = kind.open(dir, LEN, CAPACITY, Promise::Process).await;
        for start in (0..entries).step_by(BATCH) {
            let numbers = start..entries.min(start + BATCH);
            contender.fill(numbers.map(|number| (key(number), body.clone())).collect()).await;
        }
        contender.close().await;
    });
}

/// 40 bytes, as keys are in use.
fn key(number: usize) -> Key {
    Key::of("video").part("0f6d1a5c9be24c1f").part(format!("{number:016x}")).build().expect("a key")
}

/// Bytes of the process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("what the system tells");
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}
