//! `DirBackend`: one file for each entry, in a directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Clock, Entry, Error, ErrorKind, Key, KeyPrefix, Meta, Result, Stamp, Swept, Timestamp, Usage,
};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

/// Keeps each entry in a file of its own, named after the BLAKE3 hash of its key.
///
/// It has no budget, and counts by reading everything: an example of the contract, and no match for `cache-file`.
#[derive(Debug)]
pub(crate) struct DirBackend {
    clock: Arc<dyn Clock>,
    /// One at a time, so that nobody comes between looking and acting.
    dir: Arc<Mutex<Dir>>,
}

#[derive(Debug)]
struct Dir {
    path: PathBuf,
    closed: bool,
    expired: u64,
    corrupt: u64,
}

impl DirBackend {
    /// A backend in `path`, which is made where it is not there.
    ///
    /// # Errors
    /// That the directory cannot be made or read. Blocks for as long as listing it takes.
    pub(crate) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| failed("open", error))?;
        for file in fs::read_dir(path).map_err(|error| failed("open", error))? {
            let file = file.map_err(|error| failed("open", error))?.path();
            // What a killed process had not finished.
            if file.extension().is_some_and(|extension| extension == "new") {
                fs::remove_file(file).map_err(|error| failed("open", error))?;
            }
        }
        let dir = Dir { path: path.to_owned(), closed: false, expired: 0, corrupt: 0 };
        Ok(Self { clock, dir: Arc::new(Mutex::new(dir)) })
    }

    /// Runs `work` on the directory, away from the threads of the runtime. It is done even when nobody waits for it.
    async fn with<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Dir, Timestamp) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (dir, now) = (self.dir.clone(), self.clock.now());
        let job = move || {
            let mut dir = dir.lock().unwrap_or_else(PoisonError::into_inner);
            if dir.closed {
                let why = "the backend was closed: open a new one";
                return Err(Error::new(ErrorKind::Closed, why).with_backend("dir").with_operation(operation));
            }
            work(&mut dir, now).map_err(|error| failed(operation, error))
        };
        let done = tokio::task::spawn_blocking(job).await;
        done.unwrap_or_else(|error| Err(failed(operation, io::Error::other(error))))
    }
}

#[async_trait]
impl Backend for DirBackend {
    fn info(&self) -> BackendInfo {
        let mut info = BackendInfo::new("dir");
        info.durable = true;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        Ok(self.get(key).await?.map(|entry| entry.meta))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let key = key.clone();
        self.with("get", move |dir, now| dir.live(&key, now)).await
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        entry.check_body(Entry::MAX_BODY)?;
        let (key, envelope) = (key.clone(), entry.encode()?);
        self.with("put", move |dir, now| {
            let newer = dir.live(&key, now)?.is_some_and(|present| present.meta.stamp > entry.meta.stamp);
            if newer || entry.meta.is_expired(now) { Ok(()) } else { dir.write(&key, &envelope) }
        })
        .await
    }

    async fn renew(&self, key: &Key, present: Stamp, meta: Meta) -> Result<bool> {
        let key = key.clone();
        self.with("renew", move |dir, now| {
            let is_meant = |entry: &Entry| entry.meta.stamp == present && entry.meta.role == meta.role;
            let Some(entry) = dir.live(&key, now)?.filter(is_meant) else { return Ok(false) };
            if meta.stamp < present || meta.is_expired(now) {
                return Ok(false);
            }
            let envelope = Entry::new(meta, entry.body).encode().map_err(io::Error::other)?;
            dir.write(&key, &envelope).map(|()| true)
        })
        .await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        let key = key.clone();
        self.with("remove", move |dir, now| {
            let was_there = dir.live(&key, now)?.is_some();
            removed(&dir.file(&key))?;
            Ok(was_there)
        })
        .await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        let prefix = prefix.clone();
        let found = self.with("scan", move |dir, now| {
            let live = dir.all()?.into_iter().filter(|(_, key, meta, _)| prefix.matches(key) && !meta.is_expired(now));
            Ok(live.map(|(_, key, meta, _)| (key, meta)).collect::<Vec<_>>())
        });
        let items = |found: Result<Vec<_>>| match found {
            Ok(found) => stream::iter(found).map(Ok).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        };
        stream::once(found).flat_map(items).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.with("usage", |dir, _| {
            let all = dir.all()?;
            let mut usage = Usage::default();
            usage.entries = all.len() as u64;
            usage.bytes = all.iter().map(|(.., bytes)| bytes).sum();
            usage.exact = true;
            usage.expired = dir.expired;
            usage.corrupt = dir.corrupt;
            Ok(usage)
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<Swept> {
        self.with("sweep", move |dir, _| {
            let expired: Vec<_> = dir.all()?.into_iter().filter(|(_, _, meta, _)| meta.is_expired(now)).collect();
            let mut swept = Swept::new(0, 0, expired.len() > limit);
            for (file, .., bytes) in expired.iter().take(limit) {
                removed(file)?;
                swept += Swept::new(1, *bytes, false);
            }
            dir.expired += swept.expired;
            Ok(swept)
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        self.dir.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        Ok(())
    }
}

impl Dir {
    fn file(&self, key: &Key) -> PathBuf {
        self.path.join(blake3::hash(key.as_str().as_bytes()).to_hex().as_str())
    }

    /// The entry of `key`, unless it is absent, expired or damaged.
    fn live(&mut self, key: &Key, now: Timestamp) -> io::Result<Option<Entry>> {
        let found = self.read(&self.file(key))?.filter(|(found, _)| found == key);
        Ok(found.map(|(_, entry)| entry).filter(|entry| !entry.meta.is_expired(now)))
    }

    /// What a file holds. One that is damaged goes.
    fn read(&mut self, file: &Path) -> io::Result<Option<(Key, Entry)>> {
        let bytes = match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let whole = decode(&bytes);
        if whole.is_none() {
            self.corrupt += 1;
            removed(file)?;
        }
        Ok(whole)
    }

    /// Puts a file there at once: whoever is killed here leaves the old one or the new one.
    fn write(&self, key: &Key, envelope: &[u8]) -> io::Result<()> {
        let (file, key) = (self.file(key), key.as_str());
        let unfinished = file.with_extension("new");
        fs::write(&unfinished, [&(key.len() as u32).to_le_bytes(), key.as_bytes(), envelope].concat())?;
        fs::rename(unfinished, file)
    }

    /// Files, keys, metas and lengths of all entries, expired ones included.
    fn all(&mut self) -> io::Result<Vec<(PathBuf, Key, Meta, u64)>> {
        let mut all = Vec::new();
        for file in fs::read_dir(&self.path)? {
            let file = file?.path();
            if let Some((key, entry)) = self.read(&file)? {
                let bytes = key.as_str().len() as u64 + entry.len();
                all.push((file, key, entry.meta, bytes));
            }
        }
        Ok(all)
    }
}

/// The key and the entry in a file: length of the key, key, envelope. The envelope has a checksum over all of it.
fn decode(bytes: &[u8]) -> Option<(Key, Entry)> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (key, envelope) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let key = Key::parse(std::str::from_utf8(key).ok()?).ok()?;
    Some((key, Entry::decode(envelope.to_vec().into()).ok()?))
}

fn removed(file: &Path) -> io::Result<()> {
    fs::remove_file(file).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn failed(operation: &'static str, error: io::Error) -> Error {
    let what = "the directory could not be read or written: see that it exists and has room";
    Error::new(ErrorKind::Unavailable, what).with_backend("dir").with_operation(operation).with_source(error)
}
