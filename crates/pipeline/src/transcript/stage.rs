//! `Transcriber`: transcripts by any command.

use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, Result};

use super::kind::milliseconds;
use super::{Transcript, parse};
use crate::ffmpeg::about;
use crate::{CommandLine, Output, Recipe, Resource, Segment, Span, Stage, Work, audio, blocking};

/// Transcripts by a command: the sound of each segment, with some seconds around it, is written to a file, the command
/// prints what it has heard, and what two segments have both heard is put together.
///
/// In the arguments, `{audio}` stands for the file, a WAV of 16 kHz with one channel, and `{language}` for the language,
/// or `auto`. The answer, see [`CommandLine`], is JSON of one of these shapes; further fields are passed over:
///
/// * that of openai-whisper and faster-whisper: `{"language", "segments": [{"start", "end", "text", "avg_logprob"?,
///   "words"?: [{"start", "end", "word", "probability"?}]}]}`, times in seconds;
/// * that of whisper.cpp (`-oj`, or `-ojf` for words): `{"result": {"language"}, "transcription": [{"offsets": {"from",
///   "to"}, "text", "tokens"?: [{"text", "offsets", "p"}]}]}`, times in milliseconds;
/// * that of a [`Transcript`]: `{"language"?, "segments": [{"start_ms", "end_ms", "text", "confidence"?, "words"?:
///   [{"start_ms", "end_ms", "text", "confidence"?}]}]}`, times in milliseconds.
///
/// Times count from the start of the file; segments come in the order of their beginnings. Words with times of their own
/// make exact cuts between segments; without them, the times of words are guessed.
#[derive(Debug, Clone)]
#[must_use]
pub struct Transcriber {
    command: CommandLine,
    language: Option<String>,
    segment: Duration,
    overlap: Duration,
    resource: Resource,
}

/// Raised whenever the same source and command would give something else.
const VERSION: u32 = 1;
const SEGMENT: Duration = Duration::from_mins(5);
const OVERLAP: Duration = Duration::from_secs(4);

impl Transcriber {
    /// By `command`, in segments of five minutes with four seconds of overlap on either side.
    ///
    /// # Errors
    /// `Invalid` when its arguments name something else than `{audio}`, `{language}`, `{out}` and `{dir}`.
    pub fn new(command: CommandLine) -> Result<Self> {
        command.check(&["audio", "language"])?;
        Ok(Self { command, language: None, segment: SEGMENT, overlap: OVERLAP, resource: Resource::Cpu })
    }

    /// The language that is spoken, as the command calls it.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// In segments of `length`, each heard with `overlap` before and after it. An overlap of some words makes sure that
    /// none is cut in two; both are part of the identity.
    ///
    /// # Errors
    /// `Invalid` for an overlap longer than half a segment.
    pub fn segments(mut self, length: Duration, overlap: Duration) -> Result<Self> {
        if overlap > length / 2 {
            let message = "an overlap is at most half as long as a segment: make it shorter";
            return Err(Error::new(ErrorKind::Invalid, message).with_operation("set up the transcriber"));
        }
        (self.segment, self.overlap) = (length, overlap);
        Ok(self)
    }

    /// What the command keeps busy; [`Resource::Cpu`] unless set.
    pub const fn on(mut self, resource: Resource) -> Self {
        self.resource = resource;
        self
    }

    /// What is heard of `segment` and around it.
    async fn hear(&self, work: &Work, segment: Segment) -> Result<Transcript> {
        let (whole, Span { start_us, end_us }) = (work.axis().whole(), segment.span);
        let overlap_us = i64::try_from(self.overlap.as_micros()).unwrap_or(i64::MAX);
        let from_us = start_us.saturating_sub(overlap_us).max(whole.start_us);
        let heard = Span::new(from_us, end_us.saturating_add(overlap_us).min(whole.end_us));
        let (start_ms, end_ms) = milliseconds(heard);
        let folder = self.command.folder().await?;
        let Some(sound) = audio::extract(work, heard, &folder).await? else {
            return Ok(Transcript { language: self.language.clone(), start_ms, end_ms, segments: Vec::new() });
        };
        let language = self.language.as_deref().unwrap_or("auto");
        let values = [("audio", sound.path.as_os_str()), ("language", language.as_ref())];
        let about = |error| about(work.source(), &error);
        let printed = self.command.run(&values, &folder).await.map_err(about)?;
        let length = sound.length;
        let parsed = blocking::run(move || parse(&printed, length)).await;
        let mut transcript = parsed.map_err(|error| about(self.command.about(&error)))?;
        transcript.language = transcript.language.or_else(|| self.language.clone());
        let transcript = transcript.later(start_ms);
        // The end that was asked for: sound that ends before is silence until then.
        Ok(Transcript { start_ms, end_ms: end_ms.max(transcript.end_ms), ..transcript })
    }
}

#[async_trait]
impl Stage for Transcriber {
    type Kind = Transcript;

    fn recipe(&self) -> Recipe {
        let recipe = Recipe::new("transcriber", VERSION)
            .param("language", self.language.as_deref(), None::<&str>)
            .param("overlap_ms", self.overlap.as_millis() as u64, OVERLAP.as_millis() as u64)
            .segment(self.segment)
            .on(self.resource);
        self.command.described(recipe)
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Transcript>) -> Result<()> {
        for segment in work.segments() {
            let transcript = self.hear(work, *segment).await?;
            if out.part(*segment, &transcript).await? == crate::Next::Enough {
                break;
            }
        }
        Ok(())
    }
}
