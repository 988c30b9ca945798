//! What the benchmarks of Reelcache share: traces and their optimum, chance that repeats itself, and reports.

pub mod chart;
pub mod optimum;
pub mod options;
pub mod random;
pub mod replay;
pub mod report;
pub mod stats;
pub mod synthetic;
pub mod trace;
