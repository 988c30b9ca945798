//! `Meta`: what is known of an entry besides its bytes.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Freshness, Lifetime, Stamp, Timestamp};

/// What is known of an entry besides its bytes.
///
/// Deadlines are absolute and travel with the entry: copying it to another tier never extends its life. Cloning
/// costs a few atomic increments. Made with [`Meta::new`]; fields are then set directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Meta {
    /// Order of writes of this key: taken when the load *started*. An older stamp never replaces a newer one.
    #[serde(rename = "s")]
    pub stamp: Stamp,
    /// When the value was complete.
    #[serde(rename = "c")]
    pub created: Timestamp,
    /// Served as fresh before this instant.
    #[serde(rename = "f", default = "never", skip_serializing_if = "is_never")]
    pub fresh_until: Timestamp,
    /// Served as a stand-in before this instant.
    #[serde(rename = "t", default = "never", skip_serializing_if = "is_never")]
    pub stale_until: Timestamp,
    /// Hard end, set by the world (a signed link): never served from this instant on, by anyone.
    #[serde(rename = "v", default = "never", skip_serializing_if = "is_never")]
    pub valid_until: Timestamp,
    /// Wall time that the load took: what a hit saves. Kept in microseconds.
    #[serde(rename = "k", default, with = "micros", skip_serializing_if = "Duration::is_zero")]
    pub cost: Duration,
    /// Groups for invalidation.
    #[serde(rename = "g", default, skip_serializing_if = "<[_]>::is_empty")]
    pub tags: Arc<[Arc<str>]>,
    /// Media type of the body.
    #[serde(rename = "y", default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Arc<str>>,
    /// Strong validator of the body.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Arc<str>>,
    /// How the body encodes its value, e.g. `"msgpack"`; `None` for plain bytes.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Arc<str>>,
    /// Version of the value's type; a reader of another version takes the entry as a miss.
    #[serde(rename = "m", default, skip_serializing_if = "is_zero")]
    pub schema: u64,
    /// What the entry is for.
    #[serde(rename = "r", default, skip_serializing_if = "Role::is_value")]
    pub role: Role,
}

/// What an entry is for. All but values are the business of whoever composes backends; a backend keeps them as it
/// keeps values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Role {
    /// It holds a value.
    #[default]
    #[serde(rename = "v")]
    Value,
    /// It says that the key was removed, so that no older entry takes the place.
    #[serde(rename = "t")]
    Tombstone,
    /// It holds a [`Mark`](crate::Mark). Policies never choose it as a victim while anything else is there.
    #[serde(rename = "m")]
    Mark,
}

impl Role {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_value(&self) -> bool {
        *self == Self::Value
    }
}

impl Meta {
    /// Meta of a value that never expires.
    pub fn new(stamp: Stamp, created: Timestamp) -> Self {
        Self {
            stamp,
            created,
            fresh_until: Timestamp::NEVER,
            stale_until: Timestamp::NEVER,
            valid_until: Timestamp::NEVER,
            cost: Duration::ZERO,
            tags: Arc::default(),
            content_type: None,
            etag: None,
            codec: None,
            schema: 0,
            role: Role::Value,
        }
    }

    /// Sets the deadlines of freshness from [`created`](Self::created) on.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.fresh_until = self.created.after(lifetime.fresh_for());
        self.stale_until = self.fresh_until.after(lifetime.stale_for());
        self
    }

    /// The instant from which on this entry is never served: every tier may drop it then.
    pub fn expires(&self) -> Timestamp {
        self.stale_until.min(self.valid_until)
    }

    /// The state at `now`. A deadline belongs to the time after it: at exactly `fresh_until` a value is stale.
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        if now >= self.expires() {
            Freshness::Expired
        } else if now >= self.fresh_until {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// Whether the entry must not be served at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.freshness(now) == Freshness::Expired
    }
}

fn never() -> Timestamp {
    Timestamp::NEVER
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_never(instant: &Timestamp) -> bool {
    *instant == Timestamp::NEVER
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A span as a whole number of microseconds.
mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttl;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn deadlines_belong_to_the_time_after_them() {
        let lifetime = ttl(Duration::from_millis(10)).stale(Duration::from_millis(5));
        let meta = Meta::new(Stamp::ZERO, at(100)).with_lifetime(lifetime);
        assert_eq!(meta.freshness(at(109)), Freshness::Fresh);
        assert_eq!(meta.freshness(at(110)), Freshness::Stale);
        assert_eq!(meta.freshness(at(114)), Freshness::Stale);
        assert_eq!(meta.freshness(at(115)), Freshness::Expired);
    }

    #[test]
    fn validity_ends_everything() {
        let mut meta = Meta::new(Stamp::ZERO, at(100)).with_lifetime(Lifetime::FOREVER);
        meta.valid_until = at(105);
        assert_eq!(meta.freshness(at(104)), Freshness::Fresh);
        assert_eq!(meta.freshness(at(105)), Freshness::Expired);
    }

    #[test]
    fn the_longest_lifetime_never_ends() {
        let meta = Meta::new(Stamp::ZERO, at(u64::MAX - 1)).with_lifetime(Lifetime::FOREVER);
        assert_eq!(meta.expires(), Timestamp::NEVER);
    }
}
