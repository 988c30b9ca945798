//! `Signed`: what others wrote into a shared backend is not believed.

mod key;
mod seal;

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use futures_util::stream::{BoxStream, StreamExt};

use crate::offload::Workers;
pub use key::SigningKey;
use seal::{Keys, Opened};

/// A backend whose entries are signed: for servers that others may write to as well.
///
/// # What is signed
/// The key, the meta and the body of each entry, by BLAKE3's keyed hash. Whoever has the secret reads and writes; an entry
/// that was changed, moved to another key or made without it is none: it is removed when it is met, counted in
/// [`Usage::corrupt`] and read as absent. Entries that were put without this layer are such entries.
///
/// # What is not
/// Nothing is secret: bodies stay readable. Who can write can also remove entries, and put back an older entry of the same key that
/// was signed; deadlines and stamps, which are signed, bound what that is worth. [`Backend::usage`] counts what is there,
/// whoever put it. Leases and backplane pass through: who can write there can hold loads up and invalidate.
///
/// # Stored form
/// The codec in the meta ends in a seal such as `msgpack+rls1-` and 128 hexadecimal digits. `Meta` comes back equal to what was put,
/// from every method, and `stat` and `scan` verify it without the body.
///
/// # Cost and cancellation
/// One pass over the body for each read and write. From 64 KiB on, of a whole batch as of one body, it is made on tokio's
/// threads for blocking work, one for each core at once, and needs a tokio runtime. [`renew`](Backend::renew) costs one
/// more `stat`. Cancelling a write before it has reached the backend inside changes nothing.
#[derive(Debug)]
pub struct Signed<B> {
    inner: B,
    keys: Arc<Keys>,
    workers: Workers,
    /// Entries met that nobody signed.
    forged: AtomicU64,
}

impl<B: Backend> Signed<B> {
    /// Signs what is put into `inner` with `key`, and believes what is signed with it.
    pub fn new(inner: B, key: SigningKey) -> Self {
        Self { inner, keys: Arc::new(Keys::new(key)), workers: Workers::one_for_each_core(), forged: AtomicU64::new(0) }
    }

    /// Believes what is signed with `key` as well: a former one, until its entries have expired.
    #[must_use]
    pub fn accept(mut self, key: SigningKey) -> Self {
        self.keys = Arc::new(self.keys.with_former(key));
        self
    }

    /// The backend inside. What it holds is in stored form.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    /// Takes what nobody signed out of the backend. A genuine entry that came since it was read may go with it, as by an
    /// eviction.
    async fn drop_forged(&self, key: &Key) {
        self.forged.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.inner.remove(key).await {
            tracing::warn!(%error, "an entry that nobody signed could not be removed");
        }
    }

    async fn own<T>(&self, key: &Key, found: Opened<T>) -> Option<T> {
        match found {
            Opened::Genuine(own) => Some(own),
            Opened::Absent => None,
            Opened::Forged => {
                self.drop_forged(key).await;
                None
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Signed<B> {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        let found = self.keys.open_meta(key, self.inner.stat(key).await?);
        Ok(self.own(key, found).await)
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let Some(entry) = self.inner.get(key).await? else { return Ok(None) };
        let (keys, name) = (self.keys.clone(), key.clone());
        let found = self.workers.run(entry.len(), move || keys.open(&name, Some(entry))).await?;
        Ok(self.own(key, found).await)
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let answers = self.inner.get_many(keys).await;
        let bytes = answers.iter().flatten().flatten().map(Entry::len).sum();
        let (signers, names) = (self.keys.clone(), keys.to_vec());
        let work = move || {
            let open = |(answer, key): (Result<Option<Entry>>, &Key)| answer.map(|entry| signers.open(key, entry));
            answers.into_iter().zip(&names).map(open).collect::<Vec<_>>()
        };
        let opened = match self.workers.run(bytes, work).await {
            Ok(opened) => opened,
            Err(error) => return keys.iter().map(|key| Err(error.clone().with_key(key))).collect(),
        };
        let mut own = Vec::with_capacity(keys.len());
        for (found, key) in opened.into_iter().zip(keys) {
            own.push(match found {
                Ok(found) => Ok(self.own(key, found).await),
                Err(error) => Err(error),
            });
        }
        own
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let (keys, name) = (self.keys.clone(), key.clone());
        let sealed = self.workers.run(entry.len(), move || keys.seal(&name, entry)).await??;
        self.inner.put(key, sealed).await
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let bytes = entries.iter().map(|(_, entry)| entry.len()).sum();
        let names: Vec<Key> = entries.iter().map(|(key, _)| key.clone()).collect();
        let keys = self.keys.clone();
        let seal = move |(key, entry): (Key, Entry)| {
            let sealed = keys.seal(&key, entry);
            (key, sealed)
        };
        let work = move || entries.into_iter().map(seal).collect::<Vec<_>>();
        let sealed = match self.workers.run(bytes, work).await {
            Ok(sealed) => sealed,
            Err(error) => return names.iter().map(|key| Err(error.clone().with_key(key))).collect(),
        };
        let mut stored = Vec::with_capacity(sealed.len());
        let asked = sealed.into_iter().map(|(key, sealed)| sealed.map(|entry| stored.push((key, entry))));
        let asked = asked.collect();
        crate::batch::merge(asked, self.inner.put_many(stored).await, &names)
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        let Some(stored) = self.inner.stat(key).await?.filter(|stored| stored.stamp == present) else {
            return Ok(false);
        };
        match self.keys.seal_anew(key, stored, meta)? {
            Opened::Genuine(sealed) => self.inner.renew(key, present, sealed).await,
            Opened::Absent => Ok(false),
            Opened::Forged => {
                self.drop_forged(key).await;
                Ok(false)
            }
        }
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.inner.remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let own = move |found: Result<(Key, Meta)>| {
            ready(match found {
                Ok((key, meta)) => match self.keys.open_meta(&key, Some(meta)) {
                    Opened::Genuine(meta) => Some(Ok((key, meta))),
                    Opened::Absent | Opened::Forged => None,
                },
                Err(error) => Some(Err(error)),
            })
        };
        self.inner.scan(prefix).filter_map(own).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        let mut usage = self.inner.usage().await?;
        usage.corrupt += self.forged.load(Ordering::Relaxed);
        Ok(usage)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.inner.sweep(now, limit).await
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.inner.leases()
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        self.inner.backplane()
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
