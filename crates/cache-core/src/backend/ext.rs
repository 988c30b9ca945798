//! Convenience on every backend, in terms of the contract alone.

use async_trait::async_trait;
use futures_util::StreamExt;

use super::Backend;
use crate::{Key, KeyPattern, KeyPrefix, Result};

/// What every [`Backend`] can do besides its contract.
#[async_trait]
pub trait BackendExt: Backend {
    /// Whether an unexpired entry of `key` is there. Costs one `stat`.
    async fn contains(&self, key: &Key) -> Result<bool> {
        Ok(self.stat(key).await?.is_some())
    }

    /// Removes every entry below `prefix`; how many were there. Costs a scan and one `remove` each; cancelling
    /// it leaves the rest in place.
    async fn remove_prefix(&self, prefix: &KeyPrefix) -> Result<u64> {
        remove_where(self, prefix, |_| true).await
    }

    /// Removes every entry that `pattern` selects; how many were there. Costs as
    /// [`remove_prefix`](Self::remove_prefix).
    async fn clear_matching(&self, pattern: &KeyPattern) -> Result<u64> {
        remove_where(self, &pattern.prefix(), |key| pattern.matches(key)).await
    }

    /// Wraps this backend: `backend.layer(|inner| Faulty::new(inner))`.
    fn layer<W: Backend>(self, wrap: impl FnOnce(Self) -> W) -> W
    where
        Self: Sized,
    {
        wrap(self)
    }
}

impl<B: Backend + ?Sized> BackendExt for B {}

async fn remove_where<B: Backend + ?Sized>(
    backend: &B,
    prefix: &KeyPrefix,
    selects: impl Fn(&Key) -> bool + Send + Sync,
) -> Result<u64> {
    let mut found = backend.scan(prefix);
    let mut removed = 0;
    while let Some(item) = found.next().await {
        let (key, _) = item?;
        if selects(&key) {
            removed += u64::from(backend.remove(&key).await?);
        }
    }
    Ok(removed)
}
