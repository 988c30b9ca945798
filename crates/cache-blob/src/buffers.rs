//! `Buffers`: the memory of segments, used again.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

/// Buffers that nobody uses, for the next segments of their length.
///
/// An allocator that gets megabytes back keeps them in the heap of the thread that freed them, where other threads do
/// not find them: what a process takes would be a multiple of what it uses.
#[derive(Debug)]
pub(crate) struct Buffers {
    idle: Mutex<Idle>,
    most: usize,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// Bytes that arrive; their memory goes back to where it came from.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    home: Weak<Buffers>,
}

impl Buffers {
    /// Keeps at most `most` bytes that nobody uses.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), most })
    }

    /// An empty buffer for `capacity` bytes.
    pub(crate) fn take(self: &Arc<Self>, capacity: usize) -> Buffer {
        let found = {
            let mut idle = self.idle.lock();
            let at = idle.buffers.iter().rposition(|buffer| buffer.capacity() == capacity);
            let found = at.and_then(|at| idle.buffers.remove(at));
            idle.bytes -= found.as_ref().map_or(0, Vec::capacity);
            found
        };
        Buffer { bytes: found.unwrap_or_else(|| Vec::with_capacity(capacity)), home: Arc::downgrade(self) }
    }

    fn put_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut dropped = Vec::new();
        let mut idle = self.idle.lock();
        idle.bytes += buffer.capacity();
        idle.buffers.push_back(buffer);
        // The oldest goes, so that buffers of a length that is not used any more do.
        while idle.bytes > self.most {
            let Some(oldest) = idle.buffers.pop_front() else { break };
            idle.bytes -= oldest.capacity();
            dropped.push(oldest);
        }
        drop(idle);
    }
}

impl Buffer {
    pub(crate) fn is_unallocated(&self) -> bool {
        self.bytes.capacity() == 0
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What has arrived. One that is not full is cut to its length, so that what is kept takes no more.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        if self.bytes.len() == self.bytes.capacity() {
            return Bytes::from_owner(self);
        }
        self.bytes.shrink_to_fit();
        Bytes::from(std::mem::take(&mut self.bytes))
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.is_unallocated()
            && let Some(home) = self.home.upgrade()
        {
            home.put_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_the_last_of_its_bytes_is_dropped() {
        let buffers = Buffers::new(100);
        let mut buffer = buffers.take(4);
        buffer.append(b"abcd");
        let place = buffer.as_ref().as_ptr();
        let body = buffer.into_bytes();
        let part = body.slice(1..2);
        drop(body);
        assert_eq!(buffers.idle.lock().bytes, 0);
        drop(part);
        assert_eq!(buffers.idle.lock().bytes, 4);
        let mut again = buffers.take(4);
        again.append(b"e");
        assert_eq!((again.as_ref(), again.as_ref().as_ptr()), (&b"e"[..], place));
        assert_eq!(buffers.idle.lock().bytes, 0);
    }

    #[test]
    fn idle_buffers_stay_within_their_bytes() {
        let buffers = Buffers::new(10);
        let used: Vec<_> = (0..9).map(|number| buffers.take(2 + number % 2)).collect();
        drop(used);
        assert!((8..=10).contains(&buffers.idle.lock().bytes));
    }

    #[test]
    fn a_short_one_takes_its_length() {
        let mut buffer = Buffers::new(100).take(1_000);
        buffer.append(b"ab");
        assert_eq!(buffer.into_bytes(), "ab");
    }
}
