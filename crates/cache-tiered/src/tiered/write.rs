//! Writes through a stack: to all tiers at once, one write of a key after another.

use std::collections::HashSet;
use std::future::Future;

use cache_core::{Entry, Error, ErrorKind, Hlc, Key, Mark, Meta, Result, Role, Selector, Stamp};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::common::just_after;
use super::marking::{check, is_reserved};
use super::recover::Op;
use super::tier::{Placed, Tier};
use super::{Forecast, Required, Tiered, WRITE_LIMIT, WritePolicy, closed};
use crate::fence::{Turn, Watch};
use crate::guard::{discard, panic_message};

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
    /// The entry has expired, and is not served from anywhere; what was there before may still be.
    Expired,
    /// A mark of this stamp covers the entry: it is out of date already, and no tier keeps it.
    Covered(Stamp),
    /// No tier wants such an entry, by its options: none keeps one under this key.
    Unwanted,
    /// What was to be renewed is in no tier.
    Absent,
}

/// Whether other processes are told of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// A caller has put it: older copies of other processes are out of date.
    Write,
    /// It was loaded, which puts nothing out of date.
    Fill,
}

impl Tiered {
    /// Waits for the right to change `key`.
    pub(crate) async fn begin(&self, key: &Key, operation: &'static str) -> Result<Rights> {
        let named = |error| self.name_error(error, operation).with_key(key);
        // Who waits for a key takes no place from writes of others.
        let turn = self.0.common.fence.write(key, WRITE_LIMIT).await.map_err(named)?;
        let place = self.place().await.map_err(named)?;
        Ok(Rights { _turn: turn, _place: place })
    }

    /// Waits for the right to store what was loaded under `watch`; `None` when the key was written since.
    pub(crate) async fn begin_fill(&self, watch: &Watch) -> Result<Option<Rights>> {
        let Some(turn) = watch.claim(WRITE_LIMIT).await else { return Ok(None) };
        let place = self.place().await.map_err(|error| self.name_error(error, "put"))?;
        Ok(Some(Rights { _turn: turn.writing(), _place: place }))
    }

    /// Stores `entry` in the tiers that take what `forecast` tells, and takes what it replaces from the others. The
    /// caller has the [`Rights`] to the key.
    ///
    /// A mark that comes into force meanwhile wins: what was written is removed.
    pub(crate) async fn store_for(
        &self,
        key: &Key,
        entry: &Entry,
        forecast: &Forecast,
        telling: Telling,
    ) -> Result<Write> {
        let named = |error: Error| self.name_error(error, "put").with_key(key);
        entry.check_body(self.0.info.max_body).map_err(named)?;
        check(key, &entry.meta).map_err(named)?;
        self.open().await;
        if entry.meta.is_expired(self.clock().now()) {
            return Ok(Write::Expired);
        }
        self.stamps().observe(entry.meta.stamp);
        if let Some(mark) = self.covering(key, &entry.meta) {
            return Ok(Write::Covered(mark));
        }
        let gaps = self.gaps();
        // Before anything is stored: what is heard meanwhile is set against it.
        if self.speaker().is_some() {
            let news = &self.0.common.news;
            match telling {
                Telling::Write => news.note_put(key, entry.meta.stamp),
                Telling::Fill => news.note_fill(key, &entry.meta),
            }
        }
        // A near tier may have evicted what a lower one still has: without this look, it would take an older entry.
        let looks = self.newest(key).await;
        let seen = looks.iter().filter_map(|look| *look.as_ref().ok()?);
        if let Some(newer) = seen.max().filter(|newest| *newest > entry.meta.stamp) {
            return Ok(Write::Superseded(newer));
        }
        let answers = self.place_in_tiers(key, entry, forecast).await;
        self.note_failures(key, &entry.meta, &answers).await;
        if entry.meta.is_expired(self.clock().now()) {
            // Those that saw it after its end have kept what they had.
            return Ok(Write::Expired);
        }
        if let Some(newer) = self.found_after(key, entry.meta.stamp, &looks, &answers).await {
            self.withdraw(key, newer).await?;
            return Ok(Write::Superseded(newer));
        }
        if let Some(mark) = self.covering(key, &entry.meta) {
            self.withdraw(key, just_after(entry.meta.stamp)).await?;
            return Ok(Write::Covered(mark));
        }
        self.confirm(key, entry.meta.stamp, gaps);
        let write = verdict(self.0.required, &self.0.tiers, answers).map_err(|error| error.with_key(key))?;
        if telling == Telling::Write {
            self.tell(Mark { selector: Selector::Key(key.clone()), stamp: entry.meta.stamp }).await;
        }
        Ok(write)
    }

    /// The stamp of a mark that covers an entry with this meta.
    pub(super) fn covering(&self, key: &Key, meta: &Meta) -> Option<Stamp> {
        if is_reserved(key) {
            return None;
        }
        self.0.common.covering(key, meta.stamp, &meta.tags)
    }

    /// The stamp under `key` in each tier, tombstones included. What was made in the future is in the way of
    /// everything and serves nobody: it is removed.
    async fn newest(&self, key: &Key) -> Vec<Result<Option<Stamp>>> {
        join_all(self.0.tiers.iter().map(|tier| self.newest_in(tier, key))).await
    }

    async fn newest_in(&self, tier: &Tier, key: &Key) -> Result<Option<Stamp>> {
        if let Some(entry) = tier.waiting(key) {
            return Ok(Some(entry.meta.stamp));
        }
        let Some(meta) = tier.stat(key).await? else { return Ok(None) };
        let now = self.clock().now();
        if meta.created > now.after(Hlc::MAX_AHEAD) {
            let _ = tier.remove(key).await;
            return Ok(None);
        }
        let counts = !meta.is_expired(now) && tier.suspects.trusts(key, &meta);
        Ok(counts.then_some(meta.stamp))
    }

    /// The newer stamp that a shared tier has kept which did not answer the look before the write: it takes an older
    /// entry without a word.
    async fn found_after(
        &self,
        key: &Key,
        stamp: Stamp,
        looks: &[Result<Option<Stamp>>],
        answers: &[Result<Placed>],
    ) -> Option<Stamp> {
        let unseen =
            self.0.tiers.iter().zip(looks).zip(answers).filter(|((tier, look), answer)| {
                tier.info.shared && look.is_err() && matches!(answer, Ok(Placed::Stored))
            });
        let found = join_all(unseen.map(|((tier, _), _)| self.newest_in(tier, key))).await;
        found.into_iter().flatten().flatten().max().filter(|newest| *newest > stamp)
    }

    async fn place_in_tiers(&self, key: &Key, entry: &Entry, forecast: &Forecast) -> Vec<Result<Placed>> {
        let wants = |tier: &Tier| {
            // A mark has to be everywhere, and a tombstone where the entry may be.
            entry.meta.role != Role::Value || (tier.options.write != WritePolicy::Skip && tier.admits(forecast))
        };
        let writes_through = |tier: &Tier| tier.options.write == WritePolicy::Through || entry.meta.role != Role::Value;
        let through = self.0.tiers.iter().any(|tier| writes_through(tier) && wants(tier) && tier.holds(entry.len()));
        let each = self.0.tiers.iter().enumerate().map(|(index, tier)| async move {
            let wanted = wants(tier);
            if wanted && through && !writes_through(tier) && tier.holds(entry.len()) {
                return Ok(self.write_back(index, key, entry).await);
            }
            drop(tier.backlog.take(key));
            tier.replace(key, entry, wanted).await
        });
        let mut answers = join_all(each).await;
        if !answers.iter().any(|answer| matches!(answer, Ok(Placed::Stored) | Err(_))) {
            // Those that the put was to wait for have refused it.
            let later = answers.iter_mut().enumerate().filter(|(_, answer)| matches!(answer, Ok(Placed::Later)));
            join_all(later.map(|(index, answer)| async move {
                let tier = &self.0.tiers[index];
                drop(tier.backlog.take(key));
                *answer = tier.replace(key, entry, true).await;
            }))
            .await;
        }
        answers
    }

    /// Has done again what tiers failed to do, and makes sure that nothing older comes back with a restart.
    async fn note_failures(&self, key: &Key, meta: &Meta, answers: &[Result<Placed>]) {
        let mut failed = Vec::new();
        for (index, (tier, answer)) in self.0.tiers.iter().zip(answers).enumerate() {
            let op = match answer {
                Ok(Placed::Later) => continue,
                Err(_) => Op::Put(Box::new(meta.clone())),
                Ok(_) if tier.suspects.contains(key) => Op::Remove(meta.stamp),
                Ok(_) => {
                    tier.recovery.forget(key);
                    continue;
                }
            };
            if tier.is_lasting() && tier.suspects.contains(key) {
                failed.push(index);
            }
            self.recover(index, key, op);
        }
        if !failed.is_empty() && !is_reserved(key) {
            self.mark_key(key, meta.stamp, &failed).await;
        } else {
            self.unmark_key(key).await;
        }
    }

    pub(super) async fn put_detached(&self, key: &Key, entry: Entry) -> Result<()> {
        self.check_open("put").map_err(|error| error.with_key(key))?;
        entry.check_body(self.0.info.max_body).map_err(|error| self.name_error(error, "put").with_key(key))?;
        check(key, &entry.meta).map_err(|error| self.name_error(error, "put"))?;
        let rights = self.begin(key, "put").await?;
        let (tiers, key) = (self.clone(), key.clone());
        let store = async move {
            let answer = tiers.store_for(&key, &entry, &Forecast::of(&entry), Telling::Write).await;
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

    pub(super) async fn place(&self) -> Result<OwnedSemaphorePermit> {
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
            Ok(panic) => {
                let error = Error::new(ErrorKind::Internal, format!("a task panicked: {}", panic_message(&*panic)));
                discard(panic);
                error
            }
            Err(_) => Error::new(ErrorKind::Unavailable, "the runtime is shutting down"),
        })
    })
}

/// What became of a put, by what its answers have to be.
fn verdict(required: Required, tiers: &[Tier], answers: Vec<Result<Placed>>) -> Result<Write> {
    let unwanted = answers.iter().any(|answer| matches!(answer, Ok(Placed::Unwanted)));
    let asked = tiers.iter().zip(answers).map(|(tier, answer)| (tier.info.durable, answer));
    let takers: Vec<_> = asked.filter(|(_, answer)| matches!(answer, Ok(Placed::Stored) | Err(_))).collect();
    if takers.is_empty() {
        let too_long = Error::new(ErrorKind::TooLarge, "no tier takes a body of this length").with_operation("put");
        return if unwanted { Ok(Write::Unwanted) } else { Err(too_long) };
    }
    let durable = required == Required::Durable && takers.iter().any(|(durable, _)| *durable);
    let counted = takers.into_iter().filter(|(is_durable, _)| !durable || *is_durable).map(|(_, answer)| answer);
    let outcome = match required {
        Required::All => counted.reduce(Result::and),
        Required::First | Required::Durable => counted.reduce(Result::or),
    };
    outcome.unwrap_or(Ok(Placed::Stored)).map(|_| Write::Stored)
}
