//! `Tally`: what became of all videos of a run.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::time::Duration;

use pipeline::Fingerprint;
use serde_json::{Value, json};

use super::outcome::{Answer, Outcome};
use crate::exit::Exit;
use crate::units::Span;

/// What became of all videos of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many videos ended in each way, by its name.
    states: BTreeMap<&'static str, u64>,
    /// Videos that were named again, or whose content another one had: they count nowhere else.
    repeated: u64,
    saved: Duration,
    /// Entries that were removed.
    removed: u64,
    /// What was seen, so that nothing counts twice.
    seen: HashSet<Fingerprint>,
    /// The failure that was named first.
    failure: Option<(usize, Exit)>,
    ended: u64,
}

impl Tally {
    /// Counts what became of the video number `index`, which may be one that was named before.
    pub(super) fn add(&mut self, index: usize, outcome: &Outcome, is_again: bool) {
        self.ended += 1;
        let exit = outcome.exit();
        if exit != Exit::Done && self.failure.is_none_or(|(first, _)| index < first) {
            self.failure = Some((index, exit));
        }
        if is_again {
            self.repeated += 1;
            return;
        }
        if let Ok(Answer::Report(report)) = &outcome.answer {
            if !self.seen.insert(report.fingerprint) {
                self.repeated += 1;
                return;
            }
            self.saved += report.saved();
        }
        if let Ok(Answer::Survey(survey)) = &outcome.answer {
            self.removed += survey.removed;
        }
        *self.states.entry(outcome.state()).or_default() += 1;
    }

    /// Videos that were seen to their ends.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    pub(super) fn exit(&self) -> Exit {
        self.failure.map_or(Exit::Done, |(_, exit)| exit)
    }

    /// Whether there is anything to tell that the lines of the videos have not told.
    pub(super) fn is_worth_telling(&self) -> bool {
        self.ended > 1
    }

    pub(super) fn write_line(&self, out: &mut impl Write, unfinished: u64) -> io::Result<()> {
        let counted = |(state, count): (&&str, &u64)| format!("{count} {state}");
        let mut told: Vec<String> = self.states.iter().map(counted).collect();
        if self.repeated > 0 {
            told.push(format!("{} named twice", self.repeated));
        }
        if unfinished > 0 {
            told.push(format!("{unfinished} not done"));
        }
        write!(out, "{} videos: {}", self.ended + unfinished, told.join(", "))?;
        if !self.saved.is_zero() {
            write!(out, "; {} saved", Span(self.saved))?;
        }
        if self.removed > 0 {
            write!(out, "; {} entries removed", self.removed)?;
        }
        writeln!(out)
    }

    pub(super) fn json(&self, unfinished: u64) -> Value {
        json!({ "summary": {
            "videos": self.ended + unfinished,
            "states": self.states,
            "repeated": self.repeated,
            "not_done": unfinished,
            "saved_seconds": self.saved.as_secs_f64(),
            "removed": self.removed,
        }})
    }
}
