//! `Describer`: descriptions of keyframes, by any command or endpoint.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};
use futures_util::{StreamExt, TryStreamExt, stream};

#[cfg(feature = "endpoint")]
use super::chat;
use super::{Description, Descriptions};
#[cfg(feature = "endpoint")]
use crate::Endpoint;
use crate::ffmpeg::about;
use crate::{
    CommandLine, Keyframe, KeyframeStage, Keyframes, Next, Output, Recipe, Resource, Segment, Stage, Work, blocking,
};

/// Descriptions of the keyframes that a [`KeyframeStage`] picks.
#[derive(Debug, Clone)]
#[must_use]
pub struct Describer {
    keyframes: Arc<KeyframeStage>,
    by: By,
    segment: Duration,
    at_once: usize,
    resource: Resource,
}

#[derive(Debug, Clone)]
enum By {
    Command(CommandLine),
    #[cfg(feature = "endpoint")]
    Endpoint {
        endpoint: Endpoint,
        prompt: String,
        max_tokens: u32,
    },
}

/// Raised whenever the same frames would be described otherwise.
const VERSION: u32 = 1;
/// Descriptions are dear: little is lost of them.
const SEGMENT: Duration = Duration::from_mins(1);
/// How many pictures are held in memory at once.
const BATCH: usize = 16;
/// How often pictures of a segment may go while they are described.
const MOST_AGAIN: u32 = 3;
/// The longest description, in bytes.
const MAX_TEXT: usize = 64 << 10;
#[cfg(feature = "endpoint")]
const PROMPT: &str = "Describe this frame of a video in one or two plain sentences. Quote any text in it.";
#[cfg(feature = "endpoint")]
const MAX_TOKENS: u32 = 200;

impl Describer {
    /// By `command`, which prints the description of one picture: `{image}` in its arguments stands for a JPEG file. What
    /// it prints is text; a frame for which it prints nothing but space has no description.
    ///
    /// # Errors
    /// `Invalid` when its arguments name something else than `{image}`, `{out}` and `{dir}`.
    pub fn command(keyframes: Arc<KeyframeStage>, command: CommandLine) -> Result<Self> {
        command.check(&["image"])?;
        Ok(Self { keyframes, by: By::Command(command), segment: SEGMENT, at_once: 1, resource: Resource::Cpu })
    }

    /// By a model that sees, with the chat API of `OpenAI`.
    #[cfg(feature = "endpoint")]
    pub fn endpoint(keyframes: Arc<KeyframeStage>, endpoint: Endpoint) -> Self {
        let at_once = endpoint.at_once();
        let by = By::Endpoint { endpoint, prompt: PROMPT.to_owned(), max_tokens: MAX_TOKENS };
        Self { keyframes, by, segment: SEGMENT, at_once, resource: Resource::Net }
    }

    /// What a model is told to do with a picture, and the longest answer in tokens; a command is told nothing.
    #[cfg(feature = "endpoint")]
    pub fn prompt(mut self, text: impl Into<String>, most_tokens: u32) -> Self {
        if let By::Endpoint { prompt, max_tokens, .. } = &mut self.by {
            (*prompt, *max_tokens) = (text.into(), most_tokens);
        }
        self
    }

    /// In segments of this length, a minute unless set: what a killed run loses at most. It is part of the identity.
    pub const fn segment(mut self, length: Duration) -> Self {
        self.segment = length;
        self
    }

    /// What the command or the model keeps busy; the processor or the net unless set.
    pub const fn on(mut self, resource: Resource) -> Self {
        self.resource = resource;
        self
    }

    async fn describe(&self, work: &Work, segment: Segment) -> Result<Descriptions> {
        let mut found = work.input::<Keyframes>(segment.span).await?;
        let (mut described, mut at, mut again) = (Vec::new(), 0, 0);
        while at < found.value().frames.len() {
            let rest = found.value().frames.get(at..).unwrap_or_default();
            let frames: Vec<_> = rest.iter().copied().take(BATCH).collect();
            let pictures: Vec<_> = frames.iter().map(|frame| frame.picture).collect();
            let pictures = match found.bodies(&pictures).await {
                // Gone or damaged since they were looked for: they are computed again.
                Err(error) if error.kind() == ErrorKind::Corrupt && again < MOST_AGAIN => {
                    again += 1;
                    let before = std::mem::replace(&mut found, work.input(segment.span).await?);
                    if !found.is_same(&before) {
                        described.clear();
                        at = 0;
                    }
                    continue;
                }
                pictures => pictures?,
            };
            at += frames.len();
            let each = frames.into_iter().zip(pictures).map(|(frame, jpeg)| self.one(frame, jpeg));
            let texts: Result<Vec<_>> = stream::iter(each).buffered(self.at_once).try_collect().await;
            let texts = texts.map_err(|error| about(work.source(), &error))?;
            described.extend(texts.into_iter().flatten());
        }
        Ok(Descriptions { descriptions: described })
    }

    async fn one(&self, frame: Keyframe, jpeg: Bytes) -> Result<Option<Description>> {
        let text = match &self.by {
            By::Command(command) => run(command, jpeg).await?,
            #[cfg(feature = "endpoint")]
            By::Endpoint { endpoint, prompt, max_tokens } => chat::ask(endpoint, prompt, *max_tokens, &jpeg).await?,
        };
        if text.len() > MAX_TEXT {
            let message = format!("a description of {} bytes exceeds the {MAX_TEXT} allowed", text.len());
            return Err(Error::new(ErrorKind::Load, message));
        }
        let is_shown = |c: &char| !c.is_control() || *c == '\n';
        let text = text.trim().chars().filter(is_shown).collect::<String>();
        Ok((!text.is_empty()).then_some(Description { pts_us: frame.pts_us, text }))
    }
}

#[async_trait]
impl Stage for Describer {
    type Kind = Descriptions;

    fn recipe(&self) -> Recipe {
        let recipe =
            Recipe::new("describer", VERSION).input(self.keyframes.clone()).segment(self.segment).on(self.resource);
        match &self.by {
            By::Command(command) => command.described(recipe),
            #[cfg(feature = "endpoint")]
            By::Endpoint { endpoint, prompt, max_tokens } => recipe
                .param("prompt", prompt.as_str(), PROMPT)
                .param("max_tokens", *max_tokens, MAX_TOKENS)
                .model(endpoint.model(), endpoint.revision()),
        }
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Descriptions>) -> Result<()> {
        for segment in work.segments() {
            let described = self.describe(work, *segment).await?;
            if out.part(*segment, &described).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

/// What `command` prints about a picture.
async fn run(command: &CommandLine, jpeg: Bytes) -> Result<String> {
    let folder = command.folder().await?;
    let path = folder.path().join("input.jpg");
    let file = path.clone();
    blocking::run(move || {
        let full = |error| Error::new(ErrorKind::Unavailable, format!("a frame cannot be written: {error}"));
        std::fs::write(file, jpeg).map_err(full)
    })
    .await?;
    let printed = command.run(&[("image", path.as_os_str())], &folder).await?;
    String::from_utf8(printed).map_err(|_| command.failed("has printed something that is no text in UTF-8"))
}
