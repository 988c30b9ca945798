//! `Chain`: the loads that a load runs within, so that none waits for itself.

use std::future::Future;
use std::sync::Arc;

use cache_core::Key;

tokio::task_local! {
    static CHAIN: Chain;
}

/// The loads that a loader runs within, its own first. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(super) struct Chain(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    /// Tells caches apart, whatever their type.
    cache: usize,
    key: Key,
    within: Chain,
}

impl Chain {
    /// That of the task which calls.
    pub(super) fn present() -> Self {
        CHAIN.try_with(Self::clone).unwrap_or_default()
    }

    /// With one more load.
    pub(super) fn and(self, cache: usize, key: Key) -> Self {
        Self(Some(Arc::new(Link { cache, key, within: self })))
    }

    pub(super) fn contains(&self, cache: usize, key: &Key) -> bool {
        let links = std::iter::successors(self.0.as_deref(), |link| link.within.0.as_deref());
        links.into_iter().any(|link| link.cache == cache && link.key == *key)
    }

    /// Runs `work` within these loads.
    pub(super) fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CHAIN.scope(self, work)
    }
}
