//! `Fingerprinter`: content hashes, remembered for files that nobody touched since.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Clock, DAY, Error, ErrorKind, Key, Result, ttl};
use cache_tiered::{Cache, Codec, Tiered};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{Fingerprint, hash};
use crate::origin::{LOADED, name_of, stage_error};
use crate::source::SourceState;

/// Computes fingerprints and remembers them by device, inode, length and times of the file.
///
/// A file that was touched within the last two seconds, or in the future, is hashed every time: it may change
/// again without its times showing it.
#[derive(Debug, Clone)]
pub struct Fingerprinter {
    memos: Cache<Memo>,
    clock: Arc<dyn Clock>,
    /// Bounds the files read at a time, and with them the buffers.
    reading: Arc<Semaphore>,
}

/// A fingerprint and how it was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fingerprinted {
    /// The identity of the source.
    pub fingerprint: Fingerprint,
    /// Length of the source in bytes.
    pub len: u64,
    /// The tier that remembered it, or `"loaded"` when the file was read.
    pub origin: Arc<str>,
    /// Time to answer.
    pub took: Duration,
    /// Time that remembering it saved.
    pub saved: Duration,
    pub(crate) state: SourceState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Memo {
    fingerprint: Fingerprint,
}

/// File systems stamp files with a clock that ticks every few milliseconds, some every two seconds.
const RACY: Duration = Duration::from_secs(2);
const MEMO_LIFETIME: Duration = DAY.saturating_mul(30);
/// Files read at a time.
const READING: usize = 4;
/// Memos held decoded in the process.
const NEAR_MEMOS: u64 = 4096;

impl Fingerprinter {
    /// Remembers fingerprints in `tiers`, whose clock is compared with the times of files.
    ///
    /// # Errors
    /// As building a [`Cache`].
    pub fn new(tiers: Tiered) -> Result<Self> {
        let clock = tiers.clock().clone();
        let memos = Cache::builder("fingerprint")
            .lifetime(ttl(MEMO_LIFETIME))
            .near(NEAR_MEMOS)
            .schema(1)
            .deadline(DAY)
            .codec(Codec::MessagePack)
            .tiers(tiers)
            .build()?;
        Ok(Self { memos, clock, reading: Arc::new(Semaphore::new(READING)) })
    }

    /// The fingerprint of the file at `path`.
    ///
    /// Reads the whole file unless it is remembered, in 1 MiB steps off the runtime's workers. Cancelling it stops
    /// the reading, unless other callers wait for the same file.
    ///
    /// # Errors
    /// `Invalid` with the path when it is missing, not a regular file, empty, unreadable, or changes while it is
    /// read.
    pub async fn fingerprint(&self, path: &Path) -> Result<Fingerprinted> {
        let started = Instant::now();
        let state = SourceState::look(path).await?;
        let (fingerprint, origin, saved) = if self.is_racy(&state) {
            (read(&self.reading, path, state).await?.fingerprint, Arc::from(LOADED), Duration::ZERO)
        } else {
            let (path, reading) = (path.to_owned(), self.reading.clone());
            let load = move |_| async move { read(&reading, &path, state).await };
            let hit = self.memos.get_or_load(&memo_key(&state)?, load).await.map_err(stage_error)?;
            (hit.value.fingerprint, name_of(&hit.origin), hit.saved)
        };
        Ok(Fingerprinted { fingerprint, len: state.len, origin, took: started.elapsed(), saved, state })
    }

    /// Waits until what was remembered is stored; then every call fails.
    pub(crate) async fn close(&self) -> Result<()> {
        self.memos.close().await
    }

    /// The later of both times: a modification time can be set back, that of the change cannot.
    fn is_racy(&self, state: &SourceState) -> bool {
        let touched = state.modified_ns.max(state.changed_ns);
        let now = i128::from(self.clock.now().as_millis()) * 1_000_000;
        touched.saturating_add_unsigned(RACY.as_nanos()) > now
    }
}

async fn read(reading: &Semaphore, path: &Path, state: SourceState) -> Result<Memo> {
    let _place = reading.acquire().await.map_err(|_| Error::new(ErrorKind::Closed, "no file is read any more"))?;
    Ok(Memo { fingerprint: Fingerprint::of(hash::content(path, state).await?) })
}

fn memo_key(state: &SourceState) -> Result<Key> {
    Key::of("content")
        .param("dev", state.dev)
        .param("inode", state.inode)
        .param("len", state.len)
        .param("mtime", state.modified_ns)
        .param("ctime", state.changed_ns)
        .build()
}
