//! Instants, lifetimes and freshness as plain values.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One minute.
pub const MINUTE: Duration = Duration::from_mins(1);
/// One hour.
pub const HOUR: Duration = Duration::from_hours(1);
/// One day.
pub const DAY: Duration = Duration::from_hours(24);

/// An instant: milliseconds since the Unix epoch. Arithmetic saturates; [`Timestamp::NEVER`] absorbs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// Later than every instant: a deadline that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This instant moved later by `span`, rounded down to the millisecond. Past the end of time it is
    /// [`Timestamp::NEVER`].
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The span since `earlier`, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.write_str("never") } else { write!(f, "{} ms", self.0) }
    }
}

/// How long a value is fresh after its creation, and how long it may serve as a stand-in after that.
///
/// ```
/// # use cache_core::{ttl, DAY, HOUR};
/// let lifetime = ttl(2 * HOUR).stale(DAY);
/// assert_eq!(lifetime.fresh_for(), 2 * HOUR);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    fresh: Duration,
    stale: Duration,
}

/// A value is fresh for `fresh`, then expired.
pub const fn ttl(fresh: Duration) -> Lifetime {
    Lifetime { fresh, stale: Duration::ZERO }
}

impl Lifetime {
    /// Fresh for ever.
    pub const FOREVER: Self = ttl(Duration::MAX);

    /// After its freshness a value may stand in for `stale` when no fresh one can be had.
    #[must_use]
    pub const fn stale(self, stale: Duration) -> Self {
        Self { stale, ..self }
    }

    /// The span in which a value is fresh.
    pub const fn fresh_for(self) -> Duration {
        self.fresh
    }

    /// The span after that in which it may stand in.
    pub const fn stale_for(self) -> Duration {
        self.stale
    }
}

/// The state of an entry at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// Serve it.
    Fresh,
    /// Serve it only when no fresh value can be had.
    Stale,
    /// Never serve it.
    Expired,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::EPOCH.after(Duration::MAX), Timestamp::NEVER);
        assert_eq!(Timestamp::NEVER.after(DAY), Timestamp::NEVER);
        assert_eq!(Timestamp::EPOCH.since(Timestamp::NEVER), Duration::ZERO);
    }
}
