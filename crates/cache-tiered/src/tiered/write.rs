//! Writes through a stack: to all tiers at once, one write of a key after another.

use std::collections::HashSet;
use std::future::Future;

use cache_core::{Entry, Error, ErrorKind, Key, Result, Stamp};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::tier::{Placed, Tier};
use super::{Tiered, WRITE_LIMIT, closed};
use crate::fence::{Turn, Watch};
use crate::guard::panic_message;

/// Puts of one batch under way at a time: enough for a tier that commits in groups.
const BATCH: usize = 32;

/// The right to change one key of a stack. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Rights {
    // Fields drop in this order.
    _turn: Turn,
    _place: OwnedSemaphorePermit,
}

/// What became of an entry that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Stored,
    /// The key has an entry with this newer stamp, and keeps it.
    Superseded(Stamp),
    /// The entry has expired, and was not stored anywhere; what was there before still is.
    Expired,
}

impl Tiered {
    /// Waits for the right to change `key`.
    pub(crate) async fn begin(&self, key: &Key, operation: &'static str) -> Result<Rights> {
        let named = |error| self.name_error(error, operation).with_key(key);
        // Who waits for a key takes no place from writes of others.
        let turn = self.0.fence.write(key, WRITE_LIMIT).await.map_err(named)?;
        let place = self.place().await.map_err(named)?;
        Ok(Rights { _turn: turn, _place: place })
    }

    /// Waits for the right to store what was loaded under `watch`; `None` when the key was written since.
    pub(crate) async fn begin_fill(&self, watch: &Watch) -> Result<Option<Rights>> {
        let Some(turn) = watch.claim(WRITE_LIMIT).await else { return Ok(None) };
        let place = self.place().await.map_err(|error| self.name_error(error, "put"))?;
        Ok(Some(Rights { _turn: turn.writing(), _place: place }))
    }

    /// Stores `entry` in all tiers that take it; the caller has the [`Rights`] to the key.
    pub(crate) async fn store(&self, key: &Key, entry: &Entry) -> Result<Write> {
        let named = |error: Error| self.name_error(error, "put").with_key(key);
        entry.check_body(self.0.info.max_body).map_err(named)?;
        if entry.meta.is_expired(self.0.clock.now()) {
            return Ok(Write::Expired);
        }
        // A near tier may have evicted what a lower one still has: without this look, it would take an older entry.
        let present = join_all(self.0.tiers.iter().map(|tier| tier.peek(key))).await;
        let newest = present.into_iter().flatten().map(|meta| meta.stamp).max();
        if let Some(newer) = newest.filter(|newest| *newest > entry.meta.stamp) {
            return Ok(Write::Superseded(newer));
        }
        let answers = join_all(self.0.tiers.iter().map(|tier| tier.replace(key, entry))).await;
        verdict(&self.0.tiers, answers).map_err(|error| error.with_key(key)).map(|()| Write::Stored)
    }

    /// Removes `key` from all tiers; the caller has the [`Rights`] to the key.
    pub(crate) async fn clear(&self, key: &Key) -> Result<bool> {
        let answers = join_all(self.0.tiers.iter().map(|tier| tier.remove(key))).await;
        let mut found = false;
        let mut failure = None;
        for (tier, answer) in self.0.tiers.iter().zip(answers) {
            match answer {
                Ok(here) => found |= here,
                Err(error) if tier.info.durable || tier.info.shared => failure = Some(error),
                // Not served from there as long as this process lives, and the entry lives no longer.
                Err(_) => {}
            }
        }
        failure.map_or(Ok(found), Err)
    }

    pub(super) async fn put_detached(&self, key: &Key, entry: Entry) -> Result<()> {
        self.check_open("put").map_err(|error| error.with_key(key))?;
        entry.check_body(self.0.info.max_body).map_err(|error| self.name_error(error, "put").with_key(key))?;
        let rights = self.begin(key, "put").await?;
        let (tiers, key) = (self.clone(), key.clone());
        let store = async move {
            let answer = tiers.store(&key, &entry).await;
            drop(rights);
            answer.map(|_| ())
        };
        detached(store).await
    }

    pub(super) async fn put_concurrently(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let mut keys = HashSet::new();
        // Puts of one key take effect in the order given.
        let width = if entries.iter().all(|(key, _)| keys.insert(key.clone())) { BATCH } else { 1 };
        let puts = entries.into_iter().map(|(key, entry)| async move { self.put_detached(&key, entry).await });
        stream::iter(puts).buffered(width).collect().await
    }

    pub(super) async fn remove_detached(&self, key: &Key) -> Result<bool> {
        self.check_open("remove").map_err(|error| error.with_key(key))?;
        let rights = self.begin(key, "remove").await?;
        let (tiers, key) = (self.clone(), key.clone());
        let remove = async move {
            let answer = tiers.clear(&key).await;
            drop(rights);
            answer
        };
        detached(remove).await
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(place) = timeout(WRITE_LIMIT, self.0.writes.clone().acquire_owned()).await {
            return place.map_err(|_| closed());
        }
        let message = format!("too many writes under way for {WRITE_LIMIT:?}: see whether a tier hangs");
        Err(Error::new(ErrorKind::Timeout, message))
    }
}

/// Runs `work` to its end, whether or not the caller waits for it.
pub(crate) async fn detached<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.unwrap_or_else(|failure| {
        Err(match failure.try_into_panic() {
            Ok(panic) => Error::new(ErrorKind::Internal, format!("a task panicked: {}", panic_message(&*panic))),
            Err(_) => Error::new(ErrorKind::Unavailable, "the runtime is shutting down"),
        })
    })
}

/// Whether a put has succeeded: a durable tier has the entry, or any where none of those that take it is durable.
fn verdict(tiers: &[Tier], answers: Vec<Result<Placed>>) -> Result<()> {
    let mut takers: Vec<(bool, Result<Placed>)> = Vec::new();
    for (tier, answer) in tiers.iter().zip(answers) {
        if !matches!(answer, Ok(Placed::Refused)) {
            takers.push((tier.info.durable, answer));
        }
    }
    let durable = takers.iter().any(|(durable, _)| *durable);
    let mut counted = takers.into_iter().filter(|(is_durable, _)| *is_durable == durable).map(|(_, answer)| answer);
    let Some(first) = counted.next() else {
        return Err(Error::new(ErrorKind::TooLarge, "no tier takes a body of this length").with_operation("put"));
    };
    counted.fold(first, Result::or).map(|_| ())
}
