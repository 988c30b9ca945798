//! Rules of the layers: the whole contract through each, and what each adds.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod breaker;
mod cancelled;
mod compressed;
mod concurrency;
mod conformance;
mod fleet;
mod kit;
mod metered;
mod prefixed;
mod read_only;
mod signed;
mod timeout;
