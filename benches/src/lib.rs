//! What the benchmarks of Reelcache share: chance that repeats itself, medians, and reports.

pub mod chart;
pub mod options;
pub mod random;
pub mod report;
pub mod stats;
