//! `Embedder`: embeddings of texts, by any command or endpoint.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, Result};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::answer::Answer;
#[cfg(feature = "endpoint")]
use super::ask;
use super::{Embeddings, Passage, Precision, Texts};
#[cfg(feature = "endpoint")]
use crate::Endpoint;
use crate::ffmpeg::about;
use crate::{CommandLine, Next, Output, Recipe, Resource, Segment, Stage, Work, blocking};

/// Embeddings of the passages that another stage gives: of what is said, or of what is seen.
#[derive(Debug, Clone)]
#[must_use]
pub struct Embedder<S> {
    texts: Arc<S>,
    by: By,
    dimensions: Option<u32>,
    precision: Precision,
    batch: usize,
    at_once: usize,
    segment: Duration,
    resource: Resource,
}

#[derive(Debug, Clone)]
enum By {
    Command(CommandLine),
    #[cfg(feature = "endpoint")]
    Endpoint(Endpoint),
}

/// Raised whenever the same texts would give something else.
const VERSION: u32 = 1;
const SEGMENT: Duration = Duration::from_mins(5);
/// How many texts are asked about at once.
const BATCH: usize = 64;

impl<S: Stage<Kind: Texts>> Embedder<S> {
    /// By `command`: `{texts}` in its arguments stands for a JSON file with a list of texts, and it answers with JSON, a
    /// list of as many vectors, in the same order; or with what an endpoint answers.
    ///
    /// # Errors
    /// `Invalid` when its arguments name something else than `{texts}`, `{out}` and `{dir}`.
    pub fn command(texts: Arc<S>, command: CommandLine) -> Result<Self> {
        command.check(&["texts"])?;
        Ok(Self::by(texts, By::Command(command), 1, Resource::Cpu))
    }

    /// By a model with the embeddings API of `OpenAI`.
    #[cfg(feature = "endpoint")]
    pub fn endpoint(texts: Arc<S>, endpoint: Endpoint) -> Self {
        let at_once = endpoint.at_once();
        Self::by(texts, By::Endpoint(endpoint), at_once, Resource::Net)
    }

    fn by(texts: Arc<S>, by: By, at_once: usize, resource: Resource) -> Self {
        let precision = Precision::default();
        // Whoever wants few embeddings is not to wait for the texts of more.
        let segment = texts.recipe().segment.map_or(SEGMENT, |length| length.min(SEGMENT));
        Self { texts, by, dimensions: None, precision, batch: BATCH, at_once, segment, resource }
    }

    /// How many numbers a vector has to have: other ones are errors. An endpoint is asked for that many.
    pub const fn dimensions(mut self, numbers: u32) -> Self {
        self.dimensions = Some(numbers);
        self
    }

    /// How exactly numbers are kept; in single precision unless set.
    pub const fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// The most texts asked about at once, at least 1; 64 unless set.
    pub fn batch(mut self, most: usize) -> Self {
        self.batch = most.max(1);
        self
    }

    /// In segments of this length: what a killed run loses at most. It is part of the identity. Unless set, those of the
    /// texts, five minutes at most.
    pub const fn segment(mut self, length: Duration) -> Self {
        self.segment = length;
        self
    }

    /// What the command or the model keeps busy; the processor or the net unless set.
    pub const fn on(mut self, resource: Resource) -> Self {
        self.resource = resource;
        self
    }

    /// The passages that begin in `segment`.
    async fn passages(work: &Work, segment: Segment) -> Result<Vec<Passage>> {
        let found = work.input::<S::Kind>(segment.span.widened(S::Kind::AROUND)).await?;
        let mut passages = found.value().passages();
        passages.retain(|passage| work.axis().index_of(passage.start_us) == segment.index);
        Ok(passages)
    }

    /// Those of `passages`, as long as those that are there already.
    async fn vectors(&self, work: &Work, passages: &[Passage]) -> Result<Vec<Vec<f32>>> {
        let texts = |passages: &[Passage]| passages.iter().map(|passage| passage.text.clone()).collect();
        let batches: Vec<Vec<String>> = passages.chunks(self.batch).map(texts).collect();
        let batches = batches.into_iter().map(|texts| self.ask(texts));
        let batches: Vec<Vec<Vec<f32>>> = stream::iter(batches).buffered(self.at_once).try_collect().await?;
        let vectors: Vec<Vec<f32>> = batches.into_iter().flatten().collect();
        let wanted = match self.dimensions {
            None => work.beside::<Embeddings>().await?.map(|beside| beside.dimensions).filter(|there| *there > 0),
            told => told,
        };
        let wanted = wanted.map_or_else(|| vectors.first().map_or(0, Vec::len), |wanted| wanted as usize);
        match vectors.iter().find(|vector| vector.len() != wanted) {
            Some(other) => {
                let message = format!("embeddings have {} numbers in place of {wanted}", other.len());
                Err(Error::new(ErrorKind::Load, message))
            }
            None => Ok(vectors),
        }
    }

    async fn ask(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        match &self.by {
            By::Command(command) => run(command, texts).await,
            #[cfg(feature = "endpoint")]
            By::Endpoint(endpoint) => ask::ask(endpoint, &texts, self.dimensions).await,
        }
    }
}

#[async_trait]
impl<S: Stage<Kind: Texts>> Stage for Embedder<S> {
    type Kind = Embeddings;

    fn recipe(&self) -> Recipe {
        let recipe = Recipe::new("embedder", VERSION)
            .input(self.texts.clone())
            .around(S::Kind::AROUND)
            .param("dimensions", self.dimensions, None::<u32>)
            .param("precision", self.precision.name(), Precision::default().name())
            .segment(self.segment)
            .on(self.resource);
        match &self.by {
            By::Command(command) => command.described(recipe),
            #[cfg(feature = "endpoint")]
            By::Endpoint(endpoint) => recipe.model(endpoint.model(), endpoint.revision()),
        }
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Embeddings>) -> Result<()> {
        for segment in work.segments() {
            let passages = Self::passages(work, *segment).await?;
            let vectors = self.vectors(work, &passages).await.map_err(|error| about(work.source(), &error))?;
            let value = Embeddings::keep(&passages, &vectors, self.precision, out).await?;
            if out.part(*segment, &value).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

/// The vectors that `command` gives for `texts`.
async fn run(command: &CommandLine, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
    let folder = command.folder().await?;
    let (path, count) = (folder.path().join("texts.json"), texts.len());
    let file = path.clone();
    blocking::run(move || {
        let full = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Unavailable, format!("texts cannot be written for the command: {error}"))
        };
        let json = serde_json::to_vec(&texts).map_err(|error| full(&error))?;
        std::fs::write(file, json).map_err(|error| full(&error))
    })
    .await?;
    let printed = command.run(&[("texts", path.as_os_str())], &folder).await?;
    let parse = move || {
        let bad =
            |why: &dyn std::fmt::Display| Error::new(ErrorKind::Load, format!("its answer is no embeddings: {why}"));
        let answer: Answer = serde_json::from_slice(&printed).map_err(|error| bad(&error))?;
        answer.vectors(count).map_err(|why| bad(&why))
    };
    blocking::run(parse).await.map_err(|error| command.about(&error))
}
