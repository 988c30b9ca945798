//! `NaiveModel`: a backend too simple to be wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Clock, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use parking_lot::Mutex;

/// One sorted map behind one lock, without bounds: the oracle of randomised tests.
#[derive(Debug)]
pub struct NaiveModel {
    clock: Arc<dyn Clock>,
    /// `None` once closed.
    state: Mutex<Option<State>>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, Entry>,
    expired: u64,
}

impl NaiveModel {
    /// An empty model on `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::new(Some(State::default())) }
    }

    fn with<T>(&self, operation: &'static str, work: impl FnOnce(&mut State, Timestamp) -> T) -> Result<T> {
        let now = self.clock.now();
        match &mut *self.state.lock() {
            Some(state) => Ok(work(state, now)),
            None => Err(Error::new(ErrorKind::Closed, "the backend was closed: open a new one")
                .with_backend("naive")
                .with_operation(operation)),
        }
    }
}

#[async_trait]
impl Backend for NaiveModel {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("naive")
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.with("stat", |state, now| state.live(key, now).map(|entry| entry.meta.clone()))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.with("get", |state, now| state.live(key, now).cloned())
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.with("put", |state, now| {
            entry.check_body(Entry::MAX_BODY)?;
            let outdated = state.live(key, now).is_some_and(|present| present.meta.stamp > entry.meta.stamp);
            if !outdated && !entry.meta.is_expired(now) {
                state.entries.insert(key.clone(), entry);
            }
            Ok(())
        })?
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.with("renew", |state, now| {
            let there =
                state.live(key, now).is_some_and(|entry| entry.meta.stamp == present && entry.meta.role == meta.role);
            if !there || meta.stamp < present || meta.is_expired(now) {
                return false;
            }
            state.entries.entry(key.clone()).and_modify(|entry| entry.meta = meta);
            true
        })
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.with("remove", |state, now| state.entries.remove(key).is_some_and(|entry| !entry.meta.is_expired(now)))
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let found = self.with("scan", |state, now| {
            let live = state.entries.iter().filter(|(_, entry)| !entry.meta.is_expired(now));
            let below = live.filter(|(key, _)| prefix.matches(key));
            below.map(|(key, entry)| Ok((key.clone(), entry.meta.clone()))).collect()
        });
        stream::iter(found.unwrap_or_else(|error| vec![Err(error)])).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.with("usage", |state, _| {
            let mut usage = Usage::default();
            usage.entries = state.entries.len() as u64;
            usage.bytes = state.entries.iter().map(|(key, entry)| weight(key, entry)).sum();
            usage.exact = true;
            usage.expired = state.expired;
            usage
        })
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.with("sweep", |state, _| state.sweep(now, limit))
    }

    async fn close(&self) -> Result<()> {
        *self.state.lock() = None;
        Ok(())
    }
}

impl State {
    fn live(&self, key: &Key, now: Timestamp) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| !entry.meta.is_expired(now))
    }

    fn sweep(&mut self, now: Timestamp, limit: usize) -> Swept {
        let expired = self.entries.iter().filter(|(_, entry)| entry.meta.is_expired(now));
        let expired: Vec<Key> = expired.map(|(key, _)| key.clone()).collect();
        let mut swept = Swept::new(0, 0, expired.len() > limit);
        for key in expired.iter().take(limit) {
            let bytes = self.entries.remove(key).map_or(0, |entry| weight(key, &entry));
            swept += Swept::new(1, bytes, false);
        }
        self.expired += swept.expired;
        swept
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

fn weight(key: &Key, entry: &Entry) -> u64 {
    key.as_str().len() as u64 + entry.len()
}
