//! `Recent`: what was asked for most, what has gone from the tiers and what has failed of late.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use cache_core::{Clock, Key, Timestamp, Usage};
use cache_tiered::{Popularity, TierStats};
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Detail;

/// The most keys whose requests are counted, and after which time a request counts half.
const KEYS: usize = 4_096;
const HALF_LIFE: Duration = Duration::from_hours(1);
/// The most that is told of each.
const TOP: usize = 20;
const ERRORS: usize = 50;
const EVICTIONS: usize = 50;
/// The most characters of a path and of what went wrong with it.
const TEXT: usize = 500;

/// What was asked for, has gone and has failed of late. Bounded; cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Recent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    asked: Popularity,
    clock: Arc<dyn Clock>,
    errors: Mutex<VecDeque<Failed>>,
    gone: Mutex<Gone>,
}

/// A key that is asked for often.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AskedFor)]
pub(super) struct Asked {
    key: String,
    /// Requests, of which one an hour ago counts half.
    score: f64,
}

/// A request that the server failed at.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Failed {
    at_ms: u64,
    status: u16,
    /// Without its query, which may hold secrets.
    path: String,
    detail: String,
}

/// Entries that went from a tier, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Eviction {
    #[schema(value_type = String)]
    tier: Arc<str>,
    /// `evicted` by the policy, `expired`, or `corrupt`.
    reason: &'static str,
    entries: u64,
    /// Between this instant
    from_ms: u64,
    /// and this one.
    to_ms: u64,
}

/// What has gone from the tiers, by their counts as they were looked at.
#[derive(Debug, Default)]
struct Gone {
    seen: HashMap<Arc<str>, (Timestamp, Usage)>,
    evictions: VecDeque<Eviction>,
}

impl Recent {
    /// Nothing has happened at the instant that `clock` tells.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let asked = Popularity::builder().keys(KEYS).half_life(HALF_LIFE).clock(clock.clone()).build();
        Self(Arc::new(Inner { asked, clock, errors: Mutex::default(), gone: Mutex::default() }))
    }

    /// Somebody has asked for `key`.
    pub(super) fn asked_for(&self, key: &Key) {
        self.0.asked.hit(key);
    }

    /// Somebody has asked for the links of `page`.
    pub(super) fn asked_for_links(&self, provider: &str, page: &str) {
        // An address that is too long for a key is not among those that are told.
        if let Ok(key) = Key::of("links").part(provider).part(page).build() {
            self.asked_for(&key);
        }
    }

    /// What is asked for most.
    pub(super) fn top(&self) -> Vec<Asked> {
        let top = self.0.asked.top(TOP).into_iter();
        top.map(|(key, score)| Asked { key: key.to_string(), score }).collect()
    }

    /// What has failed, the latest first.
    pub(super) fn errors(&self) -> Vec<Failed> {
        self.0.errors.lock().iter().cloned().collect()
    }

    /// What has gone, the latest first, with what `tiers` count at this moment.
    pub(super) fn evictions(&self, tiers: &[TierStats]) -> Vec<Eviction> {
        let now = self.0.clock.now();
        let mut gone = self.0.gone.lock();
        for tier in tiers {
            if let Some(usage) = tier.usage {
                gone.see(&tier.name, usage, now);
            }
        }
        gone.evictions.iter().cloned().collect()
    }

    /// Remembers a request for `path`, where `response` says that the server failed at it.
    pub(super) fn note(&self, path: &str, response: &Response) {
        if response.status().is_server_error()
            && let Some(Detail(detail)) = response.extensions().get()
        {
            self.failed(response.status().as_u16(), path, detail);
        }
    }

    fn failed(&self, status: u16, path: &str, detail: &str) {
        let cut = |text: &str| text.chars().take(TEXT).collect();
        let at_ms = self.0.clock.now().as_millis();
        let mut errors = self.0.errors.lock();
        errors.truncate(ERRORS - 1);
        errors.push_front(Failed { at_ms, status, path: cut(path), detail: cut(detail) });
    }
}

impl Gone {
    fn see(&mut self, tier: &Arc<str>, usage: Usage, now: Timestamp) {
        // A stack has few tiers, whose names stay the same.
        let Some((from, before)) = self.seen.insert(tier.clone(), (now, usage)) else { return };
        let counts = [
            ("evicted", before.evicted, usage.evicted),
            ("expired", before.expired, usage.expired),
            ("corrupt", before.corrupt, usage.corrupt),
        ];
        for (reason, before, after) in counts {
            let entries = after.saturating_sub(before);
            if entries > 0 {
                let (from_ms, to_ms) = (from.as_millis(), now.as_millis());
                self.evictions.truncate(EVICTIONS - 1);
                self.evictions.push_front(Eviction { tier: tier.clone(), reason, entries, from_ms, to_ms });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cache_core::ManualClock;

    use super::*;

    fn usage(evicted: u64, expired: u64) -> Usage {
        let mut usage = Usage::default();
        (usage.evicted, usage.expired) = (evicted, expired);
        usage
    }

    #[test]
    fn what_goes_between_two_looks_is_told_with_its_reason() {
        let (mut gone, tier) = (Gone::default(), Arc::from("memory"));
        for (at, usage) in [(1, usage(5, 0)), (2, usage(5, 0)), (3, usage(7, 1)), (4, usage(0, 0)), (5, usage(0, 4))] {
            gone.see(&tier, usage, Timestamp::from_millis(at));
        }
        let told: Vec<_> = gone.evictions.iter().map(|one| (one.reason, one.entries, one.from_ms, one.to_ms)).collect();
        assert_eq!(told, [("expired", 4, 4, 5), ("expired", 1, 2, 3), ("evicted", 2, 2, 3)]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_latest_comes_first() {
        let recent = Recent::new(Arc::new(ManualClock::new(Timestamp::from_millis(1))));
        for number in 0..200 {
            recent.failed(500, &number.to_string(), &"x".repeat(10_000));
            recent.asked_for_links("a", &number.to_string());
        }
        let errors = recent.errors();
        assert_eq!((errors.len(), errors[0].path.as_str(), errors[0].detail.len()), (ERRORS, "199", TEXT));
        assert_eq!(recent.top().len(), TOP);
        let (mut gone, tier) = (Gone::default(), Arc::from("memory"));
        for number in 0..200 {
            gone.see(&tier, usage(number, 0), Timestamp::from_millis(number));
        }
        assert_eq!((gone.evictions.len(), gone.evictions[0].to_ms), (EVICTIONS, 199));
    }
}
