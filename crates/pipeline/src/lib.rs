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

mod artifacts;
mod blocking;
mod digest;
mod ffmpeg;
mod fingerprint;
mod keyframes;
mod origin;
mod probe;
mod report;
mod run;
mod scratch;
mod source;
mod tool;
mod transcript;

pub use artifacts::{ArtifactCache, ArtifactOptions};
pub use digest::Digest;
pub use ffmpeg::Ffmpeg;
pub use fingerprint::{Fingerprint, Fingerprinted, Fingerprinter};
pub use keyframes::{Frame, Keyframe, KeyframeParams, Keyframes};
pub use probe::{Probe, StreamInfo, VideoStream};
pub use report::{Report, StageReport};
pub use run::Run;
pub use tool::{ToolMissing, is_tool_missing};
pub use transcript::{Transcript, Utterance, Word};
