//! `CacheOptions`: how the answers of one provider are kept.

use std::time::Duration;

use cache_core::{HOUR, Lifetime, MINUTE, ttl};

/// How the answers of one provider are kept. Nothing is kept beyond its [`Validity`](crate::Validity), whatever these
/// say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CacheOptions {
    /// How long a whole answer is fresh, and may stand in when no fresh one can be had. Fresh for an hour.
    pub lifetime: Lifetime,
    /// The same of an answer that nothing was found. Fresh for a minute.
    pub empty: Lifetime,
    /// The same of a partial answer. Fresh for a minute.
    pub partial: Lifetime,
    /// How many answers are held decoded in this process. 1,000.
    pub near: u64,
    /// How many requests are under way at once, at least one. 16.
    pub at_once: usize,
    /// How long one request may take. Two minutes.
    pub deadline: Duration,
    /// How long after it was loaded a link that is reported to be bad is not loaded again: it could not be had better.
    /// Ten seconds.
    pub report_gap: Duration,
    /// How long after one check of a request's links the next is due, where links are checked. A minute.
    pub check_gap: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            lifetime: ttl(HOUR),
            empty: ttl(MINUTE),
            partial: ttl(MINUTE),
            near: 1000,
            at_once: 16,
            deadline: 2 * MINUTE,
            report_gap: Duration::from_secs(10),
            check_gap: MINUTE,
        }
    }
}

impl CacheOptions {
    /// Sets how long a whole answer is fresh, and may stand in.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the same of an answer that nothing was found; zero keeps none.
    #[must_use]
    pub fn empty(mut self, lifetime: Lifetime) -> Self {
        self.empty = lifetime;
        self
    }

    /// Sets the same of a partial answer.
    #[must_use]
    pub fn partial(mut self, lifetime: Lifetime) -> Self {
        self.partial = lifetime;
        self
    }

    /// Sets how many answers are held decoded.
    #[must_use]
    pub fn near(mut self, answers: u64) -> Self {
        self.near = answers;
        self
    }

    /// Sets how many requests are under way at once.
    #[must_use]
    pub fn at_once(mut self, requests: usize) -> Self {
        self.at_once = requests;
        self
    }

    /// Sets how long one request may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets how long a link is not loaded again for being reported.
    #[must_use]
    pub fn report_gap(mut self, gap: Duration) -> Self {
        self.report_gap = gap;
        self
    }

    /// Sets how often the links of one request are checked at most.
    #[must_use]
    pub fn check_gap(mut self, gap: Duration) -> Self {
        self.check_gap = gap;
        self
    }
}
