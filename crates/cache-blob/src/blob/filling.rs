//! `Filling`: a segment whose bytes arrive, and the readers that wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use cache_local::{Buffer, Buffers};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::BlobError;

/// A segment that is being fetched. Readers take what has arrived, and are woken by what arrives.
#[derive(Debug)]
pub(crate) struct Filling {
    progress: Mutex<Progress>,
    changed: Notify,
    /// Grows with what readers take of the whole segment.
    taken: AtomicU64,
}

#[derive(Debug)]
enum Progress {
    /// These bytes have arrived.
    Growing(Buffer),
    /// All have.
    Whole(Bytes),
    /// The segment was in the backend already.
    Kept,
    /// The source failed.
    Failed(BlobError),
    /// The fetch ended, and it is no fault of the source.
    Left,
}

/// What a reader found.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A copy of what has arrived from the offset on, not empty.
    Piece(Bytes),
    /// The whole segment.
    Whole(Bytes),
    /// Look into the backend.
    Kept,
    /// The source failed.
    Failed(BlobError),
    /// Ask again for a fetch.
    Left,
}

impl Filling {
    pub(crate) fn new() -> Self {
        let progress = Mutex::new(Progress::Growing(Buffer::default()));
        Self { progress, changed: Notify::new(), taken: AtomicU64::new(0) }
    }

    /// Appends what has arrived. `expected` is the length of the whole segment: its buffer is taken with the first byte.
    pub(crate) fn append(&self, bytes: &[u8], expected: usize, buffers: &Arc<Buffers>) {
        if let Progress::Growing(arrived) = &mut *self.progress.lock() {
            if arrived.is_unallocated() {
                *arrived = buffers.take(expected);
            }
            arrived.append(bytes);
        }
        self.changed.notify_waiters();
    }

    /// The segment is whole; its body.
    pub(crate) fn finish(&self) -> Bytes {
        let mut progress = self.progress.lock();
        let body = match &mut *progress {
            Progress::Growing(arrived) => std::mem::take(arrived).into_bytes(),
            Progress::Whole(body) => body.clone(),
            Progress::Kept | Progress::Failed(_) | Progress::Left => Bytes::new(),
        };
        *progress = Progress::Whole(body.clone());
        drop(progress);
        self.changed.notify_waiters();
        body
    }

    /// The segment is in the backend.
    pub(crate) fn keep(&self) {
        self.end(Progress::Kept);
    }

    /// The source failed.
    pub(crate) fn fail(&self, error: BlobError) {
        self.end(Progress::Failed(error));
    }

    /// The fetch ends.
    pub(crate) fn leave(&self) {
        self.end(Progress::Left);
    }

    /// Grows with what readers take of the whole segment.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes up to `max` bytes from `offset` on; waits until there is one, or none will come.
    pub(crate) async fn take(&self, offset: usize, max: usize) -> Taken {
        loop {
            // It listens from its creation on, so what arrives between the look and the wait is not missed.
            let changed = self.changed.notified();
            if let Some(taken) = self.look(offset, max) {
                return taken;
            }
            changed.await;
        }
    }

    fn look(&self, offset: usize, max: usize) -> Option<Taken> {
        match &*self.progress.lock() {
            Progress::Growing(arrived) => {
                let arrived = arrived.as_ref();
                let piece = arrived.get(offset..offset.saturating_add(max).min(arrived.len()))?;
                (!piece.is_empty()).then(|| Taken::Piece(Bytes::copy_from_slice(piece)))
            }
            Progress::Whole(body) => {
                self.taken.fetch_add(1, Ordering::Relaxed);
                Some(Taken::Whole(body.clone()))
            }
            Progress::Kept => Some(Taken::Kept),
            Progress::Failed(error) => Some(Taken::Failed(error.clone())),
            Progress::Left => Some(Taken::Left),
        }
    }

    /// Nothing follows on a whole segment.
    fn end(&self, ended: Progress) {
        let mut progress = self.progress.lock();
        if matches!(*progress, Progress::Growing(_)) {
            *progress = ended;
            drop(progress);
            self.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_is_woken_by_what_arrives() {
        let filling = Arc::new(Filling::new());
        let reader = tokio::spawn({
            let filling = filling.clone();
            async move { filling.take(2, 10).await }
        });
        tokio::task::yield_now().await;
        filling.append(b"ab", 8, &Buffers::new(0));
        tokio::task::yield_now().await;
        assert!(!reader.is_finished());
        filling.append(b"cd", 8, &Buffers::new(0));
        assert!(matches!(reader.await.unwrap(), Taken::Piece(piece) if piece == "cd"));
    }

    #[tokio::test]
    async fn a_whole_segment_stays_whole() {
        let filling = Filling::new();
        filling.append(b"ab", 2, &Buffers::new(0));
        assert_eq!(filling.finish(), "ab");
        filling.leave();
        assert!(matches!(filling.take(0, 1).await, Taken::Whole(body) if body == "ab"));
    }

    #[tokio::test]
    async fn an_end_wakes_whoever_waits() {
        let filling = Arc::new(Filling::new());
        let reader = tokio::spawn({
            let filling = filling.clone();
            async move { filling.take(0, 1).await }
        });
        tokio::task::yield_now().await;
        filling.leave();
        assert!(matches!(reader.await.unwrap(), Taken::Left));
    }
}
