//! Reelcache's policies, joined with what a catalog accounts for.

use std::time::Duration;

use benches::random::mix;
use benches::replay::Replayed;
use benches::trace::Request;
use cache_core::{Catalog, Limits, Offer, PolicyKind, Timestamp};

/// A catalog under one of the policies, in a single shard.
pub(crate) struct Ours(Catalog<u32, ()>);

impl Ours {
    pub(crate) fn new(policy: PolicyKind, capacity: u64) -> Self {
        Self(Catalog::new(Limits::weight(capacity), policy))
    }
}

impl Replayed for Ours {
    fn request(&mut self, request: &Request) -> bool {
        let (key, hash, now) = (request.key, mix(u64::from(request.key)), Timestamp::EPOCH);
        let hit = self.0.get(hash, &key, now).is_some();
        if !hit {
            let (weight, cost) = (request.bytes, Duration::from_millis(u64::from(request.cost)));
            let expires = Timestamp::NEVER;
            drop(self.0.insert(Offer { key, value: (), hash, weight, cost, expires, pinned: false }, now));
        }
        hit
    }
}
