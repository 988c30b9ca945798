//! `Work`: a torrent that is being fetched, as long as somebody reads it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use librqbit::{ManagedTorrent, TorrentStatsState};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::contents::Contents;
use crate::error::{Result, TorrentError, Why};
use crate::options::Limits;

/// A torrent that is being fetched.
pub(crate) struct Work {
    pub(crate) contents: Contents,
    pub(crate) torrent: Arc<ManagedTorrent>,
    pub(crate) begun: Instant,
    state: Mutex<State>,
    stage: watch::Sender<Stage>,
}

#[derive(Debug)]
struct State {
    files: HashSet<usize>,
    readers: usize,
    /// When the last reader left.
    left: Instant,
}

/// How far a torrent has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    AtWork,
    /// It takes no more readers, for this reason.
    Ending(TorrentError),
    /// Nothing is left of it.
    Gone(TorrentError),
}

/// One reader of a torrent. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Reading(pub(crate) Arc<Work>);

impl Work {
    /// The first reader of a torrent that was just begun with the file `index`.
    pub(crate) fn begin(contents: Contents, torrent: Arc<ManagedTorrent>, index: usize) -> Reading {
        let begun = Instant::now();
        let state = Mutex::new(State { files: HashSet::from([index]), readers: 1, left: begun });
        Reading(Arc::new(Self { contents, torrent, begun, state, stage: watch::Sender::new(Stage::AtWork) }))
    }

    /// One more reader; `None` when the torrent is ending.
    ///
    /// # Errors
    /// [`Why::Busy`] when it has as many as it may have.
    pub(crate) fn join(self: &Arc<Self>) -> Result<Option<Reading>> {
        let mut state = self.state.lock();
        if *self.stage.borrow() != Stage::AtWork {
            return Ok(None);
        }
        if state.readers >= Limits::READERS {
            return Err(TorrentError::new(Why::Busy, "the torrent is read by as many as it may be: try again later"));
        }
        state.readers += 1;
        Ok(Some(Reading(self.clone())))
    }

    /// Adds `index` to the files that are fetched; all of them, if it was none.
    pub(crate) fn select(&self, index: usize) -> Option<HashSet<usize>> {
        let mut state = self.state.lock();
        state.files.insert(index).then(|| state.files.clone())
    }

    /// Takes `index` back.
    pub(crate) fn deselect(&self, index: usize) {
        self.state.lock().files.remove(&index);
    }

    /// The disk that its files take at most, in bytes.
    pub(crate) fn disk(&self) -> u64 {
        let state = self.state.lock();
        let lens = state
            .files
            .iter()
            .filter_map(|index| self.contents.file(*index))
            .map(|file| disk_of(&self.contents, file.len));
        lens.fold(0, u64::saturating_add)
    }

    /// How many read it.
    pub(crate) fn readers(&self) -> usize {
        self.state.lock().readers
    }

    /// For how long nobody has read it.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let state = self.state.lock();
        (state.readers == 0).then(|| state.left.elapsed())
    }

    /// Takes no more readers, if nobody has read it for `idle`; whether it is so.
    pub(crate) fn end_idle(&self, idle: Duration) -> bool {
        let state = self.state.lock();
        let is_idle = state.readers == 0 && state.left.elapsed() >= idle;
        if is_idle {
            self.ending(TorrentError::new(Why::Failed, "the torrent has ended: nobody read it"));
        }
        is_idle
    }

    /// Takes no more readers, and tells those that it has why.
    pub(crate) fn end(&self, why: TorrentError) {
        let _state = self.state.lock();
        self.ending(why);
    }

    fn ending(&self, why: TorrentError) {
        self.stage.send_if_modified(|stage| {
            let is_at_work = *stage == Stage::AtWork;
            if is_at_work {
                *stage = Stage::Ending(why);
            }
            is_at_work
        });
    }

    /// Nothing is left of it, which was ending.
    pub(crate) fn gone(&self) {
        self.stage.send_modify(|stage| {
            if let Stage::Ending(why) = stage {
                *stage = Stage::Gone(why.clone());
            }
        });
    }

    pub(crate) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Waits until nothing is left of it.
    pub(crate) async fn wait_gone(&self) {
        // Its sender is here, so this ends with the condition alone.
        _ = self.stage().wait_for(|stage| matches!(stage, Stage::Gone(_))).await;
    }

    /// Why it does not go on, if it failed.
    pub(crate) fn failure(&self) -> Option<TorrentError> {
        let stats = self.torrent.stats();
        let what = matches!(stats.state, TorrentStatsState::Error).then(|| stats.error.unwrap_or_default())?;
        let what = what.lines().next().unwrap_or_default().to_owned();
        Some(TorrentError::new(Why::Failed, format!("the torrent failed while it was fetched: {what}")))
    }
}

/// The disk that a file of `len` bytes takes, with what its first and last piece share with others.
pub(crate) fn disk_of(contents: &Contents, len: u64) -> u64 {
    len.saturating_add(2 * u64::from(contents.piece_len))
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.readers = state.readers.saturating_sub(1);
        state.left = Instant::now();
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Work");
        shown.field("contents", &self.contents).field("state", &self.state).finish_non_exhaustive()
    }
}
