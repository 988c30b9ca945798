//! `Memory`: what segments on their way to readers may take.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cache_core::Key;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The unit in which memory is taken, in bytes.
const UNIT: u64 = 4 << 10;
/// What a reader may hold in any case, in bytes.
const LEAST_SHARE: usize = 64 << 10;

/// The bound on segments that are read from the backend, split in three: those being read, those read last, and what
/// readers hold.
///
/// A body is held as a whole only while the share of each reader is as long; in a crowd readers copy a piece and let go
/// of the body. So what a thousand paused players hold stays bounded.
#[derive(Debug)]
pub(crate) struct Memory {
    reads: Semaphore,
    units: u32,
    recent: Mutex<Recent>,
    recent_bytes: usize,
    held_bytes: usize,
    cursors: AtomicUsize,
}

/// Bodies read or filled last, the latest in front.
#[derive(Debug, Default)]
struct Recent {
    bodies: VecDeque<(Key, Bytes)>,
    bytes: usize,
}

impl Memory {
    /// Splits `bytes`.
    pub(crate) fn new(bytes: u64) -> Self {
        let third = bytes / 3;
        let units = (third / UNIT).clamp(1, u64::from(u32::MAX >> 4)) as u32;
        let third = usize::try_from(third).unwrap_or(usize::MAX);
        Self {
            reads: Semaphore::new(units as usize),
            units,
            recent: Mutex::default(),
            recent_bytes: third / 2,
            held_bytes: third + third / 2,
            cursors: AtomicUsize::new(0),
        }
    }

    /// Waits, in turn, for the right to read `bytes` from the backend. `None` never comes back: the semaphore is not
    /// closed.
    pub(crate) async fn reading(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let units = bytes.div_ceil(UNIT).clamp(1, u64::from(self.units)) as u32;
        self.reads.acquire_many(units).await.ok()
    }

    /// The body of `key`, if it is one of the latest.
    pub(crate) fn recent(&self, key: &Key) -> Option<Bytes> {
        let recent = self.recent.lock();
        recent.bodies.iter().find(|(held, _)| held == key).map(|(_, body)| body.clone())
    }

    /// Takes note of a body; those that it has no room for are dropped.
    pub(crate) fn note(&self, key: &Key, body: &Bytes) {
        let mut dropped = Vec::new();
        let mut recent = self.recent.lock();
        if body.len() > self.recent_bytes || recent.bodies.iter().any(|(held, _)| held == key) {
            return;
        }
        recent.bytes += body.len();
        recent.bodies.push_front((key.clone(), body.clone()));
        while recent.bytes > self.recent_bytes {
            let Some(last) = recent.bodies.pop_back() else { break };
            recent.bytes -= last.1.len();
            dropped.push(last);
        }
        drop(recent);
    }

    /// Forgets the body of `key`.
    pub(crate) fn forget(&self, key: &Key) {
        let mut recent = self.recent.lock();
        if let Some(at) = recent.bodies.iter().position(|(held, _)| held == key)
            && let Some((_, body)) = recent.bodies.remove(at)
        {
            recent.bytes -= body.len();
        }
    }

    /// What one reader may hold, in bytes.
    pub(crate) fn share(&self) -> usize {
        (self.held_bytes / self.cursors.load(Ordering::Relaxed).max(1)).max(LEAST_SHARE)
    }

    /// The part of `body` from `offset` on that one reader may hold: a slice, which keeps the whole body in memory, while
    /// the share of a reader allows it, else a copy of a piece.
    pub(crate) fn hold_of(&self, mut body: Bytes, offset: usize) -> Bytes {
        let share = self.share();
        let is_roomy = body.len() <= share;
        let rest = body.split_off(offset.min(body.len()));
        if is_roomy { rest } else { Bytes::copy_from_slice(&rest[..rest.len().min(share)]) }
    }

    /// Counts a reader in.
    pub(crate) fn join(&self) {
        self.cursors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a reader out.
    pub(crate) fn leave(&self) {
        self.cursors.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_holds_copies_of_pieces() {
        let memory = Memory::new(3 << 20);
        let body = Bytes::from(vec![7; 1 << 20]);
        memory.join();
        let alone = memory.hold_of(body.clone(), 10);
        assert_eq!((alone.len(), alone.as_ptr()), ((1 << 20) - 10, body[10..].as_ptr()));
        memory.join();
        let crowded = memory.hold_of(body.clone(), 10);
        assert_eq!(crowded.len(), 768 << 10);
        assert_ne!(crowded.as_ptr(), body[10..].as_ptr());
    }

    #[test]
    fn the_latest_bodies_stay_within_their_bytes() {
        let memory = Memory::new(6 << 10);
        let keys = ["a", "b", "c"].map(|text| Key::parse(text).unwrap());
        for key in &keys {
            memory.note(key, &Bytes::from(vec![0; 500]));
        }
        assert_eq!(keys.each_ref().map(|key| memory.recent(key).is_some()), [false, true, true]);
        memory.forget(&keys[2]);
        assert_eq!(memory.recent(&keys[2]), None);
        assert_eq!(memory.recent.lock().bytes, 500);
    }
}
