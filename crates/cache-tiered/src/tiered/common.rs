//! `Common`: what a stack and its tiers share.

use std::sync::Arc;

use cache_core::{Clock, Freshness, Hlc, Key, Meta, Role, Stamp};

use super::marking::is_reserved;
use crate::fence::Fence;
use crate::marks::Marks;

/// What a stack and its tiers share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stamps: Hlc,
    pub(super) marks: Marks,
    pub(super) fence: Fence,
}

impl Common {
    pub(super) fn new(clock: Arc<dyn Clock>, node: u8) -> Self {
        Self { stamps: Hlc::of_node(clock.clone(), node), clock, marks: Marks::default(), fence: Fence::default() }
    }

    /// How fresh an entry is that a tier holds: expired when it is out of date, is no value, or was made so far in
    /// the future that its deadlines mean nothing. Its stamp is taken note of.
    pub(super) fn freshness(&self, key: &Key, meta: &Meta) -> Freshness {
        self.stamps.observe(meta.stamp);
        let now = self.clock.now();
        if is_reserved(key) {
            return if meta.role == Role::Mark { meta.freshness(now) } else { Freshness::Expired };
        }
        let from_the_future = meta.created > now.after(Hlc::MAX_AHEAD);
        if meta.role != Role::Value || from_the_future || self.marks.covers(key, meta.stamp, &meta.tags) {
            return Freshness::Expired;
        }
        meta.freshness(now)
    }

    /// Whether somebody is reading, loading or writing `key`.
    pub(super) fn is_used(&self, key: &Key) -> bool {
        self.fence.is_used(key)
    }
}

/// The stamp that is older than none but those up to `stamp`.
pub(super) const fn just_after(stamp: Stamp) -> Stamp {
    Stamp::from_u64(stamp.as_u64().saturating_add(1))
}
