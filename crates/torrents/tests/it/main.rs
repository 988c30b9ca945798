//! Torrents over real peers on loopback, and over peers and trackers that lie.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod hostile;
mod limits;
mod peer;
mod playing;
mod reach;
mod support;
