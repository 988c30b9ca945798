//! The pipeline with the real ffmpeg, and with programs that misbehave.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod bad_input;
mod changing;
mod concurrency;
mod crowd;
mod damaged;
mod dropped;
mod endpoints;
mod explain;
mod fake;
mod forgetful;
mod gone;
mod graph;
mod invalidate;
mod kill;
mod kit;
mod library;
mod made;
mod memo;
mod misbehave;
#[cfg(feature = "models")]
mod models;
mod names;
mod ranges;
mod real;
mod remote;
mod segments;
mod support;
mod tiers;
mod times;
mod together;
mod tools;
mod transcripts;
mod unfit;
mod upstream;
mod verify;
mod warm;
