//! `Load`: what a loader knows and decides about the value that it is making.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Key, Lifetime, Meta, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::progress::Report;

/// One run of a loader: what it knows and decides about the value that it is making. Cloning shares it.
///
/// What is set counts when the loader returns its value; the last call of a kind wins.
#[derive(Clone)]
pub struct Load(Arc<Shared>);

/// What a loader that can revalidate answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded<V> {
    /// A new value.
    Value(V),
    /// The value before is still right: it gets a new lifetime, and its body stays where it is.
    NotModified,
}

struct Shared {
    key: Key,
    routes: Vec<Arc<str>>,
    /// Meta of the value before.
    previous: Option<Arc<Meta>>,
    report: watch::Sender<Report>,
    settings: Mutex<Settings>,
}

/// The lifetimes of a cache's values, where the loader does not decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetimes {
    pub(super) whole: Lifetime,
    pub(super) partial: Lifetime,
    pub(super) empty: Lifetime,
    /// The share of a lifetime by which it may be shorter.
    pub(super) jitter: f64,
}

/// What a value is that is less than what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Partial,
    Empty,
}

#[derive(Debug, Clone, Default)]
struct Settings {
    extent: Option<Extent>,
    lifetime: Option<Lifetime>,
    valid_until: Option<Timestamp>,
    tags: Option<Arc<[Arc<str>]>>,
    content_type: Option<Arc<str>>,
    etag: Option<Arc<str>>,
}

impl Load {
    pub(super) fn new(
        key: Key,
        routes: Vec<Arc<str>>,
        previous: Option<Arc<Meta>>,
        report: watch::Sender<Report>,
    ) -> Self {
        Self(Arc::new(Shared { key, routes, previous, report, settings: Mutex::default() }))
    }

    /// The key, as the caller gave it.
    pub fn key(&self) -> &Key {
        &self.0.key
    }

    /// Names of the tiers that would take a value such as the caller has [forecast](crate::Request::forecast), the
    /// nearest first: what is too heavy for all but one of them need not be held in memory.
    pub fn routes(&self) -> &[Arc<str>] {
        &self.0.routes
    }

    /// The validator of the value before, for a conditional request.
    pub fn previous_etag(&self) -> Option<&str> {
        self.0.previous.as_ref()?.etag.as_deref()
    }

    /// When the value before was complete, for a conditional request.
    pub fn previous_created(&self) -> Option<Timestamp> {
        Some(self.0.previous.as_ref()?.created)
    }

    /// Tells how far the load is: the share of its work that is done, between 0 and 1, and what it does now. Costs a
    /// short lock.
    pub fn progress(&self, fraction: f64, message: &str) {
        self.0.report.send_modify(|report| report.told(fraction, message));
    }

    /// Gives this value a lifetime of its own, instead of the cache's. Jitter does not shorten it.
    pub fn set_lifetime(&self, lifetime: Lifetime) {
        self.0.settings.lock().lifetime = Some(lifetime);
    }

    /// Sets the instant from which on the value is never served, whatever its lifetime: the end of a signed link. A
    /// value that is loaded after it is a failed load.
    pub fn set_valid_until(&self, end: Timestamp) {
        self.0.settings.lock().valid_until = Some(end);
    }

    /// Says that the value lacks a part that may be had later: it gets the cache's lifetime of
    /// [partial](crate::CacheBuilder::partial) values.
    pub fn set_partial(&self) {
        self.0.settings.lock().extent = Some(Extent::Partial);
    }

    /// Says that nothing was found, which an outage may cause as well: the value gets the cache's lifetime of
    /// [empty](crate::CacheBuilder::empty) ones.
    pub fn set_empty(&self) {
        self.0.settings.lock().extent = Some(Extent::Empty);
    }

    /// Puts the value into groups for invalidation.
    pub fn set_tags<T: Into<Arc<str>>>(&self, tags: impl IntoIterator<Item = T>) {
        self.0.settings.lock().tags = Some(tags.into_iter().map(Into::into).collect());
    }

    /// Sets the media type of the value.
    pub fn set_content_type(&self, content_type: impl Into<Arc<str>>) {
        self.0.settings.lock().content_type = Some(content_type.into());
    }

    /// Sets the strong validator of the value, for the next load's conditional request.
    pub fn set_etag(&self, etag: impl Into<Arc<str>>) {
        self.0.settings.lock().etag = Some(etag.into());
    }

    /// Writes the loader's decisions into `meta`, whose `created` is set. What the loader left open stays as it is
    /// there; `before` is the lifetime of the value before, if that is still right.
    pub(super) fn apply(&self, mut meta: Meta, lifetimes: &Lifetimes, before: Option<Lifetime>) -> Meta {
        let settings = self.0.settings.lock().clone();
        let lifetime = match (settings.lifetime, settings.extent, before) {
            (Some(lifetime), _, _) | (None, None, Some(lifetime)) => lifetime,
            (None, extent, _) => {
                let lifetime = match extent {
                    None => lifetimes.whole,
                    Some(Extent::Partial) => lifetimes.partial,
                    Some(Extent::Empty) => lifetimes.empty,
                };
                shortened(lifetime, lifetimes.jitter, &meta, &self.0.key)
            }
        };
        meta = meta.with_lifetime(lifetime);
        meta.valid_until = settings.valid_until.unwrap_or(meta.valid_until);
        meta.tags = settings.tags.unwrap_or(meta.tags);
        meta.content_type = settings.content_type.or(meta.content_type);
        meta.etag = settings.etag.or(meta.etag);
        meta
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("key", self.key()).field("settings", &*self.0.settings.lock()).finish()
    }
}

/// A lifetime whose freshness is shorter by a part of `jitter`, so that values made at once do not end at once. The
/// part follows from key and stamp: it needs no source of chance, and differs from load to load.
fn shortened(lifetime: Lifetime, jitter: f64, meta: &Meta, key: &Key) -> Lifetime {
    if jitter <= 0.0 {
        return lifetime;
    }
    // The finaliser of SplitMix64 (Steele, Lea, Flood, 2014) spreads the bits of both.
    let mut bits = key.hash64() ^ meta.stamp.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let part = ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    let fresh = lifetime.fresh_for();
    // What ends at no time that can be told apart from never is left alone.
    let shorter = fresh.as_secs_f64() * (1.0 - jitter * part);
    let fresh = if fresh == Duration::MAX { fresh } else { Duration::try_from_secs_f64(shorter).unwrap_or(fresh) };
    cache_core::ttl(fresh).stale(lifetime.stale_for())
}
