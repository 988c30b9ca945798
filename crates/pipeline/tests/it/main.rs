//! The pipeline with the real ffmpeg, and with programs that misbehave.

#![expect(clippy::expect_used, reason = "a helper of a test may fail the test")]

mod bad_input;
mod concurrency;
mod explain;
mod fake;
mod gone;
mod graph;
mod kill;
mod library;
mod memo;
mod names;
mod segments;
mod support;
mod tiers;
mod times;
mod tools;
mod verify;
mod warm;
