//! `Target`: a body that takes any bytes, and what holds whatever they are.

use std::sync::Once;

use crate::{memory, panics};

/// What memory may grow by for each byte of the input.
const FACTOR: usize = 64;
/// What memory may grow by besides, in bytes: what serde sets aside on the word of a length, and what bodies take.
const ALLOWANCE: usize = (1 << 20) + (128 << 10);

/// What a body makes of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was read as what it is meant to be.
    Accepted,
    /// It was refused.
    Refused,
}

/// A body that takes any bytes, by the name of its corpus.
#[derive(Debug)]
pub struct Target {
    name: &'static str,
    body: fn(&[u8]) -> Verdict,
    ready: Once,
}

impl Target {
    pub(crate) const fn new(name: &'static str, body: fn(&[u8]) -> Verdict) -> Self {
        Self { name, body, ready: Once::new() }
    }

    /// The name: that of its corpus, and of its binary for libFuzzer.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Gives `input` to the body. One input is tried at a time, in the whole process; it blocks.
    ///
    /// # Panics
    /// When something does not hold that has to.
    pub fn run(&self, input: &[u8]) -> Verdict {
        self.ready.call_once(|| {
            panics::watch();
            // Runtimes, servers and tables that are made once are not the input's doing.
            (self.body)(&[]);
        });
        let ((verdict, panicked), grown) = memory::growth_of(|| {
            let before = panics::seen();
            let verdict = (self.body)(input);
            (verdict, panics::seen() - before)
        });
        let most = FACTOR * input.len() + ALLOWANCE;
        assert!(grown <= most, "{}: memory grew by {grown} bytes, more than the {most} allowed", self.name);
        assert!(panicked == 0, "{}: something panicked, and somebody caught it", self.name);
        verdict
    }
}

impl From<bool> for Verdict {
    /// Whether it was accepted.
    fn from(is_accepted: bool) -> Self {
        if is_accepted { Self::Accepted } else { Self::Refused }
    }
}
