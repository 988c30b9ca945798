//! Tests of blobs: reads, fetches, resumption, faults, bounds.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod activity;
mod bounds;
mod caching;
mod changes;
mod digests;
mod drops;
mod fetches;
mod held;
mod http;
mod http_lies;
mod http_origin;
mod http_reach;
mod leaving;
mod model;
mod origin;
mod passing;
mod process;
mod reads;
mod refusing;
mod sealing;
mod slow;
mod support;
mod told;
mod whole;
