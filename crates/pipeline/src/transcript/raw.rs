//! The JSON of transcribers as they print it, not believed yet.

use serde::Deserialize;

/// Every accepted shape in one. Fields that are not named are passed over.
#[derive(Deserialize)]
pub(super) struct Printed {
    pub(super) language: Option<String>,
    /// Of whisper.cpp: where the language is.
    pub(super) result: Option<Told>,
    /// Of scripts around faster-whisper: where the language is.
    pub(super) info: Option<Told>,
    pub(super) segments: Option<Vec<Spoken>>,
    /// Of whisper.cpp.
    pub(super) transcription: Option<Vec<Cpp>>,
}

#[derive(Deserialize)]
pub(super) struct Told {
    pub(super) language: Option<String>,
}

/// A segment with times in milliseconds, our own shape, or in seconds, that of openai-whisper and faster-whisper.
#[derive(Deserialize)]
pub(super) struct Spoken {
    pub(super) start_ms: Option<f64>,
    pub(super) end_ms: Option<f64>,
    pub(super) start: Option<f64>,
    pub(super) end: Option<f64>,
    pub(super) text: String,
    pub(super) words: Option<Vec<SpokenWord>>,
    pub(super) confidence: Option<f64>,
    pub(super) avg_logprob: Option<f64>,
}

#[derive(Deserialize)]
pub(super) struct SpokenWord {
    pub(super) start_ms: Option<f64>,
    pub(super) end_ms: Option<f64>,
    pub(super) start: Option<f64>,
    pub(super) end: Option<f64>,
    #[serde(alias = "word")]
    pub(super) text: String,
    #[serde(alias = "probability")]
    pub(super) confidence: Option<f64>,
}

/// A segment of whisper.cpp.
#[derive(Deserialize)]
pub(super) struct Cpp {
    pub(super) offsets: Offsets,
    pub(super) text: String,
    pub(super) tokens: Option<Vec<Token>>,
}

/// Milliseconds.
#[derive(Deserialize)]
pub(super) struct Offsets {
    pub(super) from: f64,
    pub(super) to: f64,
}

/// A piece of a word; one that begins a word begins with a space.
#[derive(Deserialize)]
pub(super) struct Token {
    pub(super) text: String,
    /// Absent without full output.
    pub(super) offsets: Option<Offsets>,
    pub(super) p: Option<f64>,
}
