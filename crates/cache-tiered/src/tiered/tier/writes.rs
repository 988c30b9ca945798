//! Writes of one tier: what failed is not served from there.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cache_core::{Backend, DAY, Entry, Error, ErrorKind, Hlc, Key, Lifetime, Meta, Result, Role, Stamp, ttl};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Tier, impatient};
use crate::guard::guarded;
use crate::tiered::marking::is_reserved;
use crate::tiered::suspects::Suspects;

/// How long a tombstone is kept: no load may take longer.
const TOMBSTONE: Lifetime = ttl(DAY.saturating_mul(8));

/// What became of an entry that a tier was to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tiered) enum Placed {
    Stored,
    /// The body is longer than the tier takes.
    TooLong,
    /// The tier is not given such entries.
    Unwanted,
    /// The tier is going to be written in the background.
    Later,
}

impl Tier {
    /// Stores `entry` if it is `wanted`, or makes sure that nothing older is served from here.
    pub(in crate::tiered) async fn replace(&self, key: &Key, entry: &Entry, wanted: bool) -> Result<Placed> {
        let (failure, refusal) = if !self.holds(entry.len()) {
            (None, Placed::TooLong)
        } else if !wanted {
            (None, Placed::Unwanted)
        } else {
            match self.put(key, entry).await {
                Ok(()) => return Ok(Placed::Stored),
                Err(error) => (Some(error).filter(|error| error.kind() != ErrorKind::TooLarge), Placed::TooLong),
            }
        };
        if let Some(error) = &failure {
            self.puts_failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(tier = %self.name(), %error, "a tier did not take an entry");
        }
        if failure.as_ref().is_some_and(|error| error.kind() == ErrorKind::Timeout) {
            // The write may still be under way; what it stores is at least as new as the floor.
            self.suspects.add(key, entry.meta.stamp, self.common.clock.now());
        } else {
            // A failure leaves the key suspect.
            let _ = self.discard(key, entry.meta.stamp).await;
        }
        failure.map_or(Ok(refusal), Err)
    }

    /// Copies an entry from another tier.
    pub(in crate::tiered) async fn promote(&self, key: &Key, entry: &Entry) -> Result<()> {
        self.put(key, entry).await?;
        self.promoted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Removes `key`, or makes sure that it is not served from here. An entry that would not have been served does
    /// not count as found.
    pub(in crate::tiered) async fn remove(&self, key: &Key) -> Result<bool> {
        let suspect = self.suspects.contains(key);
        match self.remove_plain(key).await {
            Ok(found) => {
                self.suspects.clear(key);
                Ok(found && !suspect)
            }
            Err(error) => {
                self.distrust(key, Suspects::EVERYTHING, &error);
                Err(error)
            }
        }
    }

    /// Takes away what is older than `stamp`, or makes sure that it is not served from here. Of a tier that is not
    /// shared, this process has put all there is under `key`: it goes. In a shared one, what another process has put or
    /// removed since stays.
    pub(in crate::tiered) async fn discard(&self, key: &Key, stamp: Stamp) -> Result<bool> {
        if !self.info.shared || is_reserved(key) {
            return self.remove(key).await;
        }
        let suspect = self.suspects.contains(key);
        match self.drop_older(key, stamp).await {
            Ok(found) => {
                self.suspects.clear(key);
                Ok(found && !suspect)
            }
            Err(error) => {
                self.distrust(key, stamp, &error);
                Err(error)
            }
        }
    }

    /// Leaves a tombstone of `stamp` under `key`, or makes sure that it is not served from here.
    pub(in crate::tiered) async fn bury(&self, key: &Key, stamp: Stamp) -> Result<()> {
        let mut meta = Meta::new(stamp, self.common.clock.now()).with_lifetime(TOMBSTONE);
        meta.role = Role::Tombstone;
        match self.put_plain(key, Entry::new(meta, "")).await {
            Ok(()) => {
                self.suspects.clear(key);
                Ok(())
            }
            Err(error) => {
                self.distrust(key, stamp, &error);
                Err(error)
            }
        }
    }

    /// Takes an entry of `key` away if it is older than `stamp`, or from a clock that cannot be followed; whether
    /// there was one. A shared tier gets a tombstone: a newer entry of another process stays in any case.
    pub(in crate::tiered) async fn drop_older(&self, key: &Key, stamp: Stamp) -> Result<bool> {
        // A write under way that nobody waits for any more may still bring an older one.
        drop(self.order.turn(key, self.patience).await?);
        let Some(present) = self.stat(key).await? else { return Ok(false) };
        let followed = self.common.stamps.observe(present.stamp);
        let newer = followed && (present.stamp >= stamp || present.role == Role::Tombstone);
        if newer || present.role == Role::Mark {
            return Ok(false);
        }
        if self.info.shared && followed {
            self.bury(key, stamp).await.map(|()| true)
        } else {
            self.remove_plain(key).await
        }
    }

    /// Gives the entry with the stamp `present` a new meta; whether it was here.
    pub(in crate::tiered) async fn renew(&self, key: &Key, present: Stamp, meta: &Meta) -> Result<bool> {
        if !self.is_read() || self.suspects.contains(key) || present < self.suspects.floor(key) {
            return Ok(false);
        }
        let meta = meta.clone();
        self.write("renew", key, move |backend, key| async move { backend.renew(&key, present, meta).await }).await
    }

    /// Puts an entry as it is.
    pub(in crate::tiered) async fn put_plain(&self, key: &Key, entry: Entry) -> Result<()> {
        self.write("put", key, |backend, key| async move { backend.put(&key, entry).await }).await
    }

    /// Removes a key, and draws no conclusion.
    pub(in crate::tiered) async fn remove_plain(&self, key: &Key) -> Result<bool> {
        self.write("remove", key, |backend, key| async move { backend.remove(&key).await }).await
    }

    /// Puts an entry in the place of what is here.
    pub(in crate::tiered) async fn put(&self, key: &Key, entry: &Entry) -> Result<()> {
        if !self.suspects.contains(key) {
            return self.put_plain(key, entry.clone()).await;
        }
        let (entry, is_shared, common) = (entry.clone(), self.info.shared, self.common.clone());
        let work = |backend: Arc<dyn Backend>, key: Key| async move {
            let present = match backend.stat(&key).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => None,
                present => present?,
            };
            // What should have gone may have a newer stamp than the entry, and would win over it. In a shared tier, it
            // may be what another process has put since.
            if let Some(present) = present.filter(|present| present.stamp > entry.meta.stamp)
                && (!common.stamps.observe(present.stamp) || !is_shared)
            {
                backend.remove(&key).await?;
            }
            backend.put(&key, entry).await
        };
        self.write("put", key, work).await?;
        self.suspects.clear(key);
        Ok(())
    }

    /// Whether no stamp of this process can be newer.
    pub(in crate::tiered) fn is_ahead(&self, stamp: Stamp) -> bool {
        stamp > Stamp::first_of(self.common.clock.now().after(Hlc::MAX_AHEAD))
    }

    fn distrust(&self, key: &Key, floor: Stamp, error: &Error) {
        self.suspects.add(key, floor, self.common.clock.now());
        self.removes_failed.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(tier = %self.name(), %error, "a tier did not remove a key: it is not served from there");
    }

    /// Runs a write after those of the same key before it. When patience ends it goes on by itself, in a place of its
    /// own among the [`WRITES`](super::WRITES), and later writes of the key still wait for it.
    async fn write<T, F>(
        &self,
        operation: &'static str,
        key: &Key,
        work: impl FnOnce(Arc<dyn Backend>, Key) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let deadline = Instant::now() + self.patience;
        let begin = async {
            let place = timeout_at(deadline, self.writes.clone().acquire_owned()).await;
            let place = place.ok().and_then(std::result::Result::ok).ok_or_else(|| impatient(self.patience))?;
            let turn = self.order.turn(key, deadline - Instant::now()).await?;
            Ok((place, turn))
        };
        let named = |error: Error| self.name_error(error, operation).with_key(key);
        let rights = begin.await.map_err(named)?;
        let work = guarded(work(self.backend.clone(), key.clone()));
        let mut work = Box::pin(async move {
            let answer = work.await;
            drop(rights);
            answer
        });
        if let Ok(answer) = timeout_at(deadline, &mut work).await {
            if answer.is_ok() {
                self.recovery.works();
            }
            return answer.map_err(named);
        }
        self.behind.send_modify(|behind| *behind += 1);
        let ends = Behind(self.behind.clone());
        tokio::spawn(async move {
            let _ends = ends;
            work.await
        });
        Err(named(impatient(self.patience)))
    }
}

/// A write that nobody waits for any more; it ends when this is dropped.
struct Behind(watch::Sender<usize>);

impl Drop for Behind {
    fn drop(&mut self) {
        self.0.send_modify(|behind| *behind -= 1);
    }
}
