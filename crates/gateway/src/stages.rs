//! `Stages`: what makes artifacts, as the user has set it.

use std::collections::BTreeMap;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Result};
use pipeline::{
    AnyStage, ArtifactCache, ArtifactOptions, CommandLine, Describer, Embedder, Endpoint, EndpointOptions, Ffmpeg,
    KeyframeStage, Limits, Plan, Resource, Selection, Transcriber,
};

use crate::config::{ApiKey, Config, Pipeline, Words};
use crate::kinds::{ArtifactKind, Kinds};
use crate::stack::Stack;

/// What makes artifacts, as the user has set it. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Stages {
    pub(crate) keyframes: Arc<KeyframeStage>,
    pub(crate) transcript: Option<Arc<Transcriber>>,
    pub(crate) descriptions: Option<Arc<Describer>>,
    pub(crate) embeddings: Option<Embeds>,
    /// How much of what is made of pictures is wanted.
    most_frames: u64,
}

/// What embeds, by whose texts it takes.
#[derive(Debug, Clone)]
pub(crate) enum Embeds {
    Said(Arc<Embedder<Transcriber>>),
    Seen(Arc<Embedder<Describer>>),
}

impl Stages {
    /// Those that `settings` describe. Starts nothing.
    ///
    /// # Errors
    /// `Invalid` for parameters out of range, commands with names in braces that nothing stands for, and addresses that are
    /// none.
    pub(crate) fn of(settings: &Pipeline) -> Result<Self> {
        let keyframes = Arc::new(KeyframeStage::new(settings.keyframe_params(), Ffmpeg::from_env())?);
        let transcript = settings.transcriber.as_ref().map(|words| transcriber(settings, words)).transpose()?;
        let transcript = transcript.map(Arc::new);
        let descriptions = describer(settings, &keyframes)?.map(Arc::new);
        let embeddings = match (settings.embedded(), &transcript, &descriptions) {
            (ArtifactKind::Transcript, Some(texts), _) => {
                embedder(settings, texts.clone())?.map(|embedder| Embeds::Said(Arc::new(embedder)))
            }
            (ArtifactKind::Descriptions, _, Some(texts)) => {
                embedder(settings, texts.clone())?.map(|embedder| Embeds::Seen(Arc::new(embedder)))
            }
            _ => None,
        };
        Ok(Self { keyframes, transcript, descriptions, embeddings, most_frames: settings.max_frames })
    }

    /// What makes `kind`.
    ///
    /// # Errors
    /// `Invalid` when nothing is set that does.
    pub(crate) fn stage(&self, kind: ArtifactKind) -> Result<Arc<dyn AnyStage>> {
        let found: Option<Arc<dyn AnyStage>> = match kind {
            ArtifactKind::Keyframes => Some(self.keyframes.clone()),
            ArtifactKind::Transcript => self.transcript.clone().map(|stage| stage as _),
            ArtifactKind::Descriptions => self.descriptions.clone().map(|stage| stage as _),
            ArtifactKind::Embeddings => self.embeddings.clone().map(|embeds| match embeds {
                Embeds::Said(stage) => stage as _,
                Embeds::Seen(stage) => stage as _,
            }),
        };
        found.ok_or_else(|| {
            let message = format!("nothing makes {kind}: [pipeline] in docs/configuration.md says what to set");
            Error::new(ErrorKind::Invalid, message)
        })
    }

    /// How much of `kind` is wanted: so many of what is made of pictures, and all of what is made of sound.
    pub(crate) fn selection(&self, kind: ArtifactKind) -> Selection {
        match self.most(kind) {
            u64::MAX => Selection::all(),
            most => Selection::all().most(most),
        }
    }

    /// The most things of `kind` that are wanted.
    pub(crate) fn most(&self, kind: ArtifactKind) -> u64 {
        let is_seen = match kind {
            ArtifactKind::Keyframes | ArtifactKind::Descriptions => true,
            ArtifactKind::Transcript => false,
            ArtifactKind::Embeddings => matches!(self.embeddings, Some(Embeds::Seen(_))),
        };
        if is_seen { self.most_frames } else { u64::MAX }
    }

    /// What makes `kinds`: a plan for what is seen and one for what is said, as far as there is something to do.
    ///
    /// # Errors
    /// As [`stage`](Self::stage).
    pub(crate) fn plans(&self, kinds: &Kinds) -> Result<Vec<Plan>> {
        let mut plans: Vec<(Selection, Plan)> = Vec::new();
        for kind in kinds.iter() {
            let (stage, selection) = (self.stage(kind)?, self.selection(kind));
            match plans.iter_mut().find(|(known, _)| *known == selection) {
                Some((_, plan)) => *plan = plan.clone().stage(stage),
                None => plans.push((selection, Plan::new().select(selection).stage(stage))),
            }
        }
        Ok(plans.into_iter().map(|(_, plan)| plan).collect())
    }
}

/// The artifacts in `stack`, made within the limits of `config`.
///
/// # Errors
/// As [`ArtifactCache::new`].
pub(crate) fn artifacts(stack: &Stack, config: &Config) -> Result<ArtifactCache> {
    let settings = &config.pipeline;
    let mut options = ArtifactOptions { fingerprinting: settings.fingerprint, ..ArtifactOptions::default() };
    let lifetime = |kind: ArtifactKind| (kind.name().to_owned(), settings.lifetime_of(kind));
    options.lifetimes = ArtifactKind::ALL.into_iter().map(lifetime).collect::<BTreeMap<_, _>>();
    // What is known of a video outlives each of its artifacts.
    let longest = options.lifetimes.values().max_by_key(|lifetime| lifetime.fresh_for());
    options.lifetime = longest.copied().unwrap_or(options.lifetime);
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    options.limits = Limits { cpu: count(settings.cpu), gpu: count(settings.gpu), net: count(settings.net) };
    if let Some(scratch) = &settings.scratch {
        options.scratch.clone_from(scratch);
    }
    ArtifactCache::new(stack.tiers.clone(), options)
}

fn transcriber(settings: &Pipeline, words: &Words) -> Result<Transcriber> {
    let command = command(settings, words, settings.transcriber_version.as_deref());
    let stage = Transcriber::new(command).map_err(|error| about("transcriber", &error))?;
    let stage = stage.segments(settings.transcriber_segment, settings.transcriber_overlap)?;
    let stage = stage.on(settings.transcriber_on);
    Ok(match &settings.language {
        Some(language) => stage.language(language.as_str()),
        None => stage,
    })
}

fn describer(settings: &Pipeline, keyframes: &Arc<KeyframeStage>) -> Result<Option<Describer>> {
    let (words, url) = (settings.describer.as_ref(), settings.describer_url.as_ref());
    let stage = match (words, url) {
        (Some(words), _) => {
            let command = command(settings, words, settings.describer_version.as_deref());
            Describer::command(keyframes.clone(), command).map_err(|error| about("describer", &error))?
        }
        (None, Some(url)) => {
            let model = Model {
                name: settings.describer_model.as_deref(),
                revision: settings.describer_revision.as_deref(),
                key: settings.describer_key.as_ref(),
            };
            let endpoint = endpoint(settings, url.expose(), &model).map_err(|error| about("describer_url", &error))?;
            let tokens = u32::try_from(settings.describer_tokens).unwrap_or(u32::MAX);
            Describer::endpoint(keyframes.clone(), endpoint).prompt(settings.describer_prompt.as_str(), tokens)
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(on(settings.describer_on, stage, Describer::on)))
}

fn embedder<S>(settings: &Pipeline, texts: Arc<S>) -> Result<Option<Embedder<S>>>
where
    S: pipeline::Stage<Kind: pipeline::Texts>,
{
    let (words, url) = (settings.embedder.as_ref(), settings.embedder_url.as_ref());
    let stage = match (words, url) {
        (Some(words), _) => {
            let command = command(settings, words, settings.embedder_version.as_deref());
            Embedder::command(texts, command).map_err(|error| about("embedder", &error))?
        }
        (None, Some(url)) => {
            let model = Model {
                name: settings.embedder_model.as_deref(),
                revision: settings.embedder_revision.as_deref(),
                key: settings.embedder_key.as_ref(),
            };
            let endpoint = endpoint(settings, url.expose(), &model).map_err(|error| about("embedder_url", &error))?;
            Embedder::endpoint(texts, endpoint)
        }
        (None, None) => return Ok(None),
    };
    let stage = on(settings.embedder_on, stage.precision(settings.embedder_precision), Embedder::on);
    Ok(Some(match settings.embedder_dimensions {
        Some(numbers) => stage.dimensions(u32::try_from(numbers).unwrap_or(u32::MAX)),
        None => stage,
    }))
}

/// `stage` on what is set, or else on what it keeps busy by itself.
fn on<S>(set: Option<Resource>, stage: S, on: impl FnOnce(S, Resource) -> S) -> S {
    match set {
        Some(resource) => on(stage, resource),
        None => stage,
    }
}

fn command(settings: &Pipeline, words: &Words, version: Option<&str>) -> CommandLine {
    let command = CommandLine::new(&words.program, words.arguments.iter().map(String::as_str));
    let command = command.limit(settings.command_limit);
    let command = match &settings.scratch {
        Some(folder) => command.scratch(folder),
        None => command,
    };
    match version {
        Some(version) => command.version(version),
        None => command,
    }
}

/// A model of a server.
struct Model<'a> {
    name: Option<&'a str>,
    revision: Option<&'a str>,
    key: Option<&'a ApiKey>,
}

fn endpoint(settings: &Pipeline, url: &str, model: &Model<'_>) -> Result<Endpoint> {
    let per_minute = settings.requests_per_minute.on().map_or(0, |most| u32::try_from(most).unwrap_or(u32::MAX));
    let mut options = EndpointOptions::new(url, model.name.unwrap_or_default())
        .at_once(usize::try_from(settings.requests).unwrap_or(usize::MAX))
        .per_minute(per_minute)
        .tries(u32::try_from(settings.request_tries).unwrap_or(u32::MAX))
        .attempt(settings.request_limit);
    if let Some(revision) = model.revision {
        options = options.revision(revision);
    }
    if let Some(key) = model.key {
        options = options.key(key.expose());
    }
    Endpoint::new(options)
}

fn about(setting: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("pipeline.{setting} is wrong: {}", error.message()))
}

#[cfg(test)]
mod tests;
