//! `Journal`: what happened in one simulated world, in order, with its violations and figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tokio::time::Instant;

/// What happened, in order.
#[derive(Debug)]
pub(crate) struct Journal {
    origin: Instant,
    lines: Vec<Line>,
    hash: u64,
    /// How often what happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) violations: Vec<String>,
}

#[derive(Debug)]
struct Line {
    key: Option<String>,
    text: String,
}

/// The most violations of one world that are told: the others follow from them, mostly.
const MOST_TOLD: usize = 3;

impl Journal {
    pub(crate) fn new(origin: Instant) -> Self {
        let counts = BTreeMap::new();
        Self { origin, lines: Vec::new(), hash: 0xcbf2_9ce4_8422_2325, counts, violations: Vec::new() }
    }

    /// Number of lines so far: the step.
    pub(crate) fn step(&self) -> u64 {
        self.lines.len() as u64
    }

    /// A hash of all that happened (FNV-1a).
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// All lines, which are gone then.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines).into_iter().map(|line| line.text).collect()
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Writes a line; those without a key concern all keys.
    pub(crate) fn note(&mut self, key: Option<&str>, text: &str) {
        let millis = self.origin.elapsed().as_millis();
        let text = format!("{:>6} {:>9}.{:03}  {text}", self.lines.len(), millis / 1_000, millis % 1_000);
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines.push(Line { key: key.map(str::to_owned), text });
    }

    /// Notes that a rule was broken.
    pub(crate) fn violation(&mut self, key: Option<&str>, text: &str) {
        self.note(key, &format!("VIOLATION {text}"));
        if self.violations.len() < MOST_TOLD {
            let mut told = format!("step {}: {text}\n", self.lines.len() - 1);
            for line in
                self.lines.iter().filter(|line| key.is_none() || line.key.is_none() || line.key.as_deref() == key)
            {
                let _ = writeln!(told, "    {}", line.text);
            }
            self.violations.push(told);
        }
        self.count("violations");
    }
}
