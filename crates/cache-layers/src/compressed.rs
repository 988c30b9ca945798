//! `Compressed`: bodies that compress well are kept compressed.

mod frame;
mod mark;
mod media;
mod sample;

use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{
    Backend, BackendInfo, Backplane, Entry, Error, ErrorKind, Key, KeyPrefix, Leases, Meta, Result, Stamp, Swept,
    Timestamp, Usage,
};
use futures_util::stream::{BoxStream, StreamExt};

use crate::batch::merge;
use crate::offload::Workers;
use mark::Form;
use media::Media;

/// Levels of zstd above this one take about as long for 4 KiB as the others for 64 KiB.
#[cfg(feature = "zstd")]
const FAST_LEVELS: i32 = 9;
#[cfg(feature = "zstd")]
const SLOWNESS: u64 = 16;

/// A backend that keeps bodies compressed where that gains enough; callers see them as they were put.
///
/// # What is compressed
/// The content type decides: text, JSON, subtitles, playlists and markup with [`text`](Self::text)'s algorithm;
/// MessagePack, unknown and untyped bodies with [`binary`](Self::binary)'s. Pictures, sound, film, archives, documents
/// that are archives and web fonts are compressed already and left alone, as far as their types are known here; trying
/// one of another type costs its time and is given up for want of gain. Of bodies from 512 KiB on, such as segments of
/// films whose type nobody told, 32 KiB in eight pieces are tried first: the whole is left alone when these gain next to
/// nothing. Bodies below [`min_len`](Self::min_len) stay as they are, and so
/// does a body that would not become an eighth shorter.
///
/// # Stored form
/// A compressed body stands in a frame with its length and a checksum, and the codec in its meta ends in a mark such as
/// `msgpack+rlc-zstd`. Entries that were put without this layer carry no mark and stay readable. `Meta` comes back equal
/// to what was put, from every method.
///
/// A frame that is damaged, or holds anything but exactly what it declares, is [`ErrorKind::Corrupt`]; so is one of an
/// algorithm that this build leaves out. The checksum is verified before decoding, and no more memory is taken than the
/// declared length, [`Entry::MAX_BODY`] at most.
///
/// # Limits
/// `info().max_body` is [`Entry::MAX_BODY`]: whether a body fits into the backend inside is known once it is compressed.
/// One that does not is [`ErrorKind::TooLarge`]. [`Usage::bytes`] counts the stored form.
///
/// # Cost and cancellation
/// From 64 KiB on, of a whole batch as of one body, the work is done on tokio's threads for blocking work, at most
/// [`workers`](Self::workers) at once, and needs a tokio runtime; below that it is done in place. To compress with zstd
/// at a level above 9 is so slow that the limit is 4 KiB there. Bodies are never copied when they stay as they
/// are. [`renew`](Backend::renew) costs one more `stat`. Cancelling a write before it has reached the backend inside
/// changes nothing; work that has begun on another thread ends by itself and its result is dropped.
#[derive(Debug)]
pub struct Compressed<B> {
    inner: B,
    name: Arc<str>,
    settings: Settings,
    workers: Workers,
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Zstandard (RFC 8878): the shorter result.
    #[cfg(feature = "zstd")]
    Zstd,
    /// LZ4 blocks: several times faster both ways.
    #[cfg(feature = "lz4")]
    Lz4,
}

impl Algorithm {
    #[cfg(feature = "zstd")]
    const SHORT: Self = Self::Zstd;
    #[cfg(not(feature = "zstd"))]
    const SHORT: Self = Self::Lz4;
    #[cfg(feature = "lz4")]
    const FAST: Self = Self::Lz4;
    #[cfg(not(feature = "lz4"))]
    const FAST: Self = Self::Zstd;

    const fn form(self) -> Form {
        match self {
            #[cfg(feature = "zstd")]
            Self::Zstd => Form::Zstd,
            #[cfg(feature = "lz4")]
            Self::Lz4 => Form::Lz4,
        }
    }
}

impl<B: Backend> Compressed<B> {
    /// The shortest body that is compressed unless said otherwise, in bytes.
    pub const MIN_LEN: u64 = 512;

    /// Keeps bodies compressed in `inner`: texts with zstd, others with LZ4, as far as this build has both.
    pub fn new(inner: B) -> Self {
        let info = inner.info();
        let settings = Settings {
            text: Algorithm::SHORT,
            binary: Algorithm::FAST,
            level: 3,
            min_len: Self::MIN_LEN,
            room: info.max_body.min(Entry::MAX_BODY),
        };
        Self { inner, name: info.name, settings, workers: Workers::one_for_each_core() }
    }

    /// Compresses texts with `algorithm`; with the shortest result that the build has unless set.
    #[must_use]
    pub fn text(mut self, algorithm: Algorithm) -> Self {
        self.settings.text = algorithm;
        self
    }

    /// Compresses what is neither text nor packed with `algorithm`; with the fastest that the build has unless set.
    #[must_use]
    pub fn binary(mut self, algorithm: Algorithm) -> Self {
        self.settings.binary = algorithm;
        self
    }

    /// Leaves bodies below `bytes` as they are; [`MIN_LEN`](Self::MIN_LEN) unless set.
    #[must_use]
    pub fn min_len(mut self, bytes: u64) -> Self {
        self.settings.min_len = bytes;
        self
    }

    /// The level of zstd, brought into the range that it has; 3 unless set. Reading costs the same at every level.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub fn level(mut self, level: i32) -> Self {
        let range = zstd::compression_level_range();
        self.settings.level = level.clamp(*range.start(), *range.end());
        self
    }

    /// Lets `count` long bodies or batches be worked on at once, at least one; as many as the machine has cores unless
    /// set.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Workers::new(count);
        self
    }

    /// The backend inside. What it holds is in stored form.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    async fn unpack(&self, entry: Entry) -> Result<Entry> {
        let bytes = work_to_unpack(&entry);
        self.workers.run(bytes, move || unpack(entry)).await?
    }

    /// Annotates an error of this layer.
    fn of(&self, error: Error, operation: &'static str, key: &Key) -> Error {
        error.with_backend(self.name.clone()).with_operation(operation).with_key(key)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Compressed<B> {
    fn info(&self) -> BackendInfo {
        let mut info = self.inner.info();
        info.max_body = Entry::MAX_BODY;
        info
    }

    async fn stat(&self, key: &Key) -> Result<Option<Meta>> {
        Ok(self.inner.stat(key).await?.map(own_meta))
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        match self.inner.get(key).await? {
            Some(entry) => self.unpack(entry).await.map(Some).map_err(|error| self.of(error, "get", key)),
            None => Ok(None),
        }
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let answers = self.inner.get_many(keys).await;
        let bytes = answers.iter().flatten().flatten().map(work_to_unpack).sum();
        let work = move || answers.into_iter().map(|answer| Ok(answer?.map(unpack))).collect::<Vec<_>>();
        let answers: Vec<Result<Option<Result<Entry>>>> = match self.workers.run(bytes, work).await {
            Ok(answers) => answers,
            Err(error) => return keys.iter().map(|key| Err(self.of(error.clone(), "get_many", key))).collect(),
        };
        let named = |(answer, key): (Result<Option<Result<Entry>>>, &Key)| {
            answer?.transpose().map_err(|error| self.of(error, "get_many", key))
        };
        answers.into_iter().zip(keys).map(named).collect()
    }

    async fn put(&self, key: &Key, entry: Entry) -> Result<()> {
        let settings = self.settings;
        let packed = self.workers.run(settings.work_to_pack(&entry), move || settings.pack(entry)).await;
        let packed = packed.and_then(|packed| packed).map_err(|error| self.of(error, "put", key))?;
        self.inner.put(key, packed).await
    }

    async fn put_many(&self, entries: Vec<(Key, Entry)>) -> Vec<Result<()>> {
        let settings = self.settings;
        let bytes = entries.iter().map(|(_, entry)| settings.work_to_pack(entry)).sum();
        let keys: Vec<Key> = entries.iter().map(|(key, _)| key.clone()).collect();
        let work = move || entries.into_iter().map(|(key, entry)| (key, settings.pack(entry))).collect::<Vec<_>>();
        let packed = match self.workers.run(bytes, work).await {
            Ok(packed) => packed,
            Err(error) => return keys.iter().map(|key| Err(self.of(error.clone(), "put_many", key))).collect(),
        };
        let mut stored = Vec::with_capacity(packed.len());
        let asked = packed.into_iter().map(|(key, packed)| match packed {
            Ok(entry) => {
                stored.push((key, entry));
                Ok(())
            }
            Err(error) => Err(self.of(error, "put_many", &key)),
        });
        let asked = asked.collect();
        merge(asked, self.inner.put_many(stored).await, &keys)
    }

    async fn renew(&self, key: &Key, present: Stamp, mut meta: Meta) -> Result<bool> {
        let stored = self.inner.stat(key).await?.filter(|stored| stored.stamp == present);
        let Some(stored) = stored else { return Ok(false) };
        // The body stays in its form, and the new meta has to tell which.
        meta.codec = mark::join(mark::form(stored.codec.as_deref()), meta.codec);
        self.inner.renew(key, present, meta).await
    }

    async fn remove(&self, key: &Key) -> Result<bool> {
        self.inner.remove(key).await
    }

    fn scan(&self, prefix: &KeyPrefix) -> BoxStream<'_, Result<(Key, Meta)>> {
        self.inner.scan(prefix).map(|found| found.map(|(key, meta)| (key, own_meta(meta)))).boxed()
    }

    async fn usage(&self) -> Result<Usage> {
        self.inner.usage().await
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

#[derive(Debug, Clone, Copy)]
struct Settings {
    text: Algorithm,
    binary: Algorithm,
    level: i32,
    min_len: u64,
    /// The longest body that the backend inside takes.
    room: u64,
}

impl Settings {
    fn algorithm(&self, entry: &Entry) -> Option<Algorithm> {
        if entry.len() < self.min_len || entry.is_empty() || entry.len() > Entry::MAX_BODY {
            return None;
        }
        match Media::of(&entry.meta) {
            Media::Text => Some(self.text),
            Media::Binary => Some(self.binary),
            Media::Packed => None,
        }
    }

    /// The bytes to be worked on, those of a slow level many times over.
    fn work_to_pack(&self, entry: &Entry) -> u64 {
        match self.algorithm(entry) {
            #[cfg(feature = "zstd")]
            Some(Algorithm::Zstd) if self.level > FAST_LEVELS => entry.len().saturating_mul(SLOWNESS),
            Some(_) => entry.len(),
            None if frame::begins(&entry.body) => entry.len(),
            None => 0,
        }
    }

    /// The stored form of `entry`.
    fn pack(&self, mut entry: Entry) -> Result<Entry> {
        entry.check_body(Entry::MAX_BODY)?;
        // Where the body as it is finds no room, any gain that makes some will do.
        let enough = if entry.len() > self.room { self.room } else { entry.len() - entry.len().div_ceil(8) };
        let is_worth_it =
            |algorithm: &Algorithm| entry.len() > self.room || sample::promises(*algorithm, self.level, &entry.body);
        let packed = self.algorithm(&entry).filter(is_worth_it).and_then(|algorithm| {
            Some((algorithm, frame::compress(algorithm, self.level, &entry.body, enough as usize)?))
        });
        let form = match packed {
            Some((algorithm, body)) => {
                entry.body = body;
                Some(algorithm.form())
            }
            None => frame::is_whole(&entry.body).then_some(Form::AsIs),
        };
        entry.check_body(self.room)?;
        entry.meta.codec = mark::join(form, entry.meta.codec.take());
        Ok(entry)
    }
}

/// The entry as it was put.
fn unpack(mut entry: Entry) -> Result<Entry> {
    match mark::form(entry.meta.codec.as_deref()) {
        Some(form @ (Form::Zstd | Form::Lz4)) => entry.body = frame::decompress(form, &entry.body)?,
        // A renewal can meet a body of the same stamp that was put in another form since it looked.
        None if frame::is_whole(&entry.body) => {
            return Err(Error::new(ErrorKind::Corrupt, "the body is compressed and its meta does not say so"));
        }
        Some(Form::AsIs) | None => {}
    }
    entry.meta = own_meta(entry.meta);
    Ok(entry)
}

fn work_to_unpack(entry: &Entry) -> u64 {
    match mark::form(entry.meta.codec.as_deref()) {
        Some(Form::Zstd | Form::Lz4) => frame::work(&entry.body),
        None if frame::begins(&entry.body) => entry.len(),
        Some(Form::AsIs) | None => 0,
    }
}

fn own_meta(mut meta: Meta) -> Meta {
    meta.codec = mark::own(meta.codec);
    meta
}
