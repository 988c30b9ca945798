//! Artifacts of videos, computed once: keyframes, transcripts, descriptions, embeddings, and kinds of your own.
//!
//! A [`Kind`] is what an artifact is, a [`Stage`] what computes it, an [`ArtifactCache`] what finds or has computed what
//! is wanted. An artifact is filed under the [`Fingerprint`] of its source and the [`Identity`] that follows from its
//! stage's [`Recipe`]: a touched or renamed video is a hit, and a changed one, or another parameter, model or program, a
//! miss, which [`explain`](ArtifactCache::explain) tells the reason of. Long sources are cut into [`Segment`]s: what is
//! there is never computed again, and a killed process loses one segment of each stage at most.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use cache_mem::MemBackend;
//! use cache_tiered::Tiered;
//! use pipeline::{ArtifactCache, ArtifactOptions, Ffmpeg, KeyframeParams, KeyframeStage, Selection};
//!
//! # async fn example() -> cache_core::Result<()> {
//! let tiers = Tiered::builder().tier(MemBackend::new(256 << 20)).build()?;
//! let artifacts = ArtifactCache::new(tiers, ArtifactOptions::default())?;
//! let stage = Arc::new(KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env())?);
//! let mut frames = artifacts.frames(&std::path::Path::new("clip.mp4").into(), &stage, &Selection::all().most(1000)).await?;
//! while let Some(batch) = frames.next().await? {
//!     for frame in batch {
//!         println!("{} us: {} bytes", frame.info.pts_us, frame.jpeg.len());
//!     }
//! }
//! artifacts.close().await
//! # }
//! ```
//!
//! Keyframes need `ffmpeg` and `ffprobe` 5.1 or later, see [`Ffmpeg`]; only what is not cached needs them.

mod artifact;
mod artifacts;
mod audio;
mod axis;
mod blame;
mod blocking;
mod command;
mod compute;
mod descriptions;
mod digest;
mod embeddings;
#[cfg(feature = "endpoint")]
mod endpoint;
mod ffmpeg;
mod fingerprint;
mod identity;
mod keyframes;
mod kind;
mod known;
mod origin;
mod output;
mod params;
mod part;
mod probe;
mod resolved;
mod run;
mod scratch;
mod seen;
mod selection;
mod shared;
mod source;
mod stage;
mod tool;
mod transcript;
mod video;
mod work;

pub use artifact::Artifact;
pub use artifacts::{
    ArtifactCache, ArtifactOptions, Artifacts, Explanation, Invalidated, Limits, Missing, Verdict, Verified, is_bulk,
};
pub use axis::{Axis, Segment, Span};
pub use command::CommandLine;
pub use descriptions::{Describer, Description, Descriptions};
pub use digest::Digest;
pub use embeddings::{Embedded, Embedder, Embeddings, Passage, Precision, Texts};
#[cfg(feature = "endpoint")]
pub use endpoint::{Endpoint, EndpointOptions};
pub use ffmpeg::Ffmpeg;
pub use fingerprint::{Fingerprint, Fingerprinted, Fingerprinter, Fingerprinting};
pub use identity::{Chain, Difference, Identity, InputIdentity};
pub use keyframes::{Frame, Frames, FramesRead, Keyframe, KeyframeParams, KeyframeStage, Keyframes, Pick};
pub use kind::Kind;
pub use output::{Next, Output};
pub use params::{Param, Params};
pub use part::{BodyInfo, BodyRef};
pub use probe::{AudioStream, Probe, StreamInfo, VideoStream};
pub use run::{Found, Plan, RunProgress, RunReport, RunWatch, StageProgress, StageReport};
pub use scratch::Scratch;
pub use selection::{Coverage, Selection};
#[cfg(feature = "endpoint")]
pub use source::HttpServers;
pub use source::{Remote, Servers, Source};
pub use stage::{AnyStage, KindFacts, Pass, Program, Recipe, Resource, Stage};
pub use tool::{ToolMissing, is_tool_missing};
pub use transcript::{Transcriber, Transcript, Utterance, Word};
pub use work::Work;
