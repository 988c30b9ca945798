//! `Common`: what a stack and its tiers share.

use std::sync::Arc;

use cache_core::{Clock, Freshness, Hlc, Key, Meta, Role, Stamp};

use super::marking::is_reserved;
use super::news::News;
use crate::fence::Fence;
use crate::marks::Marks;

/// What a stack and its tiers share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stamps: Hlc,
    pub(super) marks: Marks,
    pub(super) news: News,
    pub(super) fence: Fence,
}

impl Common {
    pub(super) fn new(clock: Arc<dyn Clock>, node: u8) -> Self {
        let stamps = Hlc::of_node(clock.clone(), node);
        Self { stamps, clock, marks: Marks::default(), news: News::default(), fence: Fence::default() }
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
        let is_outdated = || self.marks.covers(key, meta.stamp, &meta.tags) || self.news.is_doomed(key, meta.stamp);
        if meta.role != Role::Value || from_the_future || is_outdated() {
            return Freshness::Expired;
        }
        meta.freshness(now)
    }

    /// The stamp of a mark that puts what this process holds, stores or loads out of date.
    pub(super) fn covering(&self, key: &Key, stamp: Stamp, tags: &[Arc<str>]) -> Option<Stamp> {
        self.marks.covering(key, stamp, tags).or_else(|| self.news.covering(key, stamp, tags))
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
