//! `Transcript`: what is said in a source, with its times.

use serde::{Deserialize, Serialize};

use crate::{Kind, Segment, Span};

/// What is said in a source, word by word where the recogniser tells, in the order of time.
///
/// Schema 1: a list of utterances, each with start and end in microseconds, text, words and confidence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transcript {
    /// The language, as the recogniser names it; `None` when it does not say.
    pub language: Option<String>,
    /// What is said, in the order of time.
    pub utterances: Vec<Utterance>,
}

/// Something said in one go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    /// Its time in microseconds, as the container counts.
    pub start_us: i64,
    /// Its end.
    pub end_us: i64,
    /// What is said.
    pub text: String,
    /// The words one by one; empty when the recogniser does not tell.
    pub words: Vec<Word>,
}

/// One word.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Its time in microseconds, as the container counts.
    pub start_us: i64,
    /// Its end.
    pub end_us: i64,
    /// The word.
    pub text: String,
    /// How sure the recogniser is, from 0 to 1.
    pub confidence: Option<f32>,
}

impl Transcript {
    /// A transcript of these utterances.
    pub const fn new(language: Option<String>, utterances: Vec<Utterance>) -> Self {
        Self { language, utterances }
    }

    /// Everything that is said, as one text.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.utterances.iter().map(|said| said.text.trim()).collect();
        texts.join(" ")
    }
}

impl Utterance {
    /// Where it belongs: what is cut at a boundary is on one side of it.
    pub const fn middle_us(&self) -> i64 {
        self.start_us.midpoint(self.end_us)
    }
}

impl Kind for Transcript {
    const NAME: &'static str = "transcript";
    const SCHEMA: u32 = 1;

    fn join(parts: Vec<(Segment, Self)>) -> Self {
        let language = parts.iter().find_map(|(_, part)| part.language.clone());
        Self { language, utterances: parts.into_iter().flat_map(|(_, part)| part.utterances).collect() }
    }

    fn within(&self, span: Span) -> Self {
        let inside = self.utterances.iter().filter(|said| span.contains(said.middle_us()));
        Self { language: self.language.clone(), utterances: inside.cloned().collect() }
    }

    fn count(&self) -> u64 {
        self.utterances.len() as u64
    }

    fn truncate(&mut self, most: u64) {
        self.utterances.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
}
