//! `RedisBackend`: the contract over a store, with every error named.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Error, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use futures_util::stream::{BoxStream, StreamExt};
use tokio::time::timeout;

use crate::backplane::RedisBackplane;
use crate::error::overdue;
use crate::leases::RedisLeases;
use crate::options::RedisOptions;
use crate::store::{Names, Store};

/// A call for this many keys is given the limit of a command once more.
const BATCH: usize = 64;

/// A shared [`Backend`] on Redis 6.2 or later, or Valkey: one server, a cluster, or what sentinels name.
///
/// Entries are kept under the prefix and their key, and the server drops them by itself at the end of their lifetime.
/// Every call is bounded by the limits of the options; [`get_many`](Backend::get_many) and
/// [`put_many`](Backend::put_many) take three times the limit of a command at most, and once more for every 64 keys. None
/// waits for a connection: while there is none, calls fail at once as `Unavailable`, and the backend connects again by
/// itself, for ever, with pauses of 50 ms to 2 s.
///
/// A read or a put whose connection is lost before the reply is tried once more, within its limit. Such a put may take
/// effect twice, and so undo a [`remove`](Backend::remove) by another process in between. What must stay gone is covered
/// by a tombstone or a mark, whose newer stamp wins over both, as `Tiered` does it when it invalidates.
///
/// [`usage`](Backend::usage) counts a record and its key. Entries are exact while a server has at most 100,000 keys,
/// bytes while 10,000 of them are ours; beyond, they are [said](Usage::exact) to be estimates, from as many, which the
/// server picks by hash.
/// [`scan`](Backend::scan) holds 8 bytes of memory for each key that it has seen. [`sweep`](Backend::sweep) finds what
/// the server has not dropped yet; it looks at 32,000 keys at most and goes on there the next time, saying `more`.
///
/// A record that does not verify is dropped. What is no record at all is left alone until a put replaces it. Both read
/// as absent and are counted in [`Usage::corrupt`].
///
/// Its [`leases`](Backend::leases) end by the server's clock. A token stays behind for 10 minutes, so that the next one
/// is newer: some 200 bytes for each key. Its [`backplane`](Backend::backplane) is one stream of the newest
/// [`backplane_marks`](RedisOptions::backplane_marks). Each subscription has a connection of its own; one that finds the
/// stream trimmed, lost or begun anew, or the server another one than before (started again, a replica that has taken
/// over, another node of a cluster), hears of a gap, within half the limit of a command when nothing is told meanwhile: a
/// server may come back with less than it had acknowledged. That takes a user who may call `INFO`; without, marks go
/// unnoticed that server and listener have lost both. What the server loses or evicts of these costs no wrong answer as
/// long as the clocks of the processes agree: a lost stream is a gap, a lost lease a second load.
///
/// What was acknowledged survives what the server's own persistence and replication survive. Needs tokio with its timer
/// and its I/O driver. Dropping it ends the connections.
#[derive(Debug)]
pub struct RedisBackend {
    store: Arc<Store>,
    leases: RedisLeases,
    backplane: RedisBackplane,
}

impl RedisBackend {
    /// Connects as `options` say.
    ///
    /// # Errors
    /// `Invalid` for options out of range. With [`Start::Connected`](crate::Start::Connected), `Unavailable` or
    /// `Timeout`, within the limit of connecting, when the first attempt fails.
    ///
    /// # Cancellation
    /// The connections are closed.
    pub async fn open(options: RedisOptions) -> Result<Self> {
        let name = options.name.clone();
        let opened = Store::open(options).await;
        let store = opened.map_err(|error| error.with_backend(name).with_operation("open"))?;
        let names = || Names::new(&store.options().prefix);
        let leases = RedisLeases::new(store.link(), names(), store.options().name.clone());
        let backplane = RedisBackplane::new(store.link(), names().backplane(), store.options().clone());
        Ok(Self { store: Arc::new(store), leases, backplane })
    }

    /// How long a call for `keys` keys may take: waiting for a turn and two attempts of a command, and more for more.
    fn limit_of_many(&self, keys: usize) -> Duration {
        let batches = u32::try_from(keys / BATCH).unwrap_or(u32::MAX);
        self.store.options().command_timeout.saturating_mul(batches.saturating_add(3))
    }

    fn named<'a>(&'a self, operation: &'static str, key: &'a Key) -> impl Fn(Error) -> Error + 'a {
        move |error| self.unkeyed(operation)(error).with_key(key)
    }

    fn unkeyed(&self, operation: &'static str) -> impl Fn(Error) -> Error + Send + '_ {
        move |error| error.with_backend(self.store.options().name.clone()).with_operation(operation)
    }
}

#[async_trait]
impl Backend for RedisBackend {
    fn info(&self) -> BackendInfo {
        let mut info = BackendInfo::new(self.store.options().name.clone());
        info.durable = true;
        info.shared = true;
        info.native_ttl = true;
        info.max_body = self.store.options().max_body;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.store.stat(key).await.map_err(self.named("stat", key))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.store.get(key).await.map_err(self.named("get", key))
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let limit = self.limit_of_many(keys.len());
        let mut answers = match timeout(limit, self.store.get_many(keys)).await {
            Ok(answers) => answers,
            Err(_) => keys.iter().map(|_| Err(overdue(limit))).collect(),
        };
        for (answer, key) in answers.iter_mut().zip(keys) {
            if let Err(error) = answer {
                *error = self.named("get_many", key)(error.clone());
            }
        }
        answers
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.store.put(key, &entry).await.map_err(self.named("put", key))
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let limit = self.limit_of_many(entries.len());
        let mut answers = match timeout(limit, self.store.put_many(&entries)).await {
            Ok(answers) => answers,
            Err(_) => entries.iter().map(|_| Err(overdue(limit))).collect(),
        };
        for (answer, (key, _)) in answers.iter_mut().zip(&entries) {
            if let Err(error) = answer {
                *error = self.named("put_many", key)(error.clone());
            }
        }
        answers
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.store.renew(key, present, &meta).await.map_err(self.named("renew", key))
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.store.remove(key).await.map_err(self.named("remove", key))
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let found = self.store.scan(prefix.clone());
        found.map(|found| found.map_err(self.unkeyed("scan"))).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.store.usage().await.map_err(self.unkeyed("usage"))
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.store.sweep(now, limit).await.map_err(self.unkeyed("sweep"))
    }

    fn leases(&self) -> Option<&dyn Leases> {
        Some(&self.leases)
    }

    fn backplane(&self) -> Option<&dyn Backplane> {
        Some(&self.backplane)
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await;
        Ok(())
    }
}
