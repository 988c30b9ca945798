//! `Transcript`: what is said in a source, and when.

mod kind;
mod parse;
mod raw;
mod stage;
mod stitch;
mod text;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use stage::Transcriber;

use parse::parse;
use stitch::{Piece, stitch};

/// What is said in a source, and when. Times are milliseconds as the container of the source counts.
///
/// As JSON it has the shape that transcribers may print, see [`Transcriber`](crate::Transcriber):
///
/// ```
/// let printed = r#"{"language": "en", "segments": [{"start_ms": 0, "end_ms": 900, "text": "Hello there.",
///     "words": [{"start_ms": 0, "end_ms": 400, "text": "Hello", "confidence": 0.9},
///               {"start_ms": 500, "end_ms": 900, "text": "there."}]}]}"#;
/// let transcript: pipeline::Transcript = serde_json::from_str(printed)?;
/// assert_eq!(transcript.text(), "Hello there.");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The language that was recognised or told, as the transcriber calls it, e.g. `"en"`.
    #[serde(default)]
    pub language: Option<String>,
    /// When listening began.
    #[serde(default)]
    pub start_ms: i64,
    /// When listening ended.
    #[serde(default)]
    pub end_ms: i64,
    /// What was said, in the order of its beginnings. Of people who speak at once, segments overlap.
    pub segments: Vec<Utterance>,
}

/// Some words that are said together: what transcribers call a segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    /// When the first word begins.
    pub start_ms: i64,
    /// When the last word ends; not before it begins.
    pub end_ms: i64,
    /// One line with everything that is said; not empty.
    pub text: String,
    /// The words with their own times; empty when the transcriber tells none.
    #[serde(default)]
    pub words: Vec<Word>,
    /// How sure the transcriber is, from 0 to 1.
    #[serde(default)]
    pub confidence: Option<f32>,
}

/// One word and when it is said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// When it begins.
    pub start_ms: i64,
    /// When it ends; not before it begins.
    pub end_ms: i64,
    /// The word, with the punctuation that clings to it.
    pub text: String,
    /// How sure the transcriber is, from 0 to 1.
    #[serde(default)]
    pub confidence: Option<f32>,
}

impl Transcript {
    /// The version of what a stored transcript means.
    pub const SCHEMA: u32 = 1;

    /// Everything that is said, one line a segment.
    pub fn text(&self) -> String {
        let lines: Vec<&str> = self.segments.iter().map(|segment| segment.text.as_str()).collect();
        lines.join("\n")
    }

    /// All words in order. Those of a segment without words of its own are the pieces between its spaces, their times
    /// guessed from their lengths.
    pub fn words(&self) -> Vec<Word> {
        self.segments.iter().flat_map(|segment| segment.timed_words().into_owned()).collect()
    }

    /// The same words, said `by_ms` milliseconds later.
    #[must_use]
    pub fn later(mut self, by_ms: i64) -> Self {
        let shift = |(start, end): (&mut i64, &mut i64)| {
            *start = start.saturating_add(by_ms);
            *end = end.saturating_add(by_ms);
        };
        shift((&mut self.start_ms, &mut self.end_ms));
        for segment in &mut self.segments {
            shift((&mut segment.start_ms, &mut segment.end_ms));
            for word in &mut segment.words {
                shift((&mut word.start_ms, &mut word.end_ms));
            }
        }
        self
    }
}

impl Utterance {
    /// Its words; guessed from the text where it has none.
    pub(crate) fn timed_words(&self) -> Cow<'_, [Word]> {
        if self.words.is_empty() { text::guess(self).into() } else { Cow::Borrowed(&self.words) }
    }

    /// Whether there are any of these.
    pub(crate) fn has_words(&self) -> bool {
        !self.words.is_empty() || self.text.split_whitespace().next().is_some()
    }
}
