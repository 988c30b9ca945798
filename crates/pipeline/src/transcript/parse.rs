//! From what a transcriber prints to a transcript: everything checked.

use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};

use super::raw::{Cpp, Printed, Spoken, SpokenWord, Token};
use super::{Transcript, Utterance, Word};

/// The longest output of a transcriber, in bytes.
pub(super) const MAX_JSON: usize = 64 << 20;
/// How far beyond the end of the audio times may lie; they are pulled back to it. Some models know nothing but pieces of
/// 30 seconds and count on to the end of the last one.
const BEYOND_MS: i64 = 30_000;

/// Reads the JSON that a transcriber has printed about audio of `length`. Times count from the start of the audio.
///
/// # Errors
/// `TooLarge` beyond 64 MiB; [`ErrorKind::Load`] for what has none of the accepted shapes, and for times that are not
/// numbers, negative, beyond the audio, before those of the segment above, or end before they begin. They name the place.
pub(super) fn parse(json: &[u8], length: Duration) -> Result<Transcript> {
    if json.len() > MAX_JSON {
        let message = format!("{} bytes of JSON exceed the {MAX_JSON} allowed", json.len());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    // A token of whisper.cpp may hold half a letter.
    let text = String::from_utf8_lossy(json);
    let printed: Printed =
        serde_json::from_str(&text).map_err(|error| bad(format!("is not the JSON that was expected: {error}")))?;
    let end_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let reader = Reader { end_ms };
    let segments = match (printed.segments, printed.transcription) {
        (Some(spoken), None) => reader.all(spoken, Reader::spoken)?,
        (None, Some(cpp)) => reader.all(cpp, Reader::cpp)?,
        (None, None) => return Err(bad("has neither `segments` nor `transcription`".into())),
        (Some(_), Some(_)) => return Err(bad("has both `segments` and `transcription`".into())),
    };
    let told = [printed.result, printed.info].into_iter().flatten().find_map(|told| told.language);
    let language = printed.language.or(told).map(|language| one_line(&language)).filter(|name| !name.is_empty());
    Ok(Transcript { language, start_ms: 0, end_ms, segments })
}

/// Where the audio ends, and thus what is believed.
struct Reader {
    end_ms: i64,
}

type Times = (i64, i64);

impl Reader {
    /// All of `segments`, numbered from 0, which must come in order; those without text are left out.
    fn all<T>(&self, segments: Vec<T>, read: fn(&Self, T, &str) -> Result<Utterance>) -> Result<Vec<Utterance>> {
        let mut all: Vec<Utterance> = Vec::with_capacity(segments.len());
        let mut latest = (0, 0);
        for (number, segment) in segments.into_iter().enumerate() {
            let read = read(self, segment, &format!("segment {number}"))?;
            if read.start_ms < latest.0 {
                let (start, before) = (seconds(read.start_ms), seconds(latest.0));
                let above = latest.1;
                return Err(bad(format!("segment {number} begins at {start}, before segment {above} at {before}")));
            }
            latest = (read.start_ms, number);
            if !read.text.is_empty() {
                all.push(read);
            }
        }
        Ok(all)
    }

    fn spoken(&self, segment: Spoken, place: &str) -> Result<Utterance> {
        let Spoken { start_ms, end_ms, start, end, text, words, confidence, avg_logprob } = segment;
        let (start_ms, end_ms) = self.times(place, [start_ms, end_ms], [start, end])?;
        let words = words.unwrap_or_default().into_iter().enumerate();
        let words = words.map(|(number, word)| self.word(word, &format!("word {number} of {place}")));
        let mut words: Vec<Word> = words.collect::<Result<_>>()?;
        words.retain(|word| !word.text.is_empty());
        // What is averaged is the logarithm of a probability.
        let confidence = confidence.or(avg_logprob.map(f64::exp)).and_then(sureness);
        Ok(Utterance { start_ms, end_ms, text: one_line(&text), words, confidence })
    }

    fn word(&self, word: SpokenWord, place: &str) -> Result<Word> {
        let SpokenWord { start_ms, end_ms, start, end, text, confidence } = word;
        let (start_ms, end_ms) = self.times(place, [start_ms, end_ms], [start, end])?;
        Ok(Word { start_ms, end_ms, text: one_line(&text), confidence: confidence.and_then(sureness) })
    }

    fn cpp(&self, segment: Cpp, place: &str) -> Result<Utterance> {
        let (start_ms, end_ms) = self.checked(place, segment.offsets.from, segment.offsets.to)?;
        let words = self.joined(segment.tokens.unwrap_or_default(), place)?;
        Ok(Utterance { start_ms, end_ms, text: one_line(&segment.text), words, confidence: None })
    }

    /// The words that `tokens` are pieces of; none when a token has no times or a letter is spread over several.
    fn joined(&self, tokens: Vec<Token>, place: &str) -> Result<Vec<Word>> {
        let is_mark = |token: &Token| token.text.starts_with("[_") && token.text.ends_with(']');
        let mut words: Vec<(Word, f64, u32)> = Vec::new();
        for (number, token) in tokens.into_iter().enumerate().filter(|(_, token)| !is_mark(token)) {
            let Some(offsets) = token.offsets.filter(|_| !token.text.contains('\u{FFFD}')) else {
                return Ok(Vec::new());
            };
            let (start_ms, end_ms) = self.checked(&format!("token {number} of {place}"), offsets.from, offsets.to)?;
            let p = token.p.unwrap_or(f64::NAN);
            match words.last_mut().filter(|_| !token.text.starts_with(' ')) {
                Some((word, sum, count)) => {
                    word.text.push_str(&one_line(&token.text));
                    word.end_ms = word.end_ms.max(end_ms);
                    (*sum, *count) = (*sum + p, *count + 1);
                }
                None => {
                    words.push((Word { start_ms, end_ms, text: one_line(&token.text), confidence: None }, p, 1));
                }
            }
        }
        let sure = |(word, sum, count): (Word, f64, u32)| Word { confidence: sureness(sum / f64::from(count)), ..word };
        Ok(words.into_iter().map(sure).filter(|word| !word.text.is_empty()).collect())
    }

    /// The times in milliseconds or those in seconds.
    fn times(&self, place: &str, ms: [Option<f64>; 2], s: [Option<f64>; 2]) -> Result<Times> {
        match (ms, s) {
            ([Some(start), Some(end)], _) => self.checked(place, start, end),
            (_, [Some(start), Some(end)]) => self.checked(place, start * 1e3, end * 1e3),
            _ => Err(bad(format!("{place} has neither `start` and `end` nor `start_ms` and `end_ms`"))),
        }
    }

    fn checked(&self, place: &str, start: f64, end: f64) -> Result<Times> {
        for (name, at) in [("begins", start), ("ends", end)] {
            let says = |what: &str| bad(format!("{place} {name} at {} s, {what}", at / 1e3));
            if !at.is_finite() {
                return Err(says("which is no time"));
            }
            if at < 0.0 {
                return Err(says("before the audio"));
            }
            if at > self.end_ms.saturating_add(BEYOND_MS) as f64 {
                return Err(says(&format!("but the audio ends at {}", seconds(self.end_ms))));
            }
        }
        if end < start {
            let (start, end) = (start / 1e3, end / 1e3);
            return Err(bad(format!("{place} ends at {end} s, before it begins at {start} s")));
        }
        Ok(((start.round() as i64).min(self.end_ms), (end.round() as i64).min(self.end_ms)))
    }
}

fn bad(what: String) -> Error {
    Error::new(ErrorKind::Load, what).with_operation("read the transcript")
}

fn seconds(ms: i64) -> String {
    format!("{} s", ms as f64 / 1e3)
}

/// A probability, when it is one.
fn sureness(p: f64) -> Option<f32> {
    p.is_finite().then_some(p.clamp(0.0, 1.0) as f32)
}

/// `text` without space around it, in one line of what can be shown.
fn one_line(text: &str) -> String {
    let text = text.trim();
    if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
