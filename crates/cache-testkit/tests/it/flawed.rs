//! `Flawed`: a naive model with one deliberate flaw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{
    Backend, BackendInfo, Clock, Entry, Error, ErrorKind, Key, KeyPrefix, ManualClock, Meta, Result, Role, Stamp,
    Swept, Timestamp, Usage,
};
use cache_testkit::NaiveModel;
use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    OlderStampWins,
    EqualStampLoses,
    ExpiresLate,
    ReadsExtendLife,
    ScanFindsExpired,
    ScanTakesPrefixAsText,
    MissIsError,
    BodyLosesEnd,
    MetaLosesTags,
    DebugShowsBodies,
    KeysFoldCase,
    RefusalRemoves,
    RemoveIsAlwaysTrue,
    DroppedRemoveJams,
    GetManySorts,
    PutManyStopsAtError,
    PutManyReverses,
    LatePutRemoves,
    UsageOnlyGrows,
    SweepIgnoresLimit,
    SweepIgnoresInstant,
    SweepNeverEnds,
    PutIsTorn,
    PutComparesEarly,
    PutRemovesFirst,
    CloseDoesNothing,
    CallsAfterClosePanic,
    SecondCloseFails,
    RenewIsAlwaysTrue,
    RenewIgnoresStamp,
    RenewTakesOlderStamp,
    RenewRevives,
    LateRenewRemoves,
    RenewKeepsDeadlines,
    RenewKeepsTags,
    RenewEmptiesBody,
    RenewTakesSteps,
    RenewRemovesFirst,
    RenewCountsTwice,
    RenewAfterCloseIsFalse,
    RolesAreForgotten,
}

pub(crate) struct Flawed {
    flaw: Flaw,
    inner: NaiveModel,
    clock: Arc<ManualClock>,
    /// Everything ever put.
    seen: Mutex<Vec<(Key, Entry)>>,
    closed: AtomicU64,
    /// Whether a remove has begun and not ended.
    removing: AtomicBool,
}

impl Flawed {
    pub(crate) fn new(flaw: Flaw, clock: Arc<ManualClock>) -> Self {
        let inner = if flaw == Flaw::ExpiresLate {
            NaiveModel::new(Arc::new(Behind(clock.clone())))
        } else {
            NaiveModel::new(clock.clone())
        };
        Self { flaw, inner, clock, seen: Mutex::default(), closed: AtomicU64::new(0), removing: AtomicBool::new(false) }
    }

    fn key(&self, key: &Key) -> Key {
        if self.flaw == Flaw::KeysFoldCase {
            Key::parse(&key.as_str().to_lowercase()).unwrap_or_else(|_| key.clone())
        } else {
            key.clone()
        }
    }

    /// Brings an expired entry back for a moment: long enough to be renewed.
    async fn revive(&self, key: &Key, stamp: Stamp) -> Result<()> {
        let found = self.seen.lock().iter().find(|(held, entry)| held == key && entry.meta.stamp == stamp).cloned();
        if let Some((key, mut entry)) = found {
            entry.meta.stale_until = Timestamp::NEVER;
            self.inner.put(&key, entry).await?;
        }
        Ok(())
    }

    fn ended(&self) -> bool {
        self.closed.load(Ordering::SeqCst) > 0
    }
}

#[async_trait]
impl Backend for Flawed {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        assert!(self.flaw != Flaw::CallsAfterClosePanic || !self.ended(), "used after close");
        self.inner.stat(&self.key(key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let found = self.inner.get(&self.key(key)).await?;
        match (self.flaw, found) {
            (Flaw::MissIsError, None) => Err(Error::new(ErrorKind::Unavailable, "not found")),
            (Flaw::ReadsExtendLife, Some(mut entry)) => {
                entry.meta.fresh_until = entry.meta.fresh_until.after(Duration::from_secs(10));
                entry.meta.stale_until = entry.meta.stale_until.after(Duration::from_secs(10));
                self.inner.put(key, entry.clone()).await?;
                Ok(Some(entry))
            }
            (_, found) => Ok(found),
        }
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let mut keys = keys.to_vec();
        if self.flaw == Flaw::GetManySorts {
            keys.sort();
            keys.dedup();
        }
        let mut answers = Vec::new();
        for key in &keys {
            answers.push(self.inner.get(&self.key(key)).await);
        }
        answers
    }

    async fn put(&self, key: &Key, mut entry: Entry) -> Result<()> {
        let key = &self.key(key);
        self.seen.lock().push((key.clone(), entry.clone()));
        match self.flaw {
            Flaw::OlderStampWins => drop(self.inner.remove(key).await?),
            Flaw::LatePutRemoves if entry.meta.is_expired(self.clock.now()) => drop(self.inner.remove(key).await?),
            Flaw::EqualStampLoses => {
                let present = self.inner.stat(key).await?;
                if present.is_some_and(|meta| meta.stamp >= entry.meta.stamp) {
                    return Ok(());
                }
            }
            Flaw::BodyLosesEnd => drop(entry.body.split_off(entry.body.len().saturating_sub(1))),
            Flaw::RolesAreForgotten => entry.meta.role = Role::Value,
            Flaw::MetaLosesTags => entry.meta.tags = Arc::default(),
            Flaw::RefusalRemoves if entry.len() > Entry::MAX_BODY => drop(self.inner.remove(key).await?),
            Flaw::PutIsTorn => {
                let mut half = entry.clone();
                let mut body = entry.body.to_vec();
                let middle = body.len() / 2;
                body[middle..].fill(0xEE);
                half.body = Bytes::from(body);
                self.inner.put(key, half).await?;
                tokio::task::yield_now().await;
            }
            Flaw::PutComparesEarly => {
                let present = self.inner.stat(key).await?;
                tokio::task::yield_now().await;
                if present.is_none_or(|meta| meta.stamp <= entry.meta.stamp) {
                    self.inner.remove(key).await?;
                    return self.inner.put(key, entry).await;
                }
                return Ok(());
            }
            Flaw::PutRemovesFirst => {
                self.inner.remove(key).await?;
                tokio::task::yield_now().await;
            }
            _ => {}
        }
        self.inner.put(key, entry).await
    }

    async fn put_many(&self, mut entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        if self.flaw == Flaw::PutManyReverses {
            entries.reverse();
        }
        let mut answers = Vec::new();
        for (key, entry) in entries {
            let stopped = self.flaw == Flaw::PutManyStopsAtError && answers.iter().any(Result::is_err);
            answers.push(if stopped { Ok(()) } else { self.put(&key, entry).await });
        }
        answers
    }

    async fn renew(&self, key: &Key, present: Stamp, mut meta: Meta) -> Result<bool> {
        match self.flaw {
            Flaw::RenewAfterCloseIsFalse if self.ended() => return Ok(false),
            Flaw::RenewRevives => self.revive(key, present).await?,
            _ => {}
        }
        let Some(mut entry) = self.inner.get(key).await? else { return Ok(self.flaw == Flaw::RenewIsAlwaysTrue) };
        let is_meant = entry.meta.stamp == present;
        match self.flaw {
            Flaw::RenewIgnoresStamp => return self.inner.renew(key, entry.meta.stamp, meta).await,
            Flaw::RenewTakesOlderStamp if is_meant => drop(self.inner.remove(key).await?),
            Flaw::LateRenewRemoves if meta.is_expired(self.clock.now()) => drop(self.inner.remove(key).await?),
            Flaw::RenewKeepsDeadlines if is_meant => meta.stale_until = entry.meta.stale_until,
            Flaw::RenewKeepsTags if is_meant => meta.tags = entry.meta.tags,
            Flaw::RenewCountsTwice => self.inner.put(&Key::of("second").build()?, entry.clone()).await?,
            Flaw::RenewTakesSteps if is_meant => tokio::task::yield_now().await,
            Flaw::RenewRemovesFirst if is_meant => {
                self.inner.remove(key).await?;
                tokio::task::yield_now().await;
            }
            Flaw::RenewEmptiesBody if is_meant => entry.body.clear(),
            _ => return self.inner.renew(key, present, meta).await,
        }
        self.inner.put(key, Entry::new(meta, entry.body)).await?;
        Ok(true)
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        if self.flaw == Flaw::DroppedRemoveJams {
            if self.removing.swap(true, Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Unavailable, "another remove is under way"));
            }
            tokio::task::yield_now().await;
            self.removing.store(false, Ordering::SeqCst);
        }
        let removed = self.inner.remove(&self.key(key)).await?;
        Ok(removed || self.flaw == Flaw::RemoveIsAlwaysTrue)
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        match self.flaw {
            Flaw::ScanFindsExpired => {
                let seen = self.seen.lock();
                let below = seen.iter().filter(|(key, _)| prefix.matches(key));
                stream::iter(below.map(|(key, entry)| Ok((key.clone(), entry.meta.clone()))).collect::<Vec<_>>())
                    .boxed()
            }
            Flaw::ScanTakesPrefixAsText => {
                let text = prefix.as_str().to_owned();
                let all = self.inner.scan(&KeyPrefix::all());
                let starts = move |found: &Result<(Key, Meta)>| {
                    std::future::ready(found.as_ref().map_or(true, |(key, _)| key.as_str().starts_with(&text)))
                };
                all.filter(starts).boxed()
            }
            _ => self.inner.scan(prefix),
        }
    }

    async fn usage(&self) -> Result<Usage> {
        let mut usage = self.inner.usage().await?;
        if self.flaw == Flaw::UsageOnlyGrows {
            usage.bytes = self.seen.lock().iter().map(|(key, entry)| key.as_str().len() as u64 + entry.len()).sum();
        }
        Ok(usage)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let limit = if self.flaw == Flaw::SweepIgnoresLimit { usize::MAX } else { limit };
        let now = if self.flaw == Flaw::SweepIgnoresInstant { self.clock.now() } else { now };
        let mut swept = self.inner.sweep(now, limit).await?;
        swept.more |= self.flaw == Flaw::SweepNeverEnds;
        Ok(swept)
    }

    async fn close(&self) -> Result<()> {
        let earlier = self.closed.fetch_add(1, Ordering::SeqCst);
        match self.flaw {
            Flaw::CloseDoesNothing => Ok(()),
            Flaw::SecondCloseFails if earlier > 0 => Err(Error::new(ErrorKind::Closed, "closed already")),
            _ => self.inner.close().await,
        }
    }
}

impl std::fmt::Debug for Flawed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.flaw {
            Flaw::DebugShowsBodies => write!(f, "{:?}", self.seen.lock()),
            _ => write!(f, "Flawed at {:?}", self.clock.now()),
        }
    }
}

/// A clock one millisecond behind another.
#[derive(Debug)]
struct Behind(Arc<ManualClock>);

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now().as_millis() - 1)
    }
}
