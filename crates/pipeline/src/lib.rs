//! Artifacts of videos, computed once: content fingerprints and keyframes over the Reelcache cache.
//!
//! [`ArtifactCache`] finds or computes the keyframes of a video. What they are filed under is the content of the
//! video, not its name, with the parameters that matter; so a touched or renamed video is a hit, and a changed one, or
//! other parameters, a miss. Frames are entries of their own, read back in batches and verified.
//!
//! ```no_run
//! use cache_mem::MemBackend;
//! use cache_tiered::Tiered;
//! use pipeline::{ArtifactCache, ArtifactOptions, KeyframeParams};
//!
//! # async fn example() -> cache_core::Result<()> {
//! let tiers = Tiered::builder().tier(MemBackend::new(256 << 20)).build()?;
//! let artifacts = ArtifactCache::new(tiers, ArtifactOptions::default())?;
//! let mut run = artifacts.open("clip.mp4".as_ref(), &KeyframeParams::default()).await?;
//! while let Some(frames) = run.next_frames().await? {
//!     for frame in frames {
//!         println!("{} us: {} bytes", frame.info.pts_us, frame.jpeg.len());
//!     }
//! }
//! let report = run.into_report();
//! println!("keyframes came from: {}", report.stages[2].origin);
//! # Ok(())
//! # }
//! ```
//!
//! It needs `ffmpeg` and `ffprobe` 5.1 or later, see [`Ffmpeg`]; only what is not cached needs them.

mod artifact;
mod artifacts;
mod audio;
mod axis;
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
pub use selection::{Coverage, Selection};
pub use source::{Remote, Source};
pub use stage::{AnyStage, KindFacts, Pass, Program, Recipe, Resource, Stage};
pub use tool::{ToolMissing, is_tool_missing};
pub use transcript::{Transcriber, Transcript, Utterance, Word};
pub use work::Work;
