//! `Fingerprinter`: content hashes, remembered for files that nobody touched since.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Clock, DAY, Error, ErrorKind, Key, Result, ttl};
use cache_tiered::{Cache, Codec, Tiered};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{Fingerprint, Fingerprinting, hash};
use crate::origin::{LOADED, name_of, stage_error};
use crate::source::SourceState;
use crate::{Digest, Remote, Source};

/// Computes fingerprints and remembers them by device, inode, length and times of the file.
///
/// A file that was touched within the last two seconds, or in the future, is hashed every time: it may change
/// again without its times showing it.
#[derive(Debug, Clone)]
pub struct Fingerprinter {
    how: Fingerprinting,
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
    /// Length of the source in bytes; 0 where a server has not said.
    pub len: u64,
    /// The tier that remembered it, or `"loaded"` when the file was read.
    pub origin: Arc<str>,
    /// Time to answer.
    pub took: Duration,
    /// Time that remembering it saved.
    pub saved: Duration,
    /// That of a file.
    pub(crate) state: Option<SourceState>,
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
    /// Takes fingerprints of `how` of files, and remembers them in `tiers`, whose clock is compared with the times of
    /// files.
    ///
    /// # Errors
    /// As building a [`Cache`]; `Invalid` for [`Fingerprinting::Remote`], which files do not have.
    pub fn new(tiers: Tiered, how: Fingerprinting) -> Result<Self> {
        if how == Fingerprinting::Remote {
            return Err(Error::new(ErrorKind::Invalid, "files have no remote fingerprints: choose another one"));
        }
        let clock = tiers.clock().clone();
        let memos = Cache::builder("fingerprint")
            .lifetime(ttl(MEMO_LIFETIME))
            .near(NEAR_MEMOS)
            .schema(2)
            .deadline(DAY)
            .codec(Codec::MessagePack)
            .tiers(tiers)
            .build()?;
        Ok(Self { how, memos, clock, reading: Arc::new(Semaphore::new(READING)) })
    }

    /// The fingerprint of `source`.
    ///
    /// Reads a whole file for its content unless that is remembered, in 1 MiB steps off the runtime's workers.
    /// Cancelling it stops the reading, unless other callers wait for the same file. Of a remote source, nothing is
    /// asked or read.
    ///
    /// # Errors
    /// `Invalid` with the path of a file that is missing, not a regular file, empty, unreadable, or changes while it is
    /// read; and for a remote source without an identity.
    pub async fn fingerprint(&self, source: &Source) -> Result<Fingerprinted> {
        match source {
            Source::File(path) => self.of_file(path).await,
            Source::Remote(remote) => of_remote(remote),
            // It is known; of what else there is to tell, as little as of something on a server.
            Source::Kept(fingerprint) => {
                let nothing = Remote::new("http://kept").len(0).modified("never");
                Ok(Fingerprinted { fingerprint: *fingerprint, ..of_remote(&nothing)? })
            }
        }
    }

    async fn of_file(&self, path: &Path) -> Result<Fingerprinted> {
        let started = Instant::now();
        let state = SourceState::look(path).await?;
        let (fingerprint, origin, saved) = if self.how == Fingerprinting::Stat {
            (of_state(&state), Arc::from(LOADED), Duration::ZERO)
        } else if self.is_racy(&state) {
            (read(self.how, &self.reading, path, state).await?.fingerprint, Arc::from(LOADED), Duration::ZERO)
        } else {
            let (how, path, reading) = (self.how, path.to_owned(), self.reading.clone());
            let load = move |_| async move { read(how, &reading, &path, state).await };
            let hit = self.memos.get_or_load(&memo_key(how, &state)?, load).await.map_err(stage_error)?;
            (hit.value.fingerprint, name_of(&hit.origin), hit.saved)
        };
        Ok(Fingerprinted { fingerprint, len: state.len, origin, took: started.elapsed(), saved, state: Some(state) })
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

fn of_remote(remote: &Remote) -> Result<Fingerprinted> {
    let started = Instant::now();
    let fingerprint = Fingerprint::taken(Fingerprinting::Remote, digest_of(&remote.identity()?));
    let (len, origin) = (remote.len.unwrap_or_default(), Arc::from(LOADED));
    Ok(Fingerprinted { fingerprint, len, origin, took: started.elapsed(), saved: Duration::ZERO, state: None })
}

fn of_state(state: &SourceState) -> Fingerprint {
    let SourceState { dev, inode, len, modified_ns, changed_ns } = state;
    let numbers = [i128::from(*dev), i128::from(*inode), i128::from(*len), *modified_ns, *changed_ns];
    Fingerprint::taken(Fingerprinting::Stat, digest_of(&numbers.map(|number| number.to_string())))
}

/// Of the texts, each prefixed with its length.
fn digest_of(texts: &[String]) -> Digest {
    let prefixed = |text: &String| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    Digest::of(&texts.iter().flat_map(prefixed).collect::<Vec<u8>>())
}

async fn read(how: Fingerprinting, reading: &Semaphore, path: &Path, state: SourceState) -> Result<Memo> {
    let _place = reading.acquire().await.map_err(|_| Error::new(ErrorKind::Closed, "no file is read any more"))?;
    let digest = match how {
        Fingerprinting::Sampled => hash::sampled(path, state).await?,
        _ => hash::content(path, state).await?,
    };
    Ok(Memo { fingerprint: Fingerprint::taken(how, digest) })
}

fn memo_key(how: Fingerprinting, state: &SourceState) -> Result<Key> {
    let name = if how == Fingerprinting::Sampled { "sampled" } else { "content" };
    Key::of(name)
        .param("dev", state.dev)
        .param("inode", state.inode)
        .param("len", state.len)
        .param("mtime", state.modified_ns)
        .param("ctime", state.changed_ns)
        .build()
}
