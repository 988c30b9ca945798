//! What commands and the server do to the open tiers, each a bounded step.

mod figures;
mod verify;
mod warm;

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::{
    Backend, Entry, Error, ErrorKind, Freshness, Key, KeyPattern, KeyPrefix, Meta, Result, Role, Selector, Timestamp,
};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::stack::Stack;

pub(crate) use figures::{figures, held, megabytes, summary};
pub(crate) use verify::{Cursor, Verified, verify};
pub(crate) use warm::{STEP as WARM_STEP, Wanted, Warmed, pages, popular, warm};

/// The header in which the server tells the meta of an entry, as JSON.
pub(crate) const META_HEADER: &str = "reelcache-meta";
/// The most entries of one page.
pub(crate) const LARGEST_PAGE: usize = 10_000;
/// Expired entries that one sweep drops at most.
const SWEPT: usize = 1_000;

/// An entry as it is listed. Instants are milliseconds since the epoch; what never comes is not there.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) state: State,
    pub(crate) created_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fresh_until_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_ms: Option<u64>,
    /// Seconds that it took to make.
    pub(crate) cost_seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
}

/// Whether an entry is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Fresh,
    /// Only when no fresh value can be had.
    Stale,
    Expired,
}

/// Entries in the order of their keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Listed>,
    /// The key after which the next page begins, if there is one.
    pub(crate) next: Option<String>,
    /// The clock that the instants are of.
    pub(crate) now_ms: u64,
}

/// What each tier has of a key, and what a read would serve.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Explained {
    pub(crate) key: String,
    pub(crate) served: Option<Listed>,
    pub(crate) tiers: Vec<InTier>,
    pub(crate) now_ms: u64,
}

/// What one tier has of a key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct InTier {
    pub(crate) tier: String,
    pub(crate) entry: Option<Listed>,
    /// Whether it keeps in mind that the key was removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) removed: bool,
    /// Why the tier cannot say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// What was removed, or would be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Cleared {
    pub(crate) dry_run: bool,
    /// All tiers together: what is in two of them counts twice.
    pub(crate) entries: u64,
    pub(crate) tiers: Vec<ClearedTier>,
}

/// The same of one tier.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClearedTier {
    pub(crate) tier: String,
    pub(crate) entries: u64,
    /// Why the count is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// What a sweep dropped.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct Dropped {
    pub(crate) expired: u64,
    pub(crate) bytes: u64,
    /// Whether a further sweep has something to do.
    pub(crate) more: bool,
}

impl Listed {
    pub(crate) fn of(key: &Key, meta: &Meta, now: Timestamp) -> Self {
        let instant = |instant: Timestamp| (instant != Timestamp::NEVER).then(|| instant.as_millis());
        Self {
            key: key.to_string(),
            state: match meta.freshness(now) {
                Freshness::Fresh => State::Fresh,
                Freshness::Stale => State::Stale,
                _ => State::Expired,
            },
            created_ms: meta.created.as_millis(),
            fresh_until_ms: instant(meta.fresh_until),
            expires_ms: instant(meta.expires()),
            cost_seconds: meta.cost.as_secs_f64(),
            content_type: meta.content_type.as_deref().map(str::to_owned),
            tags: meta.tags.iter().map(ToString::to_string).collect(),
        }
    }

    /// How long it has been there at `now_ms`.
    pub(crate) fn age(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.created_ms))
    }
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// What `text` selects: all below a key or the first parts of one, with the colon behind them or without; everything, where it
/// is empty.
///
/// # Errors
/// `Invalid` for what can be neither.
pub(crate) fn below(text: &str) -> Result<KeyPrefix> {
    let parts = text.strip_suffix(':').filter(|parts| !parts.is_empty()).unwrap_or(text);
    let told = |error: Error| {
        let message =
            format!("{text:?} is neither a key nor the first parts of one, such as video:, without wildcards");
        Error::new(ErrorKind::Invalid, message).with_source(error)
    };
    if parts.is_empty() {
        Ok(KeyPrefix::all())
    } else {
        Key::parse(parts).map(|key| KeyPrefix::below(&key)).map_err(told)
    }
}

/// Up to `limit` entries below `prefix` whose keys come after `after`. Costs a scan of all tiers, and memory for the page.
///
/// # Errors
/// The first of the scan.
pub(crate) async fn page(stack: &Stack, prefix: &KeyPrefix, after: Option<&Key>, limit: usize) -> Result<Page> {
    let limit = limit.clamp(1, LARGEST_PAGE);
    let mut first = first_keys(&stack.tiers, prefix, after, limit + 1).await?;
    let more = first.len() > limit;
    if more {
        first.pop_last();
    }
    let now = stack.tiers.clock().now();
    let next = first.last_key_value().filter(|_| more).map(|(key, _)| key.to_string());
    let entries = first.iter().map(|(key, meta)| Listed::of(key, meta, now)).collect();
    Ok(Page { entries, next, now_ms: now.as_millis() })
}

/// The `limit` first keys below `prefix` after `after`, of a backend that scans in whatever order.
async fn first_keys(
    backend: &dyn Backend,
    prefix: &KeyPrefix,
    after: Option<&Key>,
    limit: usize,
) -> Result<BTreeMap<Key, Meta>> {
    let mut first = BTreeMap::new();
    let mut found = backend.scan(prefix);
    while let Some((key, meta)) = found.try_next().await? {
        let is_behind = after.is_some_and(|after| key <= *after);
        let is_beyond = first.len() >= limit && first.last_key_value().is_some_and(|(last, _)| key > *last);
        if is_behind || is_beyond {
            continue;
        }
        first.insert(key, meta);
        if first.len() > limit {
            first.pop_last();
        }
    }
    Ok(first)
}

/// The entry of `key`, as a read finds it.
pub(crate) async fn entry(stack: &Stack, key: &Key) -> Result<Option<Entry>> {
    stack.tiers.get(key).await
}

/// What each tier has of `key`. Reads no body and promotes nothing.
pub(crate) async fn explain(stack: &Stack, key: &Key) -> Result<Explained> {
    let now = stack.tiers.clock().now();
    let served = stack.tiers.stat(key).await?.map(|meta| Listed::of(key, &meta, now));
    let mut tiers = Vec::new();
    for part in stack.parts.iter() {
        let stat = part.backend.stat(key).await;
        let error = stat.as_ref().err().map(ToString::to_string);
        let found = stat.ok().flatten();
        let removed = found.as_ref().is_some_and(|meta| meta.role == Role::Tombstone);
        let entry = found.filter(|meta| meta.role == Role::Value).map(|meta| Listed::of(key, &meta, now));
        tiers.push(InTier { tier: part.name.to_string(), entry, removed, error });
    }
    Ok(Explained { key: key.to_string(), served, tiers, now_ms: now.as_millis() })
}

/// Whether no read would find the key.
pub(crate) fn is_absent(explained: &Explained) -> bool {
    explained.served.is_none()
}

/// Removes what `pattern` selects, from every tier, or only counts it.
pub(crate) async fn clear(stack: &Stack, pattern: &KeyPattern, dry_run: bool) -> Result<Cleared> {
    let selector = Selector::Pattern(pattern.clone());
    let done = if dry_run { stack.tiers.preview(&selector).await? } else { stack.tiers.invalidate(&selector).await? };
    let tier = |count: &cache_tiered::TierCount| ClearedTier {
        tier: count.name.to_string(),
        entries: count.entries,
        error: count.error.as_ref().map(ToString::to_string),
    };
    Ok(Cleared { dry_run, entries: done.entries(), tiers: done.tiers.iter().map(tier).collect() })
}

/// Drops some of what has expired.
pub(crate) async fn sweep(stack: &Stack) -> Result<Dropped> {
    let swept = stack.tiers.sweep(stack.tiers.clock().now(), SWEPT).await?;
    Ok(Dropped { expired: swept.expired, bytes: swept.bytes, more: swept.more })
}
