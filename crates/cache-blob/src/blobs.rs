//! `Blobs`: values of any length over a backend.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Error, ErrorKind, Freshness, Hlc, Key, Meta};
use cache_local::Buffers;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::activity::BlobActivity;
use crate::blob::{Blob, Open};
use crate::gates::Gates;
use crate::manifest::Manifest;
use crate::memory::Memory;
use crate::options::{BlobsBuilder, Options};
use crate::outcome::Limit;
use crate::refused::Refused;
use crate::source::{Description, Source};
use crate::{BlobReader, Result};

/// How long the backend may take for a manifest before it counts as failing.
const LIMIT: Duration = Duration::from_mins(1);

/// Values of any length, kept in a [`Backend`] as a manifest and segments, and read while they are fetched. Cloning
/// shares it.
///
/// # What is kept
/// The manifest is the entry of the blob's key; segments are entries below that key, named by the version of the blob,
/// so that two versions never meet in one reader. Presence is what the backend has: a process that was killed leaves
/// nothing to mend, and the next one fetches the segments that are missing. A segment that does not verify is missing.
///
/// # Freshness
/// A fresh manifest is used without asking the source. A stale one is compared with what the source says: the same
/// version goes on, another one takes its place, and a source that cannot be asked leaves it in place until its end. A
/// source without a strong validator cannot say that it has the same version: what it has counts as another one.
///
/// # Runtime and cancellation
/// It works within a Tokio runtime with time enabled. Fetches are tasks of their own, shared by all readers of a blob;
/// dropping a reader, or a future of one, at any point leaves nothing behind. All waits, buffers and tasks are bounded
/// by the [options](BlobsBuilder).
#[derive(Clone)]
pub struct Blobs(Arc<Shared>);

/// What all blobs share.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) options: Options,
    pub(crate) gates: Gates,
    pub(crate) memory: Memory,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) stamps: Hlc,
    live: Mutex<HashMap<Key, Arc<Slot>>>,
    refused: Refused,
}

/// The place of one key among the open blobs.
#[derive(Debug, Default)]
struct Slot {
    /// Held by whoever finds out about the blob: others wait, and share what it found.
    opening: tokio::sync::Mutex<()>,
    blob: Mutex<Option<Arc<Blob>>>,
}

/// A version that is known already.
struct Known {
    manifest: Manifest,
    freshness: Freshness,
    is_kept: bool,
}

impl Known {
    /// Of a blob that somebody reads, and whose manifest is gone.
    fn unsure(manifest: Manifest) -> Self {
        Self { manifest, freshness: Freshness::Stale, is_kept: false }
    }

    /// Whether the blob goes on as this version. What was kept a while ago needs a proof; somebody who reads has none
    /// either, so others may read with him until something speaks against it.
    fn is_confirmed(&self, description: &Description) -> bool {
        let manifest = &self.manifest;
        if self.is_kept { manifest.is_confirmed(description) } else { manifest.agrees(description) }
    }
}

impl Blobs {
    /// Starts the setup.
    pub fn builder() -> BlobsBuilder {
        BlobsBuilder::new()
    }

    pub(crate) fn new(backend: Arc<dyn Backend>, options: Options) -> Self {
        let half = options.memory / 2;
        Self(Arc::new(Shared {
            gates: Gates::new(half, options.segment_len, options.fetches_per_origin),
            memory: Memory::new(half),
            buffers: Buffers::new(usize::try_from(half / 4).unwrap_or(usize::MAX)),
            stamps: Hlc::new(options.clock.clone()),
            live: Mutex::default(),
            refused: Refused::default(),
            backend,
            options,
        }))
    }

    /// Opens the blob of `key`, whose bytes come from `source` where the backend does not have them.
    ///
    /// The source is asked to describe the blob unless a fresh manifest is there; its bytes are fetched as they are
    /// read. Readers of a key share its fetches, which use the source of the latest opening. Dropping the future has
    /// no effect.
    ///
    /// # Errors
    /// [`BlobError::Failed`](crate::BlobError::Failed) when nothing is known of the blob and the source cannot
    /// describe it, when the key is too long to have segments below it, or without a runtime.
    pub async fn open(&self, key: &Key, source: impl Source) -> Result<BlobReader> {
        let source: Arc<dyn Source> = Arc::new(source);
        let visit = Visit::new(&self.0, key);
        let _opening = visit.slot.opening.lock().await;
        let open = |blob: Arc<Blob>| BlobReader::new(Open::new(blob));
        let live = visit.slot.blob.lock().clone().filter(|blob| blob.ended().is_none());
        let known = self.0.find(key).await.or_else(|| live.as_ref().map(|blob| Known::unsure(blob.manifest())));
        let known = known.filter(|known| !self.0.refused.has(key, &known.manifest));
        let (manifest, is_kept) = self.0.describe(key, known, &source).await.map_err(|error| error.at(key))?;
        if let Some(blob) = live.filter(|blob| blob.etag == manifest.etag()) {
            blob.set_source(source, &manifest);
            return Ok(open(blob));
        }
        let no_runtime = |_| Error::new(ErrorKind::Invalid, "blobs are opened within a Tokio runtime");
        let limit = Limit { max_len: self.0.options.max_len, capacity: self.0.capacity().await };
        let runtime = Handle::try_current().map_err(no_runtime)?;
        let blob = Arc::new(Blob::new(self.0.clone(), key.clone(), manifest, source, limit, runtime)?);
        if !is_kept && blob.uncached().is_none() {
            blob.write_manifest().await;
        }
        *visit.slot.blob.lock() = Some(blob.clone());
        Ok(open(blob))
    }

    /// What is read and fetched of each open blob, in no promised order: those that are read, and those that fetches go on
    /// for. Costs a short lock of each.
    pub fn activity(&self) -> Vec<BlobActivity> {
        let live: Vec<_> = self.0.live.lock().values().filter_map(|slot| slot.blob.lock().clone()).collect();
        live.iter().map(|blob| blob.activity()).collect()
    }
}

impl Shared {
    /// The manifest in the backend, with how long it holds. A backend that fails counts as empty.
    async fn find(&self, key: &Key) -> Option<Known> {
        let found = timeout(LIMIT, self.backend.get(key)).await;
        let entry = match found {
            Ok(Ok(entry)) => entry?,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the manifest of a blob counts as absent");
                return None;
            }
            Err(_) => return None,
        };
        self.stamps.observe(entry.meta.stamp);
        let freshness = entry.meta.freshness(self.options.clock.now());
        Some(Known { manifest: Manifest::from_entry(&entry)?, freshness, is_kept: true })
    }

    /// The version to read, and whether the backend has its manifest: what is known, if it is fresh or the source
    /// confirms it, else what the source describes.
    async fn describe(&self, key: &Key, known: Option<Known>, source: &Arc<dyn Source>) -> Result<(Manifest, bool)> {
        let known = match known {
            Some(known) if known.freshness == Freshness::Fresh => return Ok((known.manifest, known.is_kept)),
            known => known,
        };
        match (self.ask(source).await, known) {
            (Ok(description), Some(known)) if known.is_confirmed(&description) => {
                let manifest = known.manifest.completed(&description);
                let renewed = self.put_manifest(key, &manifest).await;
                Ok((manifest, renewed.is_ok()))
            }
            (Ok(description), _) => Ok((self.manifest(key, &description), false)),
            (Err(error), Some(known)) => {
                tracing::debug!(%error, "a stale manifest stands in for a source that does not answer");
                Ok((known.manifest, known.is_kept))
            }
            (Err(error), None) => Err(error),
        }
    }

    /// What the source says, when it is its turn among those that the origin is asked for.
    async fn ask(&self, source: &Arc<dyn Source>) -> Result<Description> {
        let limit = self.options.describe_limit;
        let late = |what| move |_| Error::new(ErrorKind::Timeout, format!("{what} within {limit:?}"));
        let origin = source.origin();
        let turn = timeout(limit, self.gates.describe(&origin));
        let _pass = turn.await.map_err(late("the origin of the blob is busy with descriptions: no turn came"))?;
        let described = timeout(limit, source.describe());
        described.await.map_err(late("the source did not describe the blob"))?
    }

    /// The manifest of what is begun anew.
    fn manifest(&self, key: &Key, description: &Description) -> Manifest {
        let manifest = Manifest::new(description, self.options.segment_len, self.stamps.tick().as_u64());
        if self.refused.has(key, &manifest) { manifest.renamed(self.stamps.tick().as_u64()) } else { manifest }
    }

    /// Puts a manifest that is fresh from this instant on.
    pub(crate) async fn put_manifest(&self, key: &Key, manifest: &Manifest) -> cache_core::Result<()> {
        let meta = Meta::new(self.stamps.tick(), self.options.clock.now()).with_lifetime(self.options.lifetime);
        let entry = manifest.to_entry(meta)?;
        let silent = |_| Error::new(ErrorKind::Timeout, format!("the backend did not answer within {LIMIT:?}"));
        timeout(LIMIT, self.backend.put(key, entry)).await.map_err(silent)?
    }

    /// Puts the manifest of `blob` in the place of the one that it began with, unless that was removed meanwhile or
    /// another version has its place. Openings of the key wait for it, and it for them.
    pub(crate) async fn renew(&self, blob: &Arc<Blob>) {
        let visit = Visit::new(self, &blob.key);
        let Ok(_opening) = timeout(LIMIT, visit.slot.opening.lock()).await else { return };
        let is_other = visit.slot.blob.lock().as_ref().is_some_and(|live| !Arc::ptr_eq(live, blob));
        if !is_other && self.has_manifest_of(blob).await && blob.ended().is_none() {
            blob.write_manifest().await;
        }
    }

    /// Removes the manifest of `blob`, and that of no other version.
    pub(crate) async fn remove_manifest(&self, blob: &Blob) {
        let visit = Visit::new(self, &blob.key);
        let opening = timeout(LIMIT, visit.slot.opening.lock()).await;
        if self.has_manifest_of(blob).await {
            drop(timeout(LIMIT, self.backend.remove(&blob.key)).await);
        }
        drop(opening);
    }

    async fn has_manifest_of(&self, blob: &Blob) -> bool {
        let found = timeout(LIMIT, self.backend.get(&blob.key)).await;
        let Ok(Ok(Some(entry))) = found else { return false };
        Manifest::from_entry(&entry).is_some_and(|found| found.etag() == blob.etag)
    }

    /// What the backend can hold, when it says so.
    async fn capacity(&self) -> Option<u64> {
        timeout(LIMIT, self.backend.usage()).await.ok()?.ok()?.capacity
    }

    /// Nothing that is kept of this version is read again.
    pub(crate) fn refuse(&self, key: &Key, manifest: &Manifest) {
        self.refused.note(key, manifest);
    }

    /// Whoever opens the key from here on gets another blob than this one.
    pub(crate) fn forget(&self, blob: &Arc<Blob>) {
        let mut live = self.live.lock();
        let Some(slot) = live.get(&blob.key) else { return };
        let is_ours = slot.blob.lock().take_if(|held| Arc::ptr_eq(held, blob)).is_some();
        if is_ours && Arc::strong_count(slot) == 1 {
            live.remove(&blob.key);
        }
    }

    /// Lets go of a blob that nobody reads; false when somebody is about to.
    pub(crate) fn retire(&self, blob: &Arc<Blob>) -> bool {
        let mut live = self.live.lock();
        let Some(slot) = live.get(&blob.key) else { return true };
        if !slot.blob.lock().as_ref().is_some_and(|held| Arc::ptr_eq(held, blob)) {
            return true;
        }
        if Arc::strong_count(slot) > 1 || blob.is_open() {
            return false;
        }
        live.remove(&blob.key);
        true
    }
}

/// A slot in use: it stays while somebody opens it, and afterwards while it has a blob.
struct Visit<'a> {
    shared: &'a Shared,
    key: &'a Key,
    slot: Arc<Slot>,
}

impl<'a> Visit<'a> {
    fn new(shared: &'a Shared, key: &'a Key) -> Self {
        let slot = shared.live.lock().entry(key.clone()).or_default().clone();
        Self { shared, key, slot }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut live = self.shared.live.lock();
        // Within the lock: of two that end at once, one is the last.
        drop(std::mem::take(&mut self.slot));
        if live.get(self.key).is_some_and(|slot| Arc::strong_count(slot) == 1 && slot.blob.lock().is_none()) {
            live.remove(self.key);
        }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs")
            .field("backend", &self.backend.info().name)
            .field("open", &self.live.lock().len())
            .finish_non_exhaustive()
    }
}
