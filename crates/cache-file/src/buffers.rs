//! `Buffers`: the memory that long entries are read into, used again.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

/// Shorter entries are left to the allocator.
const LEAST: usize = 128 << 10;
/// Lengths are rounded up by one part in so many at most, so that keys of about one length share buffers. What is rounded
/// up is held as long as the body, and counted by nobody.
const SHARE: usize = 16;
/// What is kept while nobody uses it, in bytes.
const MOST: usize = 24 << 20;

/// Buffers that nobody uses, for the next reads of their length.
///
/// An allocator that gets megabytes back keeps them in the heap of the thread that freed them, where other threads do
/// not find them: what a process takes would be a multiple of what it uses.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// Bytes to read into; their memory goes back to where it came from.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    home: Weak<Buffers>,
}

impl Buffers {
    /// `len` bytes of any content.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        if len < LEAST {
            return Buffer { bytes: vec![0; len], len, home: Weak::new() };
        }
        let rounded = rounded(len);
        let found = {
            let mut idle = self.idle.lock();
            let at = idle.buffers.iter().rposition(|buffer| buffer.len() == rounded);
            let found = at.and_then(|at| idle.buffers.remove(at));
            idle.bytes -= found.as_ref().map_or(0, Vec::len);
            found
        };
        Buffer { bytes: found.unwrap_or_else(|| vec![0; rounded]), len, home: Arc::downgrade(self) }
    }

    fn put_back(&self, buffer: Vec<u8>) {
        let mut dropped = Vec::new();
        let mut idle = self.idle.lock();
        idle.bytes += buffer.len();
        idle.buffers.push_back(buffer);
        // The oldest goes, so that buffers of a length that is not used any more do.
        while idle.bytes > MOST {
            let Some(oldest) = idle.buffers.pop_front() else { break };
            idle.bytes -= oldest.len();
            dropped.push(oldest);
        }
        drop(idle);
    }
}

impl Buffer {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.put_back(std::mem::take(&mut self.bytes));
        }
    }
}

fn rounded(len: usize) -> usize {
    len.next_multiple_of(len.next_power_of_two() / (2 * SHARE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: usize = 64 << 10;

    #[test]
    fn a_buffer_is_a_little_longer_than_its_bytes_at_most() {
        for len in (LEAST..3 << 20).step_by(977).chain([LEAST, LEAST + 1, 1 << 20, (1 << 20) + 1]) {
            assert!((len..=len + len / SHARE).contains(&rounded(len)), "{len} bytes in {}", rounded(len));
        }
    }

    #[test]
    fn a_buffer_is_used_again_when_the_last_of_its_bytes_is_dropped() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.take(LEAST + 1);
        buffer.as_mut().fill(7);
        let body = buffer.into_bytes();
        let (place, part) = (body.as_ptr(), body.slice(1..2));
        drop(body);
        assert_eq!(buffers.idle.lock().bytes, 0);
        drop(part);
        assert_eq!(buffers.idle.lock().bytes, rounded(LEAST + 1));
        let again = buffers.take(LEAST + 2).into_bytes();
        assert_eq!((again.as_ptr(), again.len()), (place, LEAST + 2));
    }

    #[test]
    fn idle_buffers_stay_within_their_bytes() {
        let buffers = Arc::new(Buffers::default());
        let used: Vec<_> = (0..200).map(|number| buffers.take(LEAST + number * STEP)).collect();
        drop(used);
        assert!((MOST / 2..=MOST).contains(&buffers.idle.lock().bytes));
    }

    #[test]
    fn a_short_one_is_not_kept() {
        let buffers = Arc::new(Buffers::default());
        let body = buffers.take(LEAST - 1).into_bytes();
        assert_eq!(body.len(), LEAST - 1);
        drop(body);
        assert_eq!(buffers.idle.lock().bytes, 0);
    }
}
