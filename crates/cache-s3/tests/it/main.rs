//! The tests of the object store tier.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod conformance;
mod s3s;
