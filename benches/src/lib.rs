//! What the benchmarks of Reelcache share: traces and their optimum, chance that repeats itself, and reports.
#![expect(clippy::cast_sign_loss, reason = "no share, time or length here is negative")]

pub mod chart;
pub mod optimum;
pub mod options;
pub mod random;
pub mod replay;
pub mod report;
pub mod stats;
pub mod synthetic;
pub mod trace;
