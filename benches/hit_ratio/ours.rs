//! Reelcache's policies, joined with what a catalog accounts for.

use std::time::Duration;

use benches::random::mix;
use benches::replay::Replayed;
use benches::trace::Request;
use cache_core::{Catalog, Limits, Offer, PolicyKind, Timestamp};

/// A catalog under one of the policies, in a single shard.
pub(crate) struct Ours {
    catalog: Catalog<u32, ()>,
    /// What the policy is told that a value costs, in milliseconds.
    cost: fn(&Request) -> u64,
}

impl Ours {
    pub(crate) fn new(policy: PolicyKind, capacity: u64) -> Self {
        Self { catalog: Catalog::new(Limits::weight(capacity), policy), cost: |request| request.cost.into() }
    }

    /// The same, where costs are what `cost` says.
    pub(crate) fn with_costs(self, cost: fn(&Request) -> u64) -> Self {
        Self { cost, ..self }
    }
}

impl Replayed for Ours {
    fn request(&mut self, request: &Request) -> bool {
        let (key, hash, now) = (request.key, mix(u64::from(request.key)), Timestamp::EPOCH);
        let hit = self.catalog.get(hash, &key, now).is_some();
        if !hit {
            let (weight, cost) = (request.bytes, Duration::from_millis((self.cost)(request)));
            let expires = Timestamp::NEVER;
            drop(self.catalog.insert(Offer { key, value: (), hash, weight, cost, expires, pinned: false }, now));
        }
        hit
    }
}
