//! `Backend`: the contract of one place that stores bytes.

mod ext;
mod forward;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

pub use ext::BackendExt;

use crate::{Backplane, Entry, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept, Timestamp, Usage};

/// What a backend is, as facts that do not change while it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendInfo {
    /// Name in statistics and errors, e.g. `"file"`.
    pub name: Arc<str>,
    /// Whether entries outlive the process.
    pub durable: bool,
    /// Whether other processes see the same entries.
    pub shared: bool,
    /// The longest body that it takes, in bytes.
    pub max_body: u64,
    /// Whether the store drops expired entries by itself, without a sweep.
    pub native_ttl: bool,
}

impl BackendInfo {
    /// A process-local backend that takes every legal body.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), durable: false, shared: false, max_body: Entry::MAX_BODY, native_ttl: false }
    }
}

/// One place that stores bytes: the contract that a new kind of storage implements.
///
/// # Rules
/// The conformance suite of `cache-testkit` holds one named test for each.
///
/// * **A miss is not an error and an error is not a miss.** A read answers `Ok(None)` only when there is nothing
///   to serve.
/// * **Correct or absent.** A read returns exactly what was put, or nothing. An expired entry is never returned,
///   by any method; a corrupt one is dropped, counted in [`Usage::corrupt`] and read as absent, or reported as
///   [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) by backends that cannot drop it.
/// * **`put` replaces atomically, and an older stamp never wins.** A put whose stamp is older than that of the
///   unexpired entry present succeeds and changes nothing; an equal stamp replaces. A put of an entry that has
///   expired already succeeds and changes nothing.
/// * **A refusal changes nothing**: a body above `max_body` is
///   [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) and the entry present stays. A put of an entry that the
///   budget or the policy does not admit succeeds, and the key then reads as absent.
/// * **Acknowledged is kept.** When `put` or `remove` has returned, every later read sees it, until it is
///   replaced, evicted or expires.
/// * **Cancellation.** Dropping a future of a write leaves the old entry, the new one or none, never a mixture,
///   and leaks nothing. Dropping a read has no effect.
/// * **No blocking** on the caller's thread beyond a short critical section.
/// * **After `close`**, every call fails with [`ErrorKind::Closed`](crate::ErrorKind::Closed).
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// What this backend is. Constant and cheap.
    fn info(&self) -> BackendInfo;

    /// The meta of `key` without its body.
    async fn stat(&self, key: &Key) -> Result<Option<Meta>>;

    /// The entry of `key`.
    async fn get(&self, key: &Key) -> Result<Option<Entry>>;

    /// The entries of `keys`, one answer for each, in their order. The provided version asks one by one.
    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let mut answers = Vec::with_capacity(keys.len());
        for key in keys {
            answers.push(self.get(key).await);
        }
        answers
    }

    /// Stores `entry` under `key`.
    async fn put(&self, key: &Key, entry: Entry) -> Result<()>;

    /// Stores many entries, one answer for each, in their order; not atomic as a whole. Entries of one key take
    /// effect in their order. The provided version puts one by one.
    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let mut answers = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            answers.push(self.put(&key, entry).await);
        }
        answers
    }

    /// Replaces the meta of the unexpired entry whose stamp is `present` and whose role is that of `meta`, and keeps its
    /// body; whether it has the new meta.
    ///
    /// False, with nothing changed, when no such entry is there, when the stamp of `meta` is older than `present`, and
    /// when `meta` has expired already. False as well when the budget does not admit the entry with its new meta: as
    /// after such a put, the key then reads as absent. Dropping the future leaves the old meta, the new one, or none.
    ///
    /// The provided version reads the entry, puts it again and looks at it, in three steps. It is good for one writer
    /// at a time: a put in between whose stamp is older than that of `meta` is lost to the old body. Backends for more
    /// compare and replace in one step, and leave the body where it is.
    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        if meta.stamp < present {
            return Ok(false);
        }
        let is_meant = |entry: &Entry| entry.meta.stamp == present && entry.meta.role == meta.role;
        let Some(entry) = self.get(key).await?.filter(is_meant) else { return Ok(false) };
        self.put(key, Entry::new(meta.clone(), entry.body)).await?;
        Ok(self.stat(key).await?.is_some_and(|found| found == meta))
    }

    /// Removes `key`; whether an unexpired entry was there. Idempotent.
    async fn remove(&self, key: &Key) -> Result<bool>;

    /// The unexpired entries below `prefix`, in no promised order.
    ///
    /// Entries that are there during the whole scan are seen once; those that come or go meanwhile may be seen.
    /// An error item may be followed by further items. After `close` the first item is the error.
    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>>;

    /// What is held now. Exact, or [said](Usage::exact) to be an estimate.
    async fn usage(&self) -> Result<Usage>;

    /// Drops up to `limit` entries that have expired at `now`; bounded work.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept>;

    /// The leases that processes sharing this backend can have of it.
    fn leases(&self) -> Option<&dyn Leases> {
        None
    }

    /// The backplane between the processes that share this backend.
    fn backplane(&self) -> Option<&dyn Backplane> {
        None
    }

    /// Flushes, releases the medium and ends the backend. A second call succeeds.
    async fn close(&self) -> Result<()>;
}
