//! `Bucket`: requests to an object store, few at a time, each within a deadline, with few retries.

use std::fmt;
use std::future::Future;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use cache_core::{Entry, ErrorKind, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use crate::error::{Fault, closed, too_long, unavailable};
use crate::listing::{Cursor, Lister, Page};
use crate::object::{Head, Start, USUAL_HEAD};
use crate::retry::{self, ATTEMPTS, Budget};

/// An object store with limits. The caller ends every call at its deadline; what it has begun then ends with it.
pub(crate) struct Bucket {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) lister: Lister,
    /// Whether the store compares and writes in one step.
    pub(crate) is_conditional: bool,
    /// Longest object in bytes.
    pub(crate) max_object: u64,
    pub(crate) slots: Semaphore,
    pub(crate) budget: Budget,
}

/// An object as it was found.
#[derive(Debug)]
pub(crate) struct Seen<T> {
    /// What a write is compared with.
    pub(crate) version: Present,
    /// Length of the object in bytes.
    pub(crate) len: u64,
    /// What is in it, or why that cannot be read.
    pub(crate) found: Result<T>,
}

/// What a writer has found under a name.
#[derive(Debug, Clone)]
pub(crate) enum Present {
    Absent,
    Version(UpdateVersion),
    /// An object whose version the store does not tell.
    Unknown,
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// Somebody else has written since.
    Changed,
}

struct Fetched {
    version: Present,
    len: u64,
    bytes: Bytes,
}

impl Bucket {
    /// The head of an object: one request, and another where the meta is beyond 3 KiB or so.
    pub(crate) async fn head(&self, name: &Path, until: Instant) -> Result<Option<Seen<Head>>> {
        let Some(mut fetched) = self.fetch(name, Some(USUAL_HEAD), until).await? else { return Ok(None) };
        let mut start = Head::read(&fetched.bytes, fetched.len);
        if let Ok(Start::Longer(len)) = start {
            let Some(again) = self.fetch(name, Some(len), until).await? else { return Ok(None) };
            fetched = again;
            start = Head::read(&fetched.bytes, fetched.len);
        }
        let found = start.and_then(|start| match start {
            Start::Whole(head) => Ok(head),
            Start::Longer(_) => Err(unavailable("the object was replaced while it was read: try again")),
        });
        Ok(Some(Seen { version: fetched.version, len: fetched.len, found }))
    }

    /// A whole object: one request.
    pub(crate) async fn whole(&self, name: &Path, until: Instant) -> Result<Option<Seen<(Head, Entry)>>> {
        let Some(Fetched { version, len, bytes }) = self.fetch(name, None, until).await? else { return Ok(None) };
        let found = match Head::read(&bytes, len) {
            Ok(Start::Whole(head)) => head.clone().entry(bytes).map(|entry| (head, entry)),
            Ok(Start::Longer(_)) => Err(crate::object::corrupt("the object ends within its head")),
            Err(error) => Err(error),
        };
        Ok(Some(Seen { version, len, found }))
    }

    /// Writes an object if what is there is still `present`. One request.
    pub(crate) async fn write(
        &self,
        name: &Path,
        parts: [Bytes; 2],
        present: Present,
        until: Instant,
    ) -> Result<Written> {
        let payload: PutPayload = parts.into_iter().collect();
        let mode = match present {
            Present::Absent if self.is_conditional => PutMode::Create,
            Present::Version(version) if self.is_conditional => PutMode::Update(version),
            _ => PutMode::Overwrite,
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        let attempt = || async {
            self.store.put_opts(name, payload.clone(), options.clone()).await?;
            Ok(Written::Done)
        };
        match self.call(until, attempt).await {
            Err(Fault::Changed) => Ok(Written::Changed),
            done => done.map_err(Fault::into_error),
        }
    }

    /// Deletes objects, at most a page of them; those that are gone. One request where the store deletes in bulk.
    pub(crate) async fn delete(&self, names: &[Path], until: Instant) -> Result<Vec<Path>> {
        let attempt = || async {
            let names = stream::iter(names.to_vec()).map(Ok).boxed();
            let mut answers = self.store.delete_stream(names);
            let mut gone = Vec::new();
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(name) => gone.push(name),
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(Fault::from(error)),
                }
            }
            Ok(gone)
        };
        self.call(until, attempt).await.map_err(Fault::into_error)
    }

    /// As [`delete`](Self::delete), but never again: what has come to these names since the first request would go.
    pub(crate) async fn delete_once(&self, names: &[Path]) -> Result<Vec<Path>> {
        self.delete(names, Instant::now()).await
    }

    /// One page of names.
    pub(crate) async fn page(&self, prefix: &Path, cursor: &Cursor, until: Instant) -> Result<Page> {
        self.call(until, || self.lister.page(prefix, cursor)).await.map_err(Fault::into_error)
    }

    /// The first `most` bytes of an object, or all of it.
    async fn fetch(&self, name: &Path, most: Option<u64>, until: Instant) -> Result<Option<Fetched>> {
        let range = most.map(|most| GetRange::Bounded(0..most));
        let attempt = || async {
            let options = GetOptions { range: range.clone(), ..GetOptions::default() };
            let answer = self.store.get_opts(name, options).await?;
            if answer.range.end - answer.range.start > self.max_object {
                return Err(Fault::Lasting(too_long()));
            }
            let meta = &answer.meta;
            let (len, e_tag, version) = (meta.size, meta.e_tag.clone(), meta.version.clone());
            let is_known = e_tag.is_some() || version.is_some();
            let version = if is_known { Present::Version(UpdateVersion { e_tag, version }) } else { Present::Unknown };
            Ok(Fetched { version, len, bytes: collect(answer).await? })
        };
        match self.call(until, attempt).await {
            Ok(fetched) => Ok(Some(fetched)),
            Err(Fault::Absent) => Ok(None),
            Err(Fault::Lasting(error)) if error.kind() == ErrorKind::Corrupt => {
                Ok(Some(Fetched { version: Present::Unknown, len: 0, bytes: Bytes::new() }))
            }
            Err(fault) => Err(fault.into_error()),
        }
    }

    async fn call<T, F>(&self, until: Instant, attempt: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut retry = 0;
        loop {
            let slot = self.slots.acquire().await.map_err(|_| Fault::Lasting(closed()))?;
            let (error, asked) = match attempt().await {
                Err(Fault::Passing(error, asked)) => (error, asked),
                answer => {
                    self.budget.earn();
                    return answer;
                }
            };
            drop(slot);
            let pause = retry::pause(retry, asked);
            if retry + 1 >= ATTEMPTS || Instant::now() + pause >= until || !self.budget.take() {
                return Err(Fault::Lasting(error));
            }
            tracing::debug!(%error, ?pause, "a request to the object store is made again");
            sleep_until(Instant::now() + pause).await;
            retry += 1;
        }
    }
}

impl fmt::Debug for Bucket {
    /// Leaves out the store: that in memory shows its bodies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("lister", &self.lister)
            .field("is_conditional", &self.is_conditional)
            .field("max_object", &self.max_object)
            .field("slots", &self.slots)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// The bytes of an answer: exactly as many as it announces, or an error.
async fn collect(answer: GetResult) -> Result<Bytes, Fault> {
    let range = answer.range.clone();
    let len = usize::try_from(range.end - range.start).map_err(|_| Fault::Lasting(too_long()))?;
    let mut chunks = match answer.payload {
        GetResultPayload::File(file, _) => return read_file(file, range).await,
        GetResultPayload::Stream(chunks) => chunks,
    };
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.try_next().await? {
        if whole.is_empty() && chunk.len() == len {
            return Ok(chunk);
        }
        if whole.len() + chunk.len() > len {
            return Err(Fault::Lasting(unavailable("the object store answered more bytes than it announced")));
        }
        // Within the limit for objects, which was checked; untouched memory costs nothing when the answer ends early.
        whole.reserve(len - whole.len());
        whole.extend_from_slice(&chunk);
    }
    if whole.len() < len {
        return Err(Fault::Passing(unavailable("the object store answered fewer bytes than it announced"), None));
    }
    Ok(whole.freeze())
}

/// In one go: the stream of the library reads files in steps of 8 KiB.
async fn read_file(mut file: std::fs::File, range: Range<u64>) -> Result<Bytes, Fault> {
    let read = move || {
        let len = range.end - range.start;
        let mut bytes = Vec::with_capacity(len as usize);
        file.seek(SeekFrom::Start(range.start))?;
        file.take(len).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < len {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        Ok(Bytes::from(bytes))
    };
    let failed = |error: &dyn fmt::Display| Fault::Lasting(unavailable(format!("an object was not read: {error}")));
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error: std::io::Error| failed(&error))
}
