//! Kills a writing process at random moments and verifies what it left.
//!
//! `cargo run --release -p cache-file --example torture -- --rounds 200 --entries 100000 --seed 1 [--dir DIR]`
//!
//! The parent starts itself as a child that writes through eight tasks and prints each acknowledgement. It kills the
//! child, opens the directory and compares. What each task does follows from the seed, so the parent knows the one
//! write of each task that may have been under way. Even rounds have room for everything: what was acknowledged must
//! be there. Odd rounds have little room: what is there must be what was acknowledged last, and what was seen to be
//! gone stays so.

#[path = "torture/child.rs"]
mod child;
#[path = "torture/script.rs"]
mod script;
#[path = "torture/verify.rs"]
mod verify;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use script::{Arena, Rng, WRITERS};
use verify::{Figures, Model};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the command line asks for.
struct Plan {
    rounds: u64,
    entries: u64,
    seed: u64,
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("--child") => child::run().map(|()| true),
        _ => parent(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "torture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parent() -> Outcome<bool> {
    let plan = arguments()?;
    let temporary = tempfile::tempdir()?;
    let root = plan.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut models = [Arena::Roomy, Arena::Tight].map(|arena| Model::new(root.join(arena.name()), arena, plan.seed));
    let mut figures = Figures::default();
    let mut rng = Rng::new(plan.seed);
    let share = (plan.entries / plan.rounds.max(1)).max(1);
    for round in 0..plan.rounds {
        let model = &mut models[usize::from(round % 2 == 1)];
        let acknowledged = ride(model.dir(), plan.seed, round, model.arena(), share, &mut rng)?;
        figures.rounds += 1;
        model.check(round, acknowledged, &mut figures)?;
    }
    writeln!(std::io::stdout(), "{figures} seed={}", plan.seed)?;
    Ok(figures.is_clean() && figures.has_worked())
}

fn arguments() -> Outcome<Plan> {
    let mut plan = Plan { rounds: 30, entries: 15_000, seed: 1, dir: None };
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--rounds" => plan.rounds = value.parse()?,
            "--entries" => plan.entries = value.parse()?,
            "--seed" => plan.seed = value.parse()?,
            "--dir" => plan.dir = Some(value.into()),
            _ => return Err(format!("unknown option {name}: use --rounds, --entries, --seed, --dir").into()),
        }
    }
    Ok(plan)
}

/// Lets a child write and kills it; how many writes of each task it acknowledged.
fn ride(dir: &Path, seed: u64, round: u64, arena: Arena, share: u64, rng: &mut Rng) -> Outcome<[u64; WRITERS]> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--child", &seed.to_string(), &round.to_string(), arena.name()])
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()?;
    let acknowledgements = listen(&mut child)?;
    // One round in eight ends after a time, which may be within the opening; the others after some writes.
    let (limit, quota) = if rng.below(8) == 0 {
        (Duration::from_micros(rng.below(30_000)), u64::MAX)
    } else {
        (Duration::from_mins(2), rng.below(2 * share))
    };
    let mut counts = [0; WRITERS];
    let deadline = Instant::now() + limit;
    while counts.iter().sum::<u64>() < quota {
        match acknowledgements.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(writer) => counts[writer] += 1,
            // A child that was to end after some writes hangs.
            Err(mpsc::RecvTimeoutError::Timeout) if quota < u64::MAX => {
                child.kill()?;
                child.wait()?;
                return Err(format!("the child of round {round} acknowledged {counts:?} and then nothing more").into());
            }
            Err(_) => break,
        }
    }
    // Off the beat of the acknowledgements.
    let _ = child.try_wait()?;
    let pause = Instant::now() + Duration::from_micros(rng.below(3_000));
    while Instant::now() < pause {
        std::hint::spin_loop();
    }
    child.kill()?;
    let status = child.wait()?;
    if let Some(code) = status.code() {
        return Err(format!("the child of round {round} ended by itself with {code}").into());
    }
    for writer in acknowledgements {
        counts[writer] += 1;
    }
    Ok(counts)
}

/// The tasks whose writes the child acknowledges, one after the other, until its end.
fn listen(child: &mut Child) -> Outcome<mpsc::Receiver<usize>> {
    let output = child.stdout.take().ok_or("the child has no output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|len| len > 0) {
            // A line without its end was cut off by the kill.
            let Some(writer) = line.strip_suffix('\n').and_then(|writer| writer.parse().ok()) else { break };
            if sender.send(writer).is_err() {
                break;
            }
            line.clear();
        }
    });
    Ok(receiver)
}
