//! Row F2: a process that writes through eight tasks is killed at random moments.
//!
//! The parent starts itself as a child that prints each acknowledgement. It kills the child, opens the directory and
//! compares. What each task does follows from the seed, so the parent knows the one write of each task that may have been
//! under way. Even rounds have room for everything: what was acknowledged must be there. Odd rounds have little room:
//! what is there must be what was acknowledged last, and what was seen to be gone stays so.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::script::{Arena, Rng, WRITERS};
use crate::verify::{Figures, Model};

/// Kills `rounds` children that write `entries` in all.
pub(crate) fn run(root: &Path, rounds: u64, entries: u64, seed: u64) -> Outcome<(bool, String)> {
    let mut models = [Arena::Roomy, Arena::Tight].map(|arena| Model::new(root.join(arena.name()), arena, seed));
    let mut figures = Figures::default();
    let mut rng = Rng::new(seed);
    let share = (entries / rounds.max(1)).max(1);
    for round in 0..rounds {
        let model = &mut models[usize::from(round % 2 == 1)];
        let acknowledged = ride(model.dir(), seed, round, model.arena(), share, &mut rng)?;
        figures.rounds += 1;
        model.check(round, acknowledged, &mut figures)?;
    }
    Ok((figures.is_clean() && figures.has_worked(), figures.to_string()))
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
