//! `FileBackend`: the contract over the engine, without blocking the runtime.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{
    Backend, BackendInfo, Clock, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use cache_local::{Pending, WriteQueue, closed};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::Semaphore;
use tokio::task::{spawn_blocking, yield_now};

use crate::config::FileConfig;
use crate::dir::Layout;
use crate::engine::{Answer, Found, Request, Shared, Writer};
use crate::lock::DirLock;
use crate::report::{DiskUsage, OpenReport};

/// Reads that run on the blocking pool at the same time.
const READERS: usize = 64;
/// What `get_many` reads before others of the runtime have a turn, in bytes,
const READY_TURN: usize = 128 << 10;
/// of which each key counts as so many: asking for it takes about as long as verifying them.
const READY_KEY: usize = 8 << 10;
/// Keys that one step of `get_many` reads on one thread.
const BATCH: usize = 32;
/// Steps of `get_many` at the same time.
const BATCHES: usize = 4;
/// Bytes of bodies in one group, beyond which no more are added.
const GROUP_BYTES: usize = 8 << 20;

/// A persistent [`Backend`] in one directory: an index, and volumes for the longer entries.
///
/// Reads of up to 128 KiB that the kernel has in memory run where the caller does, all others on tokio's blocking pool,
/// at most 64 at once; writes wait, at most 512 and 128 MiB of bodies, for one thread that commits them in groups. Calls wait for their turn and for the medium without a limit of their own:
/// bound them from outside. Works on any tokio runtime; needs neither its timer nor its I/O driver.
///
/// [`usage`](Backend::usage) is exact: an entry weighs its record in a volume, in blocks of 4 KiB, and its record in
/// the index, plus 32 bytes. What the directory takes on disk is [`disk`](Self::disk); it stays within the capacity,
/// beyond it by the entries that are being written at most.
///
/// Dropping it without [`close`](Backend::close) carries out what is queued, then releases the directory, from the
/// writing thread.
pub struct FileBackend {
    shared: Arc<Shared>,
    queue: WriteQueue<Writer>,
    readers: Arc<Semaphore>,
    report: OpenReport,
}

impl FileBackend {
    /// Opens the directory of `config`, whatever is in it; makes it when it is not there.
    ///
    /// Damaged parts are dropped or moved to `quarantine/`, and space that no entry names is given back:
    /// [`report`](Self::report) tells. Takes some 10 ms for each 10,000 entries, twice that after a crash; making a lost index again reads all
    /// volumes.
    ///
    /// # Errors
    /// `Invalid` for values out of range. `Unavailable` when another process has the directory open (told within
    /// 0.1 s; its source is a [`DirectoryInUse`](crate::DirectoryInUse)), when the path is no directory or may not be
    /// written, or when the disk fails or is full.
    ///
    /// # Cancellation
    /// The opening goes on in the background, then releases the directory.
    pub async fn open(config: FileConfig) -> Result<Self> {
        config.validate()?;
        let name = config.name.clone();
        let opened = spawn_blocking(move || Self::open_blocking(config)).await;
        opened.unwrap_or_else(|error| Err(lost(error))).map_err(|error| error.with_backend(name).with_operation("open"))
    }

    fn open_blocking(config: FileConfig) -> Result<Self> {
        let layout = Layout::new(&config);
        layout.create_root()?;
        let lock = DirLock::take(&layout)?;
        let layout = layout.locked(&lock);
        layout.create_parts()?;
        let name = config.name.clone();
        let (writer, report) = Writer::open(config, layout)?;
        let shared = writer.shared().clone();
        let written = shared.clone();
        // However the thread ends, the index is closed before another backend may open it.
        let at_end = move || {
            written.close();
            drop(lock);
        };
        let queue = WriteQueue::start(&name, GROUP_BYTES, writer, at_end)?;
        let readers = Arc::new(Semaphore::new(READERS));
        Ok(Self { shared, queue, readers, report })
    }

    /// What was found when the directory was opened.
    pub fn report(&self) -> OpenReport {
        self.report
    }

    /// What the directory took on disk after the last group of writes.
    pub fn disk(&self) -> DiskUsage {
        self.shared.disk()
    }

    fn check_open(&self) -> Result<()> {
        self.queue.check()
    }

    /// Runs `work` on the blocking pool. Dropping the future lets it end there.
    async fn read<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        self.check_open()?;
        let turn = self.readers.clone().acquire_owned().await.map_err(|_| closed())?;
        let shared = self.shared.clone();
        let done = spawn_blocking(move || {
            let answer = work(&shared);
            drop(turn);
            answer
        });
        let answer = done.await.unwrap_or_else(|error| Err(lost(error)));
        if self.shared.take_suspicion() {
            // Its failure is the log's; the error of the read is the caller's.
            let _ = self.queue.write(Request::Mend, 0).await;
        }
        // What a closing backend reads is of no use to anybody.
        self.check_open()?;
        answer
    }

    async fn write(&self, request: Request, len: usize) -> Result<Answer> {
        self.check_open()?;
        self.queue.write(request, len).await
    }

    /// Turns what was found into the answer; an entry that does not verify is dropped first.
    async fn resolve<T>(&self, key: &Key, found: Found<T>) -> Result<Option<T>> {
        match found {
            Found::Whole(whole) => Ok(Some(whole)),
            Found::Absent => Ok(None),
            Found::Corrupt(generation) => {
                tracing::warn!(%key, "an entry did not verify and is dropped");
                self.write(Request::Discard(key.clone(), generation), 0).await?;
                Ok(None)
            }
        }
    }

    fn named<'a>(&'a self, operation: &'static str, key: &'a Key) -> impl Fn(Error) -> Error + 'a {
        move |error| error.with_backend(self.shared.config.name.clone()).with_operation(operation).with_key(key)
    }

    fn may_hold(&self, key: &Key) -> bool {
        self.shared.may_hold(key, self.shared.config.clock.now())
    }

    /// What `key` has, if that takes no waiting for the medium.
    async fn get_ready(&self, key: &Key) -> Option<Result<Option<Entry>>> {
        if let Err(error) = self.check_open() {
            return Some(Err(error));
        }
        let found = self.shared.get_ready(key)?;
        // What a closing backend finds is of no use to anybody.
        Some(match self.check_open() {
            Ok(()) => self.resolve(key, found).await,
            Err(error) => Err(error),
        })
    }

    async fn get_found(&self, key: &Key) -> Result<Option<Entry>> {
        if let Some(answer) = self.get_ready(key).await {
            return answer;
        }
        let found = self.read_found(key.clone()).await?;
        self.resolve(key, found).await
    }

    async fn read_found(&self, key: Key) -> Result<Found<Entry>> {
        self.read(move |shared| shared.get(&key)).await
    }

    async fn get_batch(&self, keys: Vec<Key>) -> Vec<Result<Option<Entry>>> {
        let wanted = keys.clone();
        let read = self.read(move |shared| Ok(wanted.iter().map(|key| shared.get(key)).collect::<Vec<_>>())).await;
        let found = match read {
            Ok(found) => found,
            Err(error) => return keys.iter().map(|key| Err(self.named("get", key)(error.clone()))).collect(),
        };
        let mut answers = Vec::with_capacity(keys.len());
        for (key, found) in keys.iter().zip(found) {
            let answer = match found {
                Ok(found) => self.resolve(key, found).await,
                Err(error) => Err(error),
            };
            answers.push(answer.map_err(self.named("get", key)));
        }
        answers
    }

    async fn enqueue_put(&self, key: &Key, entry: Entry) -> Result<Pending<'_, Writer>> {
        self.check_open()?;
        entry.check_body(Entry::MAX_BODY)?;
        let len = entry.body.len();
        self.queue.enqueue(Request::Put(key.clone(), entry), len).await
    }

    async fn put_one(&self, key: &Key, entry: Entry) -> Result<()> {
        self.enqueue_put(key, entry).await?.answer().await.map(drop)
    }
}

#[async_trait]
impl Backend for FileBackend {
    fn info(&self) -> BackendInfo {
        let mut info = BackendInfo::new(self.shared.config.name.clone());
        info.durable = true;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.check_open().map_err(self.named("stat", key))?;
        if !self.may_hold(key) {
            return Ok(None);
        }
        let wanted = key.clone();
        let found = self.read(move |shared| shared.stat(&wanted)).await.map_err(self.named("stat", key))?;
        self.resolve(key, found).await.map_err(self.named("stat", key))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.get_found(key).await.map_err(self.named("get", key))
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let (mut answers, mut spent) = (Vec::with_capacity(keys.len()), 0);
        for key in keys {
            let ready = self.get_ready(key).await;
            spent += READY_KEY + ready.as_ref().map_or(0, body_len);
            answers.push(ready.map(|answer| answer.map_err(self.named("get", key))));
            if spent >= READY_TURN {
                spent = 0;
                yield_now().await;
            }
        }
        let rest = keys.iter().zip(&answers).filter(|(_, answer)| answer.is_none());
        let rest: Vec<Key> = rest.map(|(key, _)| key.clone()).collect();
        // Collected first: a stream over borrowed chunks would tie the future to their lifetime.
        let batches: Vec<Vec<Key>> = rest.chunks(BATCH).map(<[Key]>::to_vec).collect();
        let batches = stream::iter(batches).map(|keys| self.get_batch(keys));
        let read: Vec<_> = batches.buffered(BATCHES).collect().await;
        let mut read = read.into_iter().flatten();
        answers.into_iter().filter_map(|answer| answer.or_else(|| read.next())).collect()
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        self.put_one(key, entry).await.map_err(self.named("put", key))
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        // All queued before the first answer is waited for: groups take them. One after the other: they keep their order.
        let mut queued = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            let pending = self.enqueue_put(&key, entry).await;
            queued.push((key, pending));
        }
        let mut answers = Vec::with_capacity(queued.len());
        for (key, pending) in queued {
            let answer = match pending {
                Ok(pending) => pending.answer().await,
                Err(error) => Err(error),
            };
            answers.push(answer.map(drop).map_err(self.named("put", &key)));
        }
        answers
    }

    /// Rewrites the record in the index; a body in a volume stays there. Costs no more than the put of an empty body.
    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        self.check_open().map_err(self.named("renew", key))?;
        if !self.may_hold(key) {
            return Ok(false);
        }
        let request = Request::Renew(key.clone(), present, meta);
        match self.write(request, 0).await.map_err(self.named("renew", key))? {
            Answer::Renewed(renewed) => Ok(renewed),
            _ => Ok(false),
        }
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        match self.write(Request::Remove(key.clone()), 0).await.map_err(self.named("remove", key))? {
            Answer::Removed(there) => Ok(there),
            _ => Ok(false),
        }
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let steps = stream::unfold(Some((prefix.clone(), None::<Bytes>)), move |state| async move {
            let (prefix, after) = state?;
            let wanted = prefix.clone();
            let page = self.read(move |shared| shared.scan(&wanted, after.as_ref())).await;
            let (items, next) = match page {
                Ok(page) => (page.found.into_iter().map(Ok).collect(), page.next),
                Err(error) => {
                    let name = self.shared.config.name.clone();
                    (vec![Err(error.with_backend(name).with_operation("scan"))], None)
                }
            };
            Some((stream::iter(items), next.map(|after| (prefix, Some(after)))))
        });
        steps.flatten().boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.check_open()
            .map_err(|error| error.with_backend(self.shared.config.name.clone()).with_operation("usage"))?;
        Ok(self.shared.usage())
    }

    /// Drops 1,024 entries at most, whatever the limit: readers wait for the catalog meanwhile.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        let named = |error: Error| error.with_backend(self.shared.config.name.clone()).with_operation("sweep");
        match self.write(Request::Sweep(now, limit), 0).await.map_err(named)? {
            Answer::Swept(swept) => Ok(swept),
            _ => Ok(Swept::default()),
        }
    }

    /// Cancelling it leaves the backend closed; the directory is released all the same.
    async fn close(&self) -> Result<()> {
        self.queue.close().await;
        Ok(())
    }
}

impl fmt::Debug for FileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileBackend")
            .field("name", &self.shared.config.name)
            .field("path", &self.shared.config.path)
            .finish_non_exhaustive()
    }
}

/// Bytes of the body that was found.
fn body_len(answer: &Result<Option<Entry>>) -> usize {
    answer.as_ref().map_or(0, |found| found.as_ref().map_or(0, |entry| entry.body.len()))
}

/// Blocking work that gave no answer: it panicked, or the runtime is shutting down.
fn lost(error: tokio::task::JoinError) -> Error {
    let kind = if error.is_cancelled() { ErrorKind::Unavailable } else { ErrorKind::Internal };
    Error::new(kind, "the work on the blocking pool ended without an answer").with_source(error)
}
