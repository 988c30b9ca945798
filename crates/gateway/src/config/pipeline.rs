//! `Pipeline`: what its settings say together.

use std::time::Duration;

use cache_core::{Lifetime, ttl};
use pipeline::{KeyframeParams, Pick};

use super::limit::OrOff;
use super::settings::Pipeline;
use crate::kinds::{ArtifactKind, Kinds};

/// The most videos at once: each may have several programs at work.
const MOST_JOBS: u64 = 64;
/// The most keyframes of a video.
const MOST_FRAMES: u64 = 100_000;

impl Pipeline {
    /// The kinds that are made unless a command says otherwise: those that are set, or all that something is set for.
    pub(crate) fn kinds(&self) -> Kinds {
        let of_all = || ArtifactKind::ALL.into_iter().filter(|&kind| self.missing_for(kind).is_none());
        let fallback = || Kinds::of(of_all());
        // Keyframes need nothing to be set.
        self.kinds.clone().or_else(fallback).unwrap_or_else(Kinds::keyframes)
    }

    /// What has to be set before `kind` can be made, if anything.
    pub(crate) fn missing_for(&self, kind: ArtifactKind) -> Option<&'static str> {
        let describes = self.describer.is_some() || self.describer_url.is_some();
        let embeds = self.embedder.is_some() || self.embedder_url.is_some();
        match kind {
            ArtifactKind::Transcript if self.transcriber.is_none() => Some("pipeline.transcriber"),
            ArtifactKind::Descriptions if !describes => Some("pipeline.describer or pipeline.describer_url"),
            ArtifactKind::Embeddings if !embeds => Some("pipeline.embedder or pipeline.embedder_url"),
            ArtifactKind::Embeddings => self.missing_for(self.embedded()),
            _ => None,
        }
    }

    /// The kind whose texts are embedded.
    pub(crate) fn embedded(&self) -> ArtifactKind {
        let first = if self.transcriber.is_some() { ArtifactKind::Transcript } else { ArtifactKind::Descriptions };
        self.embed.unwrap_or(first)
    }

    /// What is asked of keyframes.
    pub(crate) fn keyframe_params(&self) -> KeyframeParams {
        // Without an interval, any frame would be every frame: an error of the parameters.
        let interval = self.interval.map(|interval| interval.as_secs_f64());
        let max_width = self.max_width.map(|width| u32::try_from(width).unwrap_or(u32::MAX));
        let pick: Pick = self.pick;
        KeyframeParams { pick, interval, quality: u8::try_from(self.quality).unwrap_or(u8::MAX), max_width }
    }

    /// How long artifacts of `kind` are kept.
    pub(crate) fn lifetime_of(&self, kind: ArtifactKind) -> Lifetime {
        let own = match kind {
            ArtifactKind::Keyframes => self.keyframes_lifetime,
            ArtifactKind::Transcript => self.transcript_lifetime,
            ArtifactKind::Descriptions => self.descriptions_lifetime,
            ArtifactKind::Embeddings => self.embeddings_lifetime,
        };
        lifetime(own.unwrap_or(self.lifetime))
    }

    /// What is wrong with settings that are right each by itself.
    pub(super) fn contradiction(&self) -> Option<String> {
        let bounds = [
            ("jobs", self.jobs, MOST_JOBS),
            ("cpu", self.cpu, 1_000),
            ("gpu", self.gpu, 1_000),
            ("net", self.net, 1_000),
            ("max_frames", self.max_frames, MOST_FRAMES),
            ("requests", self.requests, 1_000),
            ("request_tries", self.request_tries, 100),
            ("describer_tokens", self.describer_tokens, 1_000_000),
            ("embedder_dimensions", self.embedder_dimensions.unwrap_or(1), 1 << 20),
            ("requests_per_minute", self.requests_per_minute.or(1), 1_000_000),
        ];
        let out_of_range = bounds.into_iter().find(|&(_, value, most)| !(1..=most).contains(&value));
        if let Some((name, value, most)) = out_of_range {
            return Some(format!("pipeline.{name} is {value}: it is at least 1 and at most {most}"));
        }
        if let Err(error) = self.keyframe_params().validate() {
            return Some(format!("the keyframes of [pipeline] cannot be made: {}", error.message()));
        }
        self.engine_contradiction().or_else(|| self.kind_contradiction())
    }

    fn engine_contradiction(&self) -> Option<String> {
        let both = |name: &str| Some(format!("pipeline.{name} and pipeline.{name}_url are both set: keep one of them"));
        let nameless = |name: &str| Some(format!("pipeline.{name}_url asks for a model: set pipeline.{name}_model"));
        match self {
            _ if self.describer.is_some() && self.describer_url.is_some() => both("describer"),
            _ if self.embedder.is_some() && self.embedder_url.is_some() => both("embedder"),
            _ if self.describer_url.is_some() && self.describer_model.is_none() => nameless("describer"),
            _ if self.embedder_url.is_some() && self.embedder_model.is_none() => nameless("embedder"),
            _ if self.transcriber_segment < Duration::from_secs(1) => {
                Some("pipeline.transcriber_segment is too small: it is at least 1s".to_owned())
            }
            _ if self.transcriber_overlap > self.transcriber_segment / 2 => {
                Some("pipeline.transcriber_overlap is at most half of pipeline.transcriber_segment".to_owned())
            }
            _ if self.command_limit.is_zero() || self.request_limit.is_zero() || self.job_limit.is_zero() => {
                Some("pipeline.command_limit, request_limit and job_limit are more than 0".to_owned())
            }
            _ => None,
        }
    }

    fn kind_contradiction(&self) -> Option<String> {
        if matches!(self.embed, Some(ArtifactKind::Keyframes | ArtifactKind::Embeddings)) {
            return Some("pipeline.embed is transcript or descriptions".to_owned());
        }
        let mut wanted = self.kinds.iter().flat_map(Kinds::iter);
        let (kind, missing) = wanted.find_map(|kind| Some((kind, self.missing_for(kind)?)))?;
        Some(format!("pipeline.kinds names {kind}, which nothing makes: set {missing}"))
    }
}

fn lifetime(span: OrOff<Duration>) -> Lifetime {
    span.on().map_or(Lifetime::FOREVER, ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Value;
    use crate::config::Words;

    fn words(text: &str) -> Words {
        Words::of_text(text).unwrap()
    }

    #[test]
    fn what_is_set_is_made_and_what_is_embedded_follows() {
        let nothing = Pipeline::default();
        assert_eq!(nothing.kinds(), Kinds::keyframes());
        let heard = Pipeline {
            transcriber: Some(words("hear {audio}")),
            embedder: Some(words("embed {texts}")),
            ..nothing.clone()
        };
        assert_eq!(heard.kinds(), "keyframes,transcript,embeddings".parse().unwrap());
        assert_eq!(heard.embedded(), ArtifactKind::Transcript);
        let seen = Pipeline {
            describer: Some(words("see {image}")),
            embedder: Some(words("embed {texts}")),
            ..nothing.clone()
        };
        assert_eq!((seen.embedded(), seen.kinds().has(ArtifactKind::Transcript)), (ArtifactKind::Descriptions, false));
        // Without texts there is nothing to embed.
        let alone = Pipeline { embedder: Some(words("embed {texts}")), ..nothing };
        assert_eq!(alone.kinds(), Kinds::keyframes());
    }

    #[test]
    fn contradictions_say_what_to_set() {
        let default = Pipeline::default;
        let url = || Some(Value::of_text("http://localhost/v1").unwrap());
        let cases = [
            (Pipeline { kinds: Some("transcript".parse().unwrap()), ..default() }, "set pipeline.transcriber"),
            (Pipeline { describer: Some(words("a")), describer_url: url(), ..default() }, "both set"),
            (Pipeline { embedder_url: url(), ..default() }, "pipeline.embedder_model"),
            (Pipeline { jobs: 0, ..default() }, "pipeline.jobs"),
            (Pipeline { jobs: 65, ..default() }, "at most 64"),
            (Pipeline { quality: 1, ..default() }, "quality"),
            (Pipeline { quality: 300, ..default() }, "quality"),
            (Pipeline { pick: Pick::Any, ..default() }, "interval"),
            (Pipeline { max_frames: 0, ..default() }, "pipeline.max_frames"),
            (Pipeline { transcriber_segment: Duration::from_secs(4), ..default() }, "half"),
            (Pipeline { embed: Some(ArtifactKind::Keyframes), ..default() }, "pipeline.embed"),
        ];
        for (settings, told) in cases {
            let why = settings.contradiction().unwrap_or_default();
            assert!(why.contains(told), "{told}: {why:?}");
        }
        assert_eq!(default().contradiction(), None);
    }
}
