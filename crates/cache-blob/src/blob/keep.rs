//! What a blob keeps in the backend: segments in and out, the sealed manifest, and its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use cache_core::{Entry, Key, KeyPrefix, Meta};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::Blob;
use super::filling::Filling;
use crate::gates::Room;
use crate::manifest::{digest, digest_of};

/// How long the backend may take for one call before it counts as failing.
const LIMIT: Duration = Duration::from_mins(1);
/// How long a segment that the backend refused waits for the next read of it.
const HOLD: Duration = Duration::from_secs(5);
/// Keys of segments gathered at a time when a blob is dropped.
const BATCH: usize = 256;

/// What the backend has of a segment.
#[derive(Debug)]
pub(crate) enum Found {
    /// The segment.
    Body(Bytes),
    /// Nothing.
    Absent,
    /// Something that is not the segment, or an error.
    Doubtful,
}

impl Blob {
    /// The segment, if it is in the backend and is the one that was put there. A backend that fails counts as empty.
    pub(crate) async fn read_segment(&self, index: u64) -> Found {
        let Ok(key) = self.segment_key(index) else { return Found::Absent };
        let memory = &self.shared.memory;
        if let Some(body) = memory.recent(&key).filter(|body| self.is_whole(index, body)) {
            return Found::Body(body);
        }
        let _reading = memory.reading(self.segment_len).await;
        // Another reader may have read it while this one waited for its turn.
        if let Some(body) = memory.recent(&key).filter(|body| self.is_whole(index, body)) {
            return Found::Body(body);
        }
        let found = match timeout(LIMIT, self.shared.backend.get(&key)).await {
            Ok(Ok(Some(entry))) => self.verify(index, entry),
            Ok(Ok(None)) => Found::Absent,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a segment counts as absent");
                Found::Doubtful
            }
            Err(_) => Found::Doubtful,
        };
        if let Found::Body(body) = &found {
            self.plan(|plan| plan.note_kept(index));
            memory.note(&key, body);
        }
        found
    }

    /// Compares a segment with its digest: that in the manifest, or before the manifest is sealed, its own.
    fn verify(&self, index: u64, Entry { meta, body }: Entry) -> Found {
        let sealed = {
            let manifest = self.manifest.lock();
            usize::try_from(index).ok().and_then(|index| manifest.digests.get(index).copied())
        };
        let wanted = sealed.or_else(|| digest_of(&meta));
        if self.is_whole(index, &body) && wanted == Some(digest(&body)) { Found::Body(body) } else { Found::Doubtful }
    }

    /// Whether a segment has its length. While that of the blob is unknown, a short one may be the last: it is fetched
    /// again, so that the end is found.
    fn is_whole(&self, index: u64, body: &Bytes) -> bool {
        let wanted = if self.len().is_some() { self.segment_bytes(index) } else { self.segment_len };
        body.len() as u64 == wanted
    }

    /// Whether the backend says that it has the segment. While the length of the blob is unknown it is read: a short one
    /// is the last, and has to be fetched for its end to be found.
    pub(super) async fn has_segment(&self, index: u64) -> bool {
        if self.len().is_none() {
            let is_there = matches!(self.read_segment(index).await, Found::Body(_));
            if is_there {
                // Also when it was only read lately, and is gone from the backend: it is not to be chosen again at once.
                self.plan(|plan| plan.note_kept(index));
            }
            return is_there;
        }
        let Ok(key) = self.segment_key(index) else { return false };
        let found = timeout(LIMIT, self.shared.backend.stat(&key)).await;
        let is_there = matches!(found, Ok(Ok(Some(_))));
        if is_there {
            self.plan(|plan| plan.note_kept(index));
        }
        is_there
    }

    /// Puts a whole segment into the backend. It stays with the plan until it is there, so that readers find it in one
    /// place or the other, and stays while it is read when the backend refuses it. `room` is the memory that it takes.
    pub(super) async fn keep_segment(self: Arc<Self>, index: u64, filling: Arc<Filling>, body: Bytes, room: Room) {
        let is_kept = self.put_segment(index, body).await;
        self.plan(|plan| plan.note_refusal(!is_kept));
        if is_kept {
            self.end_filling(index, &filling);
            drop(room);
            let blob = self.clone();
            // Beside the fetch, whose place others may wait for.
            drop(self.runtime.spawn(async move { blob.seal().await }));
        } else {
            // A task of its own: the fetch goes on as far as there is memory.
            drop(tokio::spawn(async move {
                self.hold(index, &filling).await;
                self.end_filling(index, &filling);
                drop(room);
            }));
        }
    }

    async fn put_segment(&self, index: u64, body: Bytes) -> bool {
        let Ok(key) = self.segment_key(index) else { return false };
        let mut meta = Meta::new(self.stamp(), self.shared.options.clock.now());
        meta.etag = Some(format!("{:032x}", digest(&body)).into());
        // Backends that compress leave parts of films alone.
        meta.content_type.clone_from(&self.content_type);
        self.shared.memory.note(&key, &body);
        match timeout(LIMIT, self.shared.backend.put(&key, Entry::new(meta, body))).await {
            Ok(Ok(())) => {
                self.plan(|plan| plan.note_kept(index));
                return true;
            }
            Ok(Err(error)) => tracing::warn!(%error, "a segment was not kept"),
            Err(_) => tracing::warn!(%key, "a segment was not kept: the backend does not answer"),
        }
        false
    }

    /// Waits until no reader is at the segment, or none has taken of it for a while.
    async fn hold(&self, index: u64, filling: &Filling) {
        let (mut taken, mut until) = (filling.taken(), Instant::now() + HOLD);
        loop {
            let moved = self.moved.notified();
            if !self.plan(|plan| plan.is_read(index)) {
                return;
            }
            if timeout_at(until, moved).await.is_err() {
                if filling.taken() == taken {
                    return;
                }
                (taken, until) = (filling.taken(), Instant::now() + HOLD);
            }
        }
    }

    /// Writes the manifest with the digests of all segments, once they are all there.
    async fn seal(self: &Arc<Self>) {
        if !self.plan(|plan| plan.is_complete()) || !self.manifest().can_seal() {
            return;
        }
        if !self.manifest.lock().digests.is_empty() || self.sealing.swap(true, Ordering::AcqRel) {
            return;
        }
        // The digests are looked up, the whole is read.
        if let Some(digests) = self.digests().await
            && self.is_as_told().await
        {
            self.manifest.lock().digests = digests;
            self.shared.renew(self).await;
        }
        self.sealing.store(false, Ordering::Release);
    }

    /// The digests of all segments, from their metas; `None` when one is missing.
    async fn digests(&self) -> Option<Vec<u128>> {
        let segments = self.manifest.lock().segments()?;
        let mut digests = Vec::new();
        for index in 0..segments {
            let key = self.segment_key(index).ok()?;
            let meta = timeout(LIMIT, self.shared.backend.stat(&key)).await.ok()?.ok()??;
            digests.push(digest_of(&meta)?);
        }
        Some(digests)
    }

    /// Puts the manifest as it is known here. Its failure costs the next process a resumption, nobody else anything.
    pub(crate) async fn write_manifest(&self) {
        let manifest = self.manifest();
        if let Err(error) = self.shared.put_manifest(&self.key, &manifest).await {
            tracing::warn!(%error, "the manifest of a blob was not kept");
        }
    }

    /// The segments that are in the backend, in order. Asks it for every key of the blob.
    pub(crate) async fn kept(&self) -> cache_core::Result<Vec<u64>> {
        let mut indexes = Vec::new();
        let mut found = self.shared.backend.scan(&KeyPrefix::below(&self.segments));
        while let Some(found) = found.next().await {
            indexes.extend(self.index_of(&found?.0));
        }
        indexes.sort_unstable();
        indexes.dedup();
        Ok(indexes)
    }

    fn index_of(&self, key: &Key) -> Option<u64> {
        key.as_str().strip_prefix(self.segments.as_str())?.strip_prefix(':')?.parse().ok()
    }

    /// Removes what is kept of this version.
    pub(super) async fn drop_kept(&self) {
        let backend = &self.shared.backend;
        self.shared.remove_manifest(self).await;
        loop {
            let keys = self.some_kept().await;
            let mut removed = 0;
            for key in &keys {
                self.shared.memory.forget(key);
                let gone = timeout(LIMIT, backend.remove(key)).await;
                removed += usize::from(matches!(gone, Ok(Ok(true))));
            }
            // A backend that removes nothing would be asked for ever.
            if removed == 0 {
                return;
            }
        }
    }

    async fn some_kept(&self) -> Vec<Key> {
        let prefix = KeyPrefix::below(&self.segments);
        let found = self.shared.backend.scan(&prefix).take(BATCH);
        let gathered = found.filter_map(async |found| Some(found.ok()?.0)).collect();
        timeout(LIMIT, gathered).await.unwrap_or_default()
    }
}
