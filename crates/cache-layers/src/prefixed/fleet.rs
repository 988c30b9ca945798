//! Leases and marks of those who share one prefix, and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, Backplane, Heard, Key, KeyPattern, KeyPrefix, Lease, Leases, Mark, Position, Result, Selector, Stamp,
};
use futures_util::stream::{self, BoxStream, StreamExt};

use super::{Prefixed, own};

/// The leases of the backend inside, for the keys below the prefix.
#[async_trait]
impl<B: Backend> Leases for Prefixed<B> {
    async fn take(&self, key: &Key, at_least: Stamp, span: Duration) -> Result<Option<Lease>> {
        let stored = self.stored(key, "take")?;
        let Some(leases) = self.inner.leases() else { return Ok(None) };
        let taken = leases.take(&stored, at_least, span).await.map_err(|error| error.with_key(key))?;
        Ok(taken.map(|lease| Lease::new(key.clone(), lease.token)))
    }

    async fn renew(&self, lease: &Lease, span: Duration) -> Result<bool> {
        let stored = Lease::new(self.stored(&lease.key, "renew")?, lease.token);
        let Some(leases) = self.inner.leases() else { return Ok(false) };
        leases.renew(&stored, span).await.map_err(|error| error.with_key(&lease.key))
    }

    async fn release(&self, lease: &Lease) -> Result<bool> {
        let stored = Lease::new(self.stored(&lease.key, "release")?, lease.token);
        let Some(leases) = self.inner.leases() else { return Ok(false) };
        leases.release(&stored).await.map_err(|error| error.with_key(&lease.key))
    }
}

/// The backplane of the backend inside, for the keys below the prefix.
#[async_trait]
impl<B: Backend> Backplane for Prefixed<B> {
    async fn publish(&self, mark: &Mark) -> Result<()> {
        let Some(backplane) = self.inner.backplane() else { return Ok(()) };
        let selector = mark.selector.below(&self.prefix)?;
        backplane.publish(&Mark { selector, stamp: mark.stamp }).await
    }

    fn subscribe(&self, after: Option<Position>) -> BoxStream<'static, Result<Heard>> {
        let Some(backplane) = self.inner.backplane() else { return stream::empty().boxed() };
        let prefix = self.prefix.clone();
        let own = move |heard: Result<Heard>| match heard {
            Ok(Heard::Mark(Mark { selector, stamp }, position)) => {
                let selector = own_selector(&prefix, &selector)?;
                Some(Ok(Heard::Mark(Mark { selector, stamp }, position)))
            }
            heard => Some(heard),
        };
        backplane.subscribe(after).filter_map(move |heard| std::future::ready(own(heard))).boxed()
    }
}

/// What `selector` selects below `prefix`, by the keys that are known there; `None` for nothing. Where that has no name
/// of its own it is everything below the prefix: too much is out of date then, never too little.
fn own_selector(prefix: &Key, selector: &Selector) -> Option<Selector> {
    match selector {
        Selector::Key(key) => own(prefix, key.as_str()).map(Selector::Key),
        Selector::Prefix(selected) => own_prefix(prefix, selected).map(Selector::Prefix),
        Selector::Pattern(pattern) => {
            let rest = pattern.as_str().strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix(':'));
            match rest.map(KeyPattern::parse) {
                Some(rest) => Some(rest.map_or_else(|_| Selector::all(), Selector::Pattern)),
                None => pattern.prefix().matches(prefix).then(Selector::all),
            }
        }
        Selector::Tag { tag, within } => {
            let within = own_prefix(prefix, within)?;
            Some(Selector::Tag { tag: Arc::clone(tag), within })
        }
        _ => Some(Selector::all()),
    }
}

/// What `selected` selects below `prefix`.
fn own_prefix(prefix: &Key, selected: &KeyPrefix) -> Option<KeyPrefix> {
    if selected.matches(prefix) {
        return Some(KeyPrefix::all());
    }
    own(prefix, selected.as_str()).map(|key| KeyPrefix::below(&key))
}
