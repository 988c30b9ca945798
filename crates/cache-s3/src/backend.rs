//! `ObjectBackend`: the contract over an object store.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path;
use tokio::time::{Instant, timeout_at};

use crate::config::{Kind, ObjectConfig};
use crate::engine::Engine;
use crate::error::timeout;
use crate::listing::Cursor;

/// Requests of one call at the same time.
pub(crate) const LOOKS: usize = 32;

/// A [`Backend`] that keeps each entry as one object in an object store.
///
/// # Objects
/// An object is named by BLAKE3 of its key, below the prefix; it holds the key, the meta and the body under checksums
/// of its own. Every read compares the key and verifies the checksums: what was cut, changed or mixed up on the way
/// is [`ErrorKind::Corrupt`], never a short body. Such an object stays until it is replaced or removed: no sweep takes
/// what a newer version may have written. Objects below the prefix with other names are neither touched nor counted.
///
/// # Several processes
/// Where the store compares and writes in one step (S3, Google, Azure, memory), an older stamp never wins, whoever
/// puts. On a local path, and with `conditional_put=disabled`, that holds among the tasks of one process alone: of two
/// processes that put one key within the same moment the older stamp may win.
/// No store compares before it deletes: a [`remove`](Backend::remove) or [`sweep`](Backend::sweep) deletes what
/// another process has put between the look and the delete, as if it had been evicted, be it a tombstone. A sweep keeps
/// that time below a second, and the request that deletes, by a second look at what has expired; it is not made
/// again. Tombstones and marks stay for an hour after they have expired, since clocks differ. Within a process nothing of
/// the kind happens.
///
/// # Cost and time
/// `get` is one request; `stat` one for the first 4 KiB of the object; `put` and `remove` are two; `renew` reads and
/// writes the body. A scan, and a sweep, read the first 4 KiB of every object that they look at, 32 at a time: names
/// tell no meta. A scan below a prefix lists only the objects of keys with the same first segment. A request that
/// fails for a passing cause is made again up to twice, from a budget. Each call ends within
/// [`timeout`](ObjectConfig::timeout); `get_many` and `put_many` within as much for every 32 keys, and within twice as
/// much while the store hangs.
///
/// Expired objects cost storage until a sweep comes to them. A lifecycle rule of the bucket that deletes what lies below
/// the prefix after some days bounds that without a request; it must be longer than the longest lifetime.
///
/// # Cancellation
/// A write whose future is dropped goes on in the background for as long as it may take, so that a later write of
/// the same key comes after it. Dropping a read ends it.
///
/// [`usage`](Backend::usage) counts by listing, every ten minutes at most, at most a million objects, and adds what
/// this process has put and removed since: exact for one process that writes nothing while it counts, an estimate for
/// several. After a write that may have taken effect or not, it counts anew once the count is ten seconds old. A count
/// that takes longer than the timeout goes on with the next call; until then the last count is the answer, or
/// `Timeout` when there is none.
#[derive(Debug)]
pub struct ObjectBackend {
    engine: Arc<Engine>,
}

impl ObjectBackend {
    /// Opens the object store of `config`. Asks nothing of a server: one that is down, or a bucket that is not there,
    /// is told by the calls.
    ///
    /// # Errors
    /// `Invalid` for values out of range, options that the store does not know and a directory that cannot be used;
    /// `Unavailable` for a store that this build has no feature for.
    pub async fn open(config: ObjectConfig) -> Result<Self> {
        let name = config.name.clone();
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(&config)).await;
        opened.unwrap_or_else(|error| Err(lost(error))).map_err(|error| error.with_backend(name).with_operation("open"))
    }

    fn open_blocking(config: &ObjectConfig) -> Result<Self> {
        Ok(Self { engine: Arc::new(Engine::open(config)?) })
    }

    /// Whether an older stamp loses against writers in other processes as well: see
    /// [Several processes](Self#several-processes).
    pub fn compares_across_processes(&self) -> bool {
        self.engine.bucket.is_conditional
    }

    /// The unexpired entries below `prefix` in one page of objects.
    fn metas(&self, page: Result<Vec<(Path, u64)>>, prefix: KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let objects = match page {
            Ok(objects) => objects,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let ours = objects.into_iter().map(|(name, _)| name).filter(|name| self.engine.namer.is_ours(name));
        let looks = stream::iter(ours).map(|name| self.read("scan", None, self.engine.meta_of(name)));
        let found = looks.buffer_unordered(LOOKS).filter_map(|found| ready(found.transpose()));
        found.filter(move |found| ready(found.as_ref().map_or(true, |(key, _)| prefix.matches(key)))).boxed()
    }

    /// The call for one key of several: not begun once another one has run into the limit. A store that hangs would take
    /// as long for each of them.
    async fn in_batch<T>(
        &self,
        hang: &AtomicBool,
        operation: &'static str,
        key: &Key,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if hang.load(Ordering::Relaxed) {
            return Err(self.engine.told(timeout(self.engine.limit), operation, Some(key)));
        }
        call.await.inspect_err(|error| {
            if error.kind() == ErrorKind::Timeout {
                hang.store(true, Ordering::Relaxed);
            }
        })
    }

    /// A call that changes nothing: it ends with its caller.
    async fn read<T>(
        &self,
        operation: &'static str,
        key: Option<&Key>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let engine = &self.engine;
        let bounded = async {
            engine.check_open()?;
            timeout_at(engine.until(), work).await.unwrap_or_else(|_| Err(timeout(engine.limit)))
        };
        bounded.await.map_err(|error| engine.told(error, operation, key))
    }

    /// A call that writes: it goes on when its caller leaves, and others wait for it.
    async fn write<T, F>(
        &self,
        operation: &'static str,
        key: Option<&Key>,
        work: impl FnOnce(Arc<Engine>, Instant) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let until = self.engine.until();
        let written = async {
            self.engine.check_open()?;
            let place = self.engine.place_for_writer(until).await?;
            let (work, limit) = (work(self.engine.clone(), until), self.engine.limit);
            let task = tokio::spawn(async move {
                let done = timeout_at(until, work).await.unwrap_or_else(|_| Err(timeout(limit)));
                drop(place);
                done
            });
            task.await.unwrap_or_else(|error| Err(lost(error)))
        };
        written.await.map_err(|error| self.engine.told(error, operation, key))
    }
}

#[async_trait]
impl Backend for ObjectBackend {
    fn info(&self) -> BackendInfo {
        let engine = &self.engine;
        let mut info = BackendInfo::new(engine.name.clone());
        info.durable = engine.kind != Kind::Memory;
        info.shared = engine.kind != Kind::Memory;
        info.max_body = engine.max_body;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.read("stat", Some(key), self.engine.stat(key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.read("get", Some(key), self.engine.get(key)).await
    }

    /// Asks for 32 at a time, each within the timeout. Once one has run into it, those that follow are not asked for: they
    /// are `Timeout` at once.
    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let hang = &AtomicBool::new(false);
        let reads: Vec<_> = keys.iter().map(|key| self.in_batch(hang, "get", key, self.get(key))).collect();
        stream::iter(reads).buffered(LOOKS).collect().await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let owned = key.clone();
        self.write("put", Some(key), |engine, until| engine.put(owned, entry, until)).await
    }

    /// Puts 32 keys at a time, with the limits of [`get_many`](Backend::get_many).
    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let count = entries.len();
        let mut by_key: HashMap<Key, Vec<(usize, Entry)>> = HashMap::new();
        for (at, (key, entry)) in entries.into_iter().enumerate() {
            by_key.entry(key).or_default().push((at, entry));
        }
        let hang = &AtomicBool::new(false);
        let rows = by_key.into_iter().map(|(key, row)| async move {
            let mut answers = Vec::with_capacity(row.len());
            for (at, entry) in row {
                answers.push((at, self.in_batch(hang, "put", &key, self.put(&key, entry)).await));
            }
            answers
        });
        let mut answers: Vec<_> = stream::iter(rows).buffer_unordered(LOOKS).collect::<Vec<_>>().await.concat();
        debug_assert_eq!(answers.len(), count, "one answer for each entry");
        answers.sort_unstable_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Reads the body and writes it again with the new meta, if nobody has written meanwhile.
    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        let owned = key.clone();
        self.write("renew", Some(key), |engine, until| engine.renew(owned, present, meta, until)).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        let owned = key.clone();
        self.write("remove", Some(key), |engine, until| engine.remove(owned, until)).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let (prefix, below) = (prefix.clone(), self.engine.namer.below(prefix));
        let pages = stream::unfold(Some(Cursor::default()), move |cursor| {
            let below = below.clone();
            async move {
                let cursor = cursor?;
                let page = self.read("scan", None, self.engine.bucket.page(&below, &cursor, self.engine.until())).await;
                Some(match page {
                    Ok(page) => (Ok(page.objects), page.next),
                    Err(error) => (Err(error), None),
                })
            }
        });
        pages.flat_map(move |page| self.metas(page, prefix.clone())).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        let counted = async {
            self.engine.check_open()?;
            self.engine.usage().await
        };
        counted.await.map_err(|error| self.engine.told(error, "usage", None))
    }

    /// Looks at no more than 1,000 objects; further calls go on from there and begin anew at the end. What cannot be read
    /// or deleted is passed over; a sweep that can read nothing at all fails.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.write("sweep", None, |engine, until| engine.sweep(now, limit, until)).await
    }

    async fn close(&self) -> Result<()> {
        self.engine.close().await;
        Ok(())
    }
}

fn lost(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a task of the object store ended early").with_source(error)
}
