//! `Forecast`: what is known of an entry before it is there.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Entry, Stamp};

/// What is known of an entry before it is there, or exactly after it was loaded: tiers choose by it what they take.
///
/// ```
/// # use cache_tiered::Forecast;
/// # use std::time::Duration;
/// let video = Forecast::new().weight(20 << 20).cost(Duration::from_secs(90)).content_type("video/mp4");
/// assert_eq!(video.weight, Some(20 << 20));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Forecast {
    /// Length of the body in bytes.
    pub weight: Option<u64>,
    /// Wall time that the load takes.
    pub cost: Option<Duration>,
    /// Media type of the body.
    pub content_type: Option<Arc<str>>,
    /// What a hit will probably save: it buys patience, and decides nothing else.
    pub(crate) expected: Duration,
    /// A fresh entry ends a lookup only when its stamp is newer than this: what is known already is of no use.
    pub(crate) beyond: Option<Stamp>,
}

impl Forecast {
    /// Nothing is known: every tier may take it.
    pub const fn new() -> Self {
        Self { weight: None, cost: None, content_type: None, expected: Duration::ZERO, beyond: None }
    }

    /// Sets the length of the body, in bytes.
    pub const fn weight(mut self, bytes: u64) -> Self {
        self.weight = Some(bytes);
        self
    }

    /// Sets the wall time that the load takes.
    pub const fn cost(mut self, cost: Duration) -> Self {
        self.cost = Some(cost);
        self
    }

    /// Sets the media type of the body.
    pub fn content_type(mut self, content_type: impl Into<Arc<str>>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Notes what the load will probably take, where nothing better is known.
    pub(crate) fn expecting(mut self, cost: Duration) -> Self {
        self.expected = self.cost.unwrap_or(cost);
        self
    }

    /// Lets a lookup go on past fresh entries that are not newer than `stamp`, if there is one.
    pub(crate) const fn beyond(mut self, stamp: Option<Stamp>) -> Self {
        self.beyond = stamp;
        self
    }

    /// With what an entry that is there tells where nothing was said before.
    pub(crate) fn completed(&self, entry: &Entry) -> Self {
        let Self { weight, cost, content_type, expected, beyond } = Self::of(entry);
        let content_type = self.content_type.clone().or(content_type);
        Self { weight: self.weight.or(weight), cost: self.cost.or(cost), content_type, expected, beyond }
    }

    /// What is known of an entry that is there. A cost of zero is that of a value nobody has loaded: unknown.
    pub(crate) fn of(entry: &Entry) -> Self {
        let cost = Some(entry.meta.cost).filter(|cost| !cost.is_zero());
        Self {
            weight: Some(entry.len()),
            cost,
            content_type: entry.meta.content_type.clone(),
            expected: entry.meta.cost,
            beyond: None,
        }
    }
}
