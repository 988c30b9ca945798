//! `Prefixed`: keys below a prefix, so that several users share one backend.

mod fleet;

use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept, Timestamp,
    Usage,
};
use futures_util::stream::{BoxStream, StreamExt};

use crate::around::refusal;
use crate::batch::merge;

/// A backend that keeps its entries below one key of another and never sees what is beside it.
///
/// Under the prefix `alice` the key `video:1` is kept as `alice:video:1`. A key that is then longer than
/// [`Key::MAX_BYTES`] is [`ErrorKind::Invalid`]: keys have the length of the prefix and one byte less to themselves.
/// Errors name the key that the caller knows.
///
/// [`usage`](Backend::usage) and [`sweep`](Backend::sweep) are those of the whole backend inside, and
/// [`close`](Backend::close) closes it for everyone who shares it. Leases are taken and marks
/// are told below the prefix; marks from beside it are not heard.
///
/// Each call costs one more key; a scan costs one for each entry found. Cancelling a call cancels the one inside.
#[derive(Debug)]
pub struct Prefixed<B> {
    inner: B,
    name: Arc<str>,
    prefix: Key,
}

impl<B: Backend> Prefixed<B> {
    /// Keeps every key of this backend below `prefix` in `inner`.
    pub fn new(inner: B, prefix: Key) -> Self {
        let name = inner.info().name;
        Self { inner, name, prefix }
    }

    /// The backend inside.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// The key under which `inner` keeps the entry of `key`.
    fn stored(&self, key: &Key, operation: &'static str) -> Result<Key> {
        join(&self.prefix, key.as_str()).map_err(|_| {
            let (len, max) = (self.prefix.as_str().len() + 1 + key.as_str().len(), Key::MAX_BYTES);
            let message = format!("below its prefix the key has {len} bytes, {max} are allowed: hash the long part");
            refusal(ErrorKind::Invalid, message, &self.name, operation, Some(key))
        })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Prefixed<B> {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.inner.stat(&self.stored(key, "stat")?).await.map_err(|error| error.with_key(key))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.inner.get(&self.stored(key, "get")?).await.map_err(|error| error.with_key(key))
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let mut stored = Vec::with_capacity(keys.len());
        let asked = keys.iter().map(|key| self.stored(key, "get_many").map(|below| stored.push(below)));
        let asked: Vec<Result<()>> = asked.collect();
        merge(asked, self.inner.get_many(&stored).await, keys)
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.inner.put(&self.stored(key, "put")?, entry).await.map_err(|error| error.with_key(key))
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let mut stored = Vec::with_capacity(entries.len());
        let mut keys = Vec::with_capacity(entries.len());
        let asked = entries.into_iter().map(|(key, entry)| {
            let asked = self.stored(&key, "put_many").map(|below| stored.push((below, entry)));
            keys.push(key);
            asked
        });
        let asked: Vec<Result<()>> = asked.collect();
        merge(asked, self.inner.put_many(stored).await, &keys)
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.inner.renew(&self.stored(key, "renew")?, present, meta).await.map_err(|error| error.with_key(key))
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.inner.remove(&self.stored(key, "remove")?).await.map_err(|error| error.with_key(key))
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        // A prefix that is too long selects nothing; the wider scan finds that out, or that the backend is closed.
        let below = if prefix.is_all() { Ok(self.prefix.clone()) } else { join(&self.prefix, prefix.as_str()) };
        let below = KeyPrefix::below(below.as_ref().unwrap_or(&self.prefix));
        let prefix = prefix.clone();
        let own = move |item: Result<(Key, Meta)>| match item {
            Ok((stored, meta)) => {
                own(&self.prefix, stored.as_str()).filter(|key| prefix.matches(key)).map(|key| Ok((key, meta)))
            }
            Err(error) => Some(Err(error)),
        };
        self.inner.scan(&below).filter_map(move |item| std::future::ready(own(item))).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.inner.leases().map(|_| self as &dyn Leases)
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.inner.backplane().map(|_| self as &dyn Backplane)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

/// The key of the segments of `prefix` followed by those of `key`.
fn join(prefix: &Key, key: &str) -> Result<Key> {
    Key::parse(&format!("{prefix}:{key}"))
}

/// The key below `prefix` of what is stored under `stored`; `None` for what is beside, the prefix itself included.
fn own(prefix: &Key, stored: &str) -> Option<Key> {
    let rest = stored.strip_prefix(prefix.as_str())?.strip_prefix(':')?;
    Key::parse(rest).ok()
}
