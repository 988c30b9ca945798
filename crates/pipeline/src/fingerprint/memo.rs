//! `Fingerprinter`: content hashes, remembered for files that nobody touched since.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cache_core::{Clock, DAY, Error, ErrorKind, Key, Result, ttl};
use cache_tiered::{Cache, Codec, Tiered};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{Fingerprint, Fingerprinting, hash};
use crate::origin::{LOADED, name_of, stage_error};
use crate::source::{self, SourceState, changed};
use crate::{Digest, Remote, Servers, Source};

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
    /// Who asks about remote sources.
    servers: Option<Arc<dyn Servers>>,
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
    /// When the state was looked at.
    taken: Instant,
    /// Whether the file may have changed since without its times showing it.
    is_racy: Arc<AtomicBool>,
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
        Ok(Self { how, memos, clock, reading: Arc::new(Semaphore::new(READING)), servers: None })
    }

    /// Has `servers` asked whether remote sources are still what they were.
    pub(crate) fn asking(self, servers: Option<Arc<dyn Servers>>) -> Self {
        Self { servers, ..self }
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
        let is_racy = self.how != Fingerprinting::Stat && self.is_racy(&state);
        let (fingerprint, origin, saved) = if self.how == Fingerprinting::Stat {
            (of_state(&state), Arc::from(LOADED), Duration::ZERO)
        } else if is_racy {
            (read(self.how, &self.reading, path, state).await?.fingerprint, Arc::from(LOADED), Duration::ZERO)
        } else {
            let (how, path, reading) = (self.how, path.to_owned(), self.reading.clone());
            let load = move |_| async move { read(how, &reading, &path, state).await };
            let hit = self.memos.get_or_load(&memo_key(how, &state)?, load).await.map_err(stage_error)?;
            (hit.value.fingerprint, name_of(&hit.origin), hit.saved)
        };
        Ok(Fingerprinted {
            fingerprint,
            len: state.len,
            origin,
            took: started.elapsed(),
            saved,
            state: Some(state),
            taken: started,
            is_racy: Arc::new(AtomicBool::new(is_racy)),
        })
    }

    /// Fails unless `source` is still what `print` was taken of. `during` says what would have gone wrong.
    ///
    /// Looks at the times of the file. Where they may hide a change, because the file had just been touched, it is read
    /// again: until the times of a further change would differ, and once after that. Of a remote source the server is
    /// asked.
    pub(crate) async fn confirm(&self, source: &Source, print: &Fingerprinted, during: &str) -> Result<()> {
        if let Source::Remote(remote) = source {
            return source::confirm(self.servers.as_deref(), remote, during).await;
        }
        let (Source::File(path), Some(state)) = (source, print.state) else { return Ok(()) };
        state.confirm(path, during).await?;
        if !print.is_racy.load(Ordering::Acquire) {
            return Ok(());
        }
        let would_show = print.taken.elapsed() > RACY;
        if read(self.how, &self.reading, path, state).await?.fingerprint != print.fingerprint {
            return Err(changed(path, during));
        }
        if would_show {
            print.is_racy.store(false, Ordering::Release);
        }
        Ok(())
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
    Ok(Fingerprinted {
        fingerprint,
        len,
        origin,
        took: started.elapsed(),
        saved: Duration::ZERO,
        state: None,
        taken: started,
        is_racy: Arc::default(),
    })
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

#[cfg(test)]
mod tests {
    use cache_mem::MemBackend;

    use super::*;

    async fn of_a_new_file() -> (tempfile::TempDir, Source, Fingerprinter, Fingerprinted) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip");
        std::fs::write(&path, "one").unwrap();
        let tiers = Tiered::builder().tier(MemBackend::new(1 << 20)).build().unwrap();
        let (source, prints) = (Source::from(path), Fingerprinter::new(tiers, Fingerprinting::Content).unwrap());
        let print = prints.fingerprint(&source).await.unwrap();
        (dir, source, prints, print)
    }

    #[tokio::test]
    async fn a_change_within_one_tick_of_the_clock_of_files_is_noticed() {
        let (_dir, source, prints, mut print) = of_a_new_file().await;
        prints.confirm(&source, &print, "processed").await.unwrap();
        let path = source.path().unwrap();
        std::fs::write(path, "two").unwrap();
        // As if both had happened in one tick.
        print.state = Some(SourceState::of(path).unwrap());
        let error = prints.confirm(&source, &print, "processed").await.unwrap_err();
        assert!(error.message().contains("changed while it was processed"), "{error}");
    }

    #[tokio::test]
    async fn what_was_read_after_a_further_change_would_show_is_not_read_again() {
        let (_dir, source, prints, mut print) = of_a_new_file().await;
        prints.confirm(&source, &print, "processed").await.unwrap();
        assert!(print.is_racy.load(Ordering::Relaxed), "a change would not show yet");
        print.taken = print.taken.checked_sub(2 * RACY).unwrap();
        prints.confirm(&source, &print, "processed").await.unwrap();
        assert!(!print.is_racy.load(Ordering::Relaxed));
    }
}
