//! `Buffers`: the memory of long bodies, used again.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

/// Shorter bodies are left to the allocator.
const LEAST: usize = 128 << 10;
/// Capacities are rounded up by one part in so many at most, so that bodies of about one length share buffers.
const SHARE: usize = 16;

/// Buffers that nobody uses, for the next bodies of their length.
///
/// An allocator that gets megabytes back keeps them in the heap of the thread that freed them, where other threads do
/// not find them: what a process takes would be a multiple of what it uses. Bodies below 128 KiB are left to it.
#[derive(Debug)]
pub struct Buffers {
    idle: Mutex<Idle>,
    most: usize,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// A body in the making: it is empty, grows up to a capacity, and becomes [`Bytes`].
///
/// Its memory goes back to its [`Buffers`] with the last of those bytes. A little more than them may be held that long:
/// one sixteenth at most, counted by nobody.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The first `len` of these bytes are in use. Those behind are left of earlier bodies.
    bytes: Vec<u8>,
    len: usize,
    home: Weak<Buffers>,
}

impl Buffers {
    /// Keeps at most `most` bytes that nobody uses.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), most })
    }

    /// An empty buffer for `capacity` bytes. Memory that was not used before is taken from the system as it is written.
    #[must_use]
    pub fn take(self: &Arc<Self>, capacity: usize) -> Buffer {
        if capacity < LEAST {
            return Buffer { bytes: Vec::with_capacity(capacity), len: 0, home: Weak::new() };
        }
        let rounded = rounded(capacity);
        let found = {
            let mut idle = self.idle.lock();
            let at = idle.buffers.iter().rposition(|buffer| buffer.capacity() == rounded);
            let found = at.and_then(|at| idle.buffers.remove(at));
            idle.bytes -= found.as_ref().map_or(0, Vec::capacity);
            found
        };
        let bytes = found.unwrap_or_else(|| Vec::with_capacity(rounded));
        Buffer { bytes, len: 0, home: Arc::downgrade(self) }
    }

    fn put_back(&self, buffer: Vec<u8>) {
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
    /// Whether it was given no memory, as its default is.
    #[must_use]
    pub const fn is_unallocated(&self) -> bool {
        self.bytes.capacity() == 0
    }

    /// Puts `bytes` behind what is there. Beyond the capacity it grows as a `Vec` does.
    pub fn append(&mut self, bytes: &[u8]) {
        let over = bytes.len().min(self.bytes.len() - self.len);
        self.bytes[self.len..self.len + over].copy_from_slice(&bytes[..over]);
        self.bytes.extend_from_slice(&bytes[over..]);
        self.len += bytes.len();
    }

    /// Its first `len` bytes, to be written; they are in use from here on. Their content is of no meaning.
    pub fn first(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        self.len = len;
        &mut self.bytes[..len]
    }

    /// What is in use, without a copy. A long one that is not nearly full is copied, so that it holds no more memory
    /// than it needs.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.home.strong_count() == 0 {
            let mut bytes = std::mem::take(&mut self.bytes);
            bytes.truncate(self.len);
            return Bytes::from(bytes);
        }
        if self.len + self.len / SHARE < self.bytes.capacity() {
            return Bytes::copy_from_slice(self.as_ref());
        }
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
        if !self.is_unallocated()
            && let Some(home) = self.home.upgrade()
        {
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

    fn idle(buffers: &Buffers) -> usize {
        buffers.idle.lock().bytes
    }

    #[test]
    fn a_buffer_is_a_little_longer_than_its_bytes_at_most() {
        for len in (LEAST..3 << 20).step_by(977).chain([LEAST, LEAST + 1, 1 << 20, (1 << 20) + 1]) {
            assert!((len..=len + len / SHARE).contains(&rounded(len)), "{len} bytes in {}", rounded(len));
        }
    }

    #[test]
    fn a_buffer_is_used_again_when_the_last_of_its_bytes_is_dropped() {
        let buffers = Buffers::new(LEAST * 4);
        let mut buffer = buffers.take(LEAST + 1);
        buffer.first(LEAST + 1).fill(7);
        let body = buffer.into_bytes();
        let (place, part) = (body.as_ptr(), body.slice(1..2));
        drop(body);
        assert_eq!(idle(&buffers), 0);
        drop(part);
        assert_eq!(idle(&buffers), rounded(LEAST + 1));
        let mut again = buffers.take(LEAST + 2);
        again.append(b"ab");
        assert_eq!((again.as_ref(), again.as_ref().as_ptr()), (&b"ab"[..], place));
        again.append(&vec![8; LEAST]);
        let body = again.into_bytes();
        assert_eq!((&body[..3], body.len(), body.as_ptr()), (&b"ab\x08"[..], LEAST + 2, place));
        assert_eq!(idle(&buffers), 0);
    }

    #[test]
    fn nothing_of_an_earlier_body_is_seen() {
        let buffers = Buffers::new(LEAST * 4);
        let mut earlier = buffers.take(LEAST);
        earlier.first(LEAST).fill(7);
        drop(earlier);
        let mut buffer = buffers.take(LEAST);
        assert!(buffer.as_ref().is_empty());
        buffer.append(&[1; 10]);
        buffer.append(&vec![2; LEAST]);
        let body = buffer.into_bytes();
        assert_eq!(body.len(), LEAST + 10);
        assert!(body.iter().enumerate().all(|(at, byte)| *byte == if at < 10 { 1 } else { 2 }));
    }

    #[test]
    fn a_long_one_that_is_not_full_is_copied_and_used_again() {
        let buffers = Buffers::new(LEAST * 4);
        let mut buffer = buffers.take(LEAST * 2);
        buffer.append(b"ab");
        assert_eq!(buffer.into_bytes(), "ab");
        assert_eq!(idle(&buffers), LEAST * 2);
    }

    #[test]
    fn idle_buffers_stay_within_their_bytes() {
        let most = 24 << 20;
        let buffers = Buffers::new(most);
        let used: Vec<_> = (0..200).map(|number| buffers.take(LEAST + number * STEP)).collect();
        drop(used);
        assert!((most / 2..=most).contains(&idle(&buffers)));
    }

    #[test]
    fn a_short_one_is_not_kept() {
        let buffers = Buffers::new(LEAST * 4);
        let mut buffer = buffers.take(1_000);
        buffer.first(900).fill(1);
        buffer.append(b"ab");
        let body = buffer.into_bytes();
        assert_eq!((body.len(), &body[898..]), (902, &b"\x01\x01ab"[..]));
        drop(body);
        assert_eq!(idle(&buffers), 0);
    }
}
