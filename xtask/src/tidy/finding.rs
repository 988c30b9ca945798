//! What a rule has to say about one place.

use std::fmt;

/// A line (0: the file as a whole) and what is wrong there.
pub(crate) type Hit = (usize, String);

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A path relative to the workspace, or the name of a crate.
    pub(crate) place: String,
    pub(crate) line: usize,
    pub(crate) rule: &'static str,
    pub(crate) message: String,
}

impl Finding {
    /// A finding about a crate or a file as a whole.
    pub(crate) fn new(rule: &'static str, place: &str, message: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line: 0, rule, message: message.into() }
    }

    /// The hits of `rule` in the file `place`.
    pub(crate) fn all(rule: &'static str, place: &str, hits: Vec<Hit>) -> impl Iterator<Item = Self> {
        hits.into_iter().map(move |(line, message)| Self { line, ..Self::new(rule, place, message) })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, line, rule, message } = self;
        match line {
            0 => write!(f, "{place}: {message} [{rule}]"),
            _ => write!(f, "{place}:{line}: {message} [{rule}]"),
        }
    }
}
