//! `Case`: one backend under test with its clock, and what rules do with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cache_core::{
    Backend, Clock, Entry, Hlc, Key, KeyPrefix, Lifetime, ManualClock, Meta, Result, Stamp, Timestamp, Usage,
};
use futures_util::TryStreamExt;

use crate::Stamps;

/// The most bytes of the note of a remove.
const NOTE: u64 = 1 << 10;

/// One backend under test with its clock.
#[derive(Debug)]
#[non_exhaustive]
pub struct Case {
    /// The backend; rules spawn tasks that share it.
    pub backend: Arc<dyn Backend>,
    /// The clock that it was opened with.
    pub clock: Arc<ManualClock>,
    stamps: Hlc,
    /// Those of a backend that notes removes.
    backends_own: Option<Stamps>,
}

impl Case {
    /// A case of `backend`, which was opened with `clock`.
    pub fn new(backend: impl Backend, clock: Arc<ManualClock>) -> Self {
        Self { backend: Arc::new(backend), stamps: Hlc::new(clock.clone()), clock, backends_own: None }
    }

    /// The case of a backend that [notes removes](crate::Fixture::notes_removes).
    #[must_use]
    pub fn noting_removes(self, stamps: Stamps) -> Self {
        Self { backends_own: Some(stamps), ..self }
    }

    /// A stamp newer than all before.
    pub fn stamp(&self) -> Stamp {
        self.backends_own.as_ref().map_or_else(|| self.stamps.tick(), Stamps::tick)
    }

    /// The instant at which the clock stands.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An entry with the newest stamp that never expires.
    pub fn entry(&self, body: impl Into<Bytes>) -> Entry {
        Entry::new(Meta::new(self.stamp(), self.now()), body)
    }

    /// An entry with the newest stamp that lives for `lifetime` from the present instant on.
    pub fn lasting(&self, lifetime: Lifetime, body: impl Into<Bytes>) -> Entry {
        Entry::new(Meta::new(self.stamp(), self.now()).with_lifetime(lifetime), body)
    }

    /// Puts a new entry that never expires and returns it.
    pub async fn put(&self, key: &Key, body: impl Into<Bytes>) -> Result<Entry> {
        let entry = self.entry(body);
        self.backend.put(key, entry.clone()).await?;
        Ok(entry)
    }

    /// Everything that a scan of `prefix` finds.
    pub async fn scan(&self, prefix: &KeyPrefix) -> Result<Vec<(Key, Meta)>> {
        self.backend.scan(prefix).try_collect().await
    }

    /// Everything held that has not expired, sorted.
    pub async fn all(&self) -> Result<BTreeMap<Key, Meta>> {
        Ok(self.scan(&KeyPrefix::all()).await?.into_iter().collect())
    }

    /// Asserts that `get`, `get_many`, `stat` and `scan` all find `entry` under `key`.
    pub(crate) async fn assert_holds(&self, key: &Key, entry: &Entry) -> Result<()> {
        let (stat, get, get_many, scan) = self.look(key).await?;
        assert_eq!(stat.as_ref(), Some(&entry.meta), "stat of {key}");
        assert!(get.as_ref() == Some(entry), "get of {key} answered {}", describe(get.as_ref()));
        assert!(get_many.as_ref() == Some(entry), "get_many of {key} answered {}", describe(get_many.as_ref()));
        assert_eq!(scan, std::slice::from_ref(&entry.meta), "metas that scan finds for {key}");
        Ok(())
    }

    /// Asserts that no read finds `key`.
    pub(crate) async fn assert_absent(&self, key: &Key) -> Result<()> {
        let (stat, get, get_many, scan) = self.look(key).await?;
        assert_eq!(stat, None, "stat of {key}");
        assert!(get.is_none(), "get of {key} answered {}", describe(get.as_ref()));
        assert!(get_many.is_none(), "get_many of {key} answered {}", describe(get_many.as_ref()));
        assert_eq!(scan, [], "metas that scan finds for {key}");
        Ok(())
    }

    /// Asserts that `usage` counts `entries` and `bytes`, and no more than [`notes_on`](Self::notes_on) `removed` keys.
    pub(crate) fn assert_usage(&self, usage: Usage, entries: u64, bytes: u64, removed: u64, when: &str) {
        let counts = self.counts(usage, entries, bytes, removed);
        assert!(counts, "{when}: {usage:?}, not {entries} entries of {bytes} bytes, with {removed} keys removed");
    }

    /// Whether `usage` counts `entries` and `bytes`, and no more than [`notes_on`](Self::notes_on) `removed` keys.
    pub(crate) fn counts(&self, usage: Usage, entries: u64, bytes: u64, removed: u64) -> bool {
        let notes = self.notes_on(removed);
        (entries..=entries + notes.entries).contains(&usage.entries)
            && (bytes..=bytes + notes.bytes).contains(&usage.bytes)
    }

    /// The most that usage may count for `removed` keys: nothing, unless the backend notes removes.
    pub(crate) fn notes_on(&self, removed: u64) -> Usage {
        let mut notes = Usage::default();
        if self.backends_own.is_some() {
            (notes.entries, notes.bytes) = (removed, removed * NOTE);
        }
        notes
    }

    async fn look(&self, key: &Key) -> Result<(Option<Meta>, Option<Entry>, Option<Entry>, Vec<Meta>)> {
        let stat = self.backend.stat(key).await?;
        let get = self.backend.get(key).await?;
        let mut many = self.backend.get_many(std::slice::from_ref(key)).await;
        assert_eq!(many.len(), 1, "answers of get_many to one key");
        let get_many = many.pop().transpose()?.flatten();
        let below = self.scan(&KeyPrefix::below(key)).await?;
        let metas = below.into_iter().filter(|(found, _)| found == key).map(|(_, meta)| meta).collect();
        Ok((stat, get, get_many, metas))
    }
}

/// An entry in a message: bodies may be long.
pub(crate) fn describe(entry: Option<&Entry>) -> String {
    match entry {
        None => "nothing".to_owned(),
        Some(entry) => {
            let start = &entry.body[..entry.body.len().min(32)];
            format!("{:?} with {} bytes {start:?}", entry.meta, entry.len())
        }
    }
}
