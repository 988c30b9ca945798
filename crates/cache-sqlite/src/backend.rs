//! `SqliteBackend`: the contract over readers and the writer, without blocking the runtime.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Clock, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use cache_local::{Pending, WriteQueue};
use futures_util::stream::{self, BoxStream, StreamExt};
use rusqlite::Connection;
use tokio::task::spawn_blocking;

use crate::config::SqliteConfig;
use crate::error::{Fault, Outcome};
use crate::group::{Answer, Request};
use crate::place::Place;
use crate::read::{self, Found};
use crate::readers::Readers;
use crate::report::{FileUsage, OpenReport};
use crate::shared::Shared;
use crate::writer::Writer;

/// Keys that one step of `get_many` reads on one connection.
const BATCH: usize = 32;
/// Steps of `get_many` at the same time.
const BATCHES: usize = 4;
/// Bytes of bodies in one group, beyond which no more are added: what fits into the caches of processors, and into the
/// memory that SQLite has for pages, is written once, and fast.
const GROUP_BYTES: usize = 1 << 20;

/// A persistent [`Backend`] in one SQLite database, which any number of processes of one machine share.
///
/// A few threads read, each on a connection of its own, at most 1,024 reads waiting for them; writes wait, at most
/// 512 and 128 MiB of bodies, for one thread that commits them in groups. A call waits for other processes up to the busy timeout; it waits for its
/// turn and for the medium without a limit of its own: bound it from outside. Works on any tokio runtime; needs neither
/// its timer nor its I/O driver.
///
/// # Accounting
/// An entry weighs its key, its record (meta, key, and 40 bytes) and its body in bytes, plus 96. [`Usage`] counts the
/// weights exactly, and those of all processes; what became of entries is counted by each backend for itself. The file
/// takes more: pages that are not full, and up to an eighth of free ones. See [`file`](Self::file).
///
/// # Eviction
/// Within both budgets, by all processes together: expired entries leave first, then those put longest ago, except that
/// one read since then gets another turn; marks leave when nothing else is there.
///
/// # Damage
/// An entry that does not verify is dropped and counted. A file that is no database, or a damaged one, is moved aside
/// and a new one begun, when it is opened and whenever it is found: [`report`](Self::report) tells. The two newest such
/// files are kept for a look. Other processes notice, and follow.
///
/// Dropping it without [`close`](Backend::close) carries out what is queued, from the writing thread.
pub struct SqliteBackend {
    shared: Arc<Shared>,
    queue: WriteQueue<Writer>,
    readers: Readers,
}

impl SqliteBackend {
    /// Opens the database of `config`, whatever stands at its path; makes it when nothing does.
    ///
    /// # Errors
    /// `Invalid` for values out of range, and for a database of another program or of a newer version of this one, which
    /// is left as it is. `Unavailable` when the directory is not there or may not be written, when the disk fails or is
    /// full, and when another process has the database locked for longer than the busy timeout.
    ///
    /// # Cancellation
    /// The opening goes on in the background, then closes the database.
    pub async fn open(config: SqliteConfig) -> Result<Self> {
        let name = config.name.clone();
        let opened = spawn_blocking(move || Self::open_blocking(config)).await;
        opened.unwrap_or_else(|error| Err(lost(error))).map_err(|error| error.with_backend(name).with_operation("open"))
    }

    fn open_blocking(config: SqliteConfig) -> Result<Self> {
        config.validate()?;
        let place = Place::of(&config.path)?;
        let (readers, name) = (config.readers, config.name.clone());
        let writer = Writer::open(Arc::new(Shared::new(config, place)))?;
        let shared = writer.shared().clone();
        let readers = Readers::start(readers, &name)?;
        let written = shared.clone();
        let queue = WriteQueue::start(&name, GROUP_BYTES, writer, move || written.release())?;
        Ok(Self { shared, queue, readers })
    }

    /// What was found at the path, when the backend was opened and since.
    pub fn report(&self) -> OpenReport {
        self.shared.report.lock().clone()
    }

    /// What the database takes on disk. Asks the file system: a short call, but a blocking one.
    pub fn file(&self) -> FileUsage {
        self.shared.place.usage()
    }

    /// Runs `work` on a reader; a second time when the file had to be replaced. Dropping the
    /// future lets it end there.
    async fn read<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: Fn(&Connection, Timestamp) -> Outcome<T> + Clone + Send + 'static,
    {
        let mut answer = self.read_once(work.clone()).await?;
        if let Err((fault @ (Fault::Damaged(_) | Fault::Moved), identity)) = answer {
            let why = if let Fault::Damaged(why) = fault { Some(why) } else { None };
            self.queue.write(Request::Mend(identity, why), 0).await?;
            answer = self.read_once(work).await?;
        }
        // What a closing backend reads is of no use to anybody.
        self.queue.check()?;
        answer.map_err(|(fault, _)| fault.into_error())
    }

    async fn read_once<T, W>(&self, work: W) -> Result<std::result::Result<T, (Fault, Option<crate::place::Identity>)>>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, Timestamp) -> Outcome<T> + Send + 'static,
    {
        self.queue.check()?;
        let shared = self.shared.clone();
        let done = self.readers.run(move || {
            let now = shared.config.clock.now();
            shared.read(|connection| work(connection, now))
        });
        done.await
    }

    /// Turns what was found into the answer; an entry that does not verify is dropped first.
    async fn resolve<T>(&self, key: &Key, found: Found<T>) -> Result<Option<T>> {
        match found {
            Found::Whole(whole, is_noted) => {
                if !is_noted && self.shared.note_seen(key) {
                    self.queue.offer(Request::NoteSeen);
                }
                Ok(Some(whole))
            }
            Found::Absent => Ok(None),
            Found::Corrupt => {
                self.queue.write(Request::Discard(key.as_str().to_owned()), 0).await?;
                Ok(None)
            }
        }
    }

    async fn stat_found(&self, key: &Key) -> Result<Option<Meta>> {
        let wanted = key.clone();
        let found = self.read(move |connection, now| read::stat(connection, &wanted, now)).await?;
        self.resolve(key, found).await
    }

    async fn get_found(&self, key: &Key) -> Result<Option<Entry>> {
        let wanted = key.clone();
        let found = self.read(move |connection, now| read::get(connection, &wanted, now)).await?;
        self.resolve(key, found).await
    }

    async fn get_batch(&self, keys: Vec<Key>) -> Vec<Result<Option<Entry>>> {
        let wanted = keys.clone();
        let read = move |connection: &Connection, now| {
            wanted.iter().map(|key| read::get(connection, key, now)).collect::<Outcome<Vec<_>>>()
        };
        let found = match self.read(read).await {
            Ok(found) => found,
            Err(error) => return keys.iter().map(|key| Err(self.named("get", key)(error.clone()))).collect(),
        };
        let mut answers = Vec::with_capacity(keys.len());
        for (key, found) in keys.iter().zip(found) {
            answers.push(self.resolve(key, found).await.map_err(self.named("get", key)));
        }
        answers
    }

    async fn page(&self, prefix: &KeyPrefix, from: Option<String>) -> Result<read::Page> {
        let prefix = prefix.clone();
        let mut page = self.read(move |connection, now| read::page(connection, &prefix, from.as_deref(), now)).await?;
        for key in std::mem::take(&mut page.corrupt) {
            self.queue.write(Request::Discard(key), 0).await?;
        }
        Ok(page)
    }

    async fn enqueue_put(&self, key: &Key, entry: Entry) -> Result<Pending<'_, Writer>> {
        self.queue.check()?;
        entry.check_body(Entry::MAX_BODY)?;
        let len = entry.body.len();
        self.queue.enqueue(Request::Put(key.clone(), entry), len).await
    }

    async fn put_one(&self, key: &Key, entry: Entry) -> Result<()> {
        self.enqueue_put(key, entry).await?.answer().await.map(drop)
    }

    async fn write(&self, request: Request) -> Result<Answer> {
        self.queue.check()?;
        self.queue.write(request, 0).await
    }

    fn of(&self, operation: &'static str) -> impl Fn(Error) -> Error + '_ {
        move |error| error.with_backend(self.shared.config.name.clone()).with_operation(operation)
    }

    fn named<'a>(&'a self, operation: &'static str, key: &'a Key) -> impl Fn(Error) -> Error + 'a {
        move |error| self.of(operation)(error).with_key(key)
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    fn info(&self) -> BackendInfo {
        let mut info = BackendInfo::new(self.shared.config.name.clone());
        info.durable = true;
        info.shared = true;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        self.stat_found(key).await.map_err(self.named("stat", key))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        self.get_found(key).await.map_err(self.named("get", key))
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        // Collected first: a stream over borrowed chunks would tie the future to their lifetime.
        let batches: Vec<Vec<Key>> = keys.chunks(BATCH).map(<[Key]>::to_vec).collect();
        let batches = stream::iter(batches).map(|keys| self.get_batch(keys));
        let answers: Vec<_> = batches.buffered(BATCHES).collect().await;
        answers.into_iter().flatten().collect()
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

    /// Compares and replaces in one step; the body stays where it is.
    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        let request = Request::Renew(key.clone(), present, meta);
        match self.write(request).await.map_err(self.named("renew", key))? {
            Answer::Renewed(renewed) => Ok(renewed),
            _ => Ok(false),
        }
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        match self.write(Request::Remove(key.clone())).await.map_err(self.named("remove", key))? {
            Answer::Removed(there) => Ok(there),
            _ => Ok(false),
        }
    }

    /// In the order of keys, in steps of 256 entries; bodies are not read.
    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let steps = stream::unfold(Some((prefix.clone(), None)), move |state| async move {
            let (prefix, from) = state?;
            let (items, next) = match self.page(&prefix, from).await {
                Ok(page) => (page.found.into_iter().map(Ok).collect(), page.next),
                Err(error) => (vec![Err(self.of("scan")(error))], None),
            };
            Some((stream::iter(items), next.map(|from| (prefix, Some(from)))))
        });
        steps.flatten().boxed()
    }

    /// Exact, over all processes that share the file.
    async fn usage(&self) -> Result<Usage> {
        let state = self.read(|connection, _| read::state(connection)).await.map_err(self.of("usage"))?;
        Ok(self.shared.usage(state))
    }

    /// Drops 1,024 entries at most, whatever the limit: other writers wait meanwhile.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        match self.write(Request::Sweep(now, limit)).await.map_err(self.of("sweep"))? {
            Answer::Swept(swept) => Ok(swept),
            _ => Ok(Swept::default()),
        }
    }

    /// Carries out what is queued. Cancelling it leaves the backend closed; the database is closed all the same.
    async fn close(&self) -> Result<()> {
        self.queue.close().await;
        Ok(())
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.shared.config;
        f.debug_struct("SqliteBackend").field("name", &config.name).field("path", &config.path).finish_non_exhaustive()
    }
}

/// Blocking work that gave no answer: it panicked, or the runtime is shutting down.
fn lost(error: tokio::task::JoinError) -> Error {
    let kind = if error.is_cancelled() { ErrorKind::Unavailable } else { ErrorKind::Internal };
    Error::new(kind, "the work on the blocking pool ended without an answer").with_source(error)
}
