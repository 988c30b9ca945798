//! `Fence`: an invalidation wins over every read and load that began before it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Key, Result};
use parking_lot::Mutex;
use tokio::sync::{Mutex as Gate, OwnedMutexGuard};
use tokio::time::timeout;

/// Orders the writes of each key, and tells whoever read it earlier that it was written meanwhile.
///
/// Whoever is going to copy what it reads takes a [`Watch`] *before* it reads; every write holds the key's
/// [`Turn`]. A key has an epoch that a write makes odd at its start and even at its end, so that a watch is current
/// exactly when no write has run since it was taken, not even in part. The answer is exact however long a watch
/// lasts, and memory is bounded by the watches and turns alive: a key that nobody uses is not remembered.
///
/// Its locks are held for a few instructions, never across an await.
#[derive(Clone, Default)]
pub(crate) struct Fence(Arc<Mutex<HashMap<Key, Known>>>);

/// A key in use.
#[derive(Default)]
struct Known {
    /// How many [`Seat`]s there are.
    seats: usize,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    epoch: Mutex<u64>,
    /// Made by the first who wants a turn; held by whoever has it.
    gate: OnceLock<Arc<Gate<()>>>,
}

impl Fence {
    /// Starts to watch `key`.
    pub(crate) fn watch(&self, key: &Key) -> Watch {
        let seat = self.enter(key);
        let epoch = *seat.state.epoch.lock();
        Watch { seat, epoch }
    }

    /// Waits for the key's turn, without announcing a write.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when others held it for all of `limit`.
    pub(crate) async fn turn(&self, key: &Key, limit: Duration) -> Result<Turn> {
        self.enter(key).turn(limit).await
    }

    /// Waits for the key's turn and begins a write.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub(crate) async fn write(&self, key: &Key, limit: Duration) -> Result<Turn> {
        Ok(self.turn(key, limit).await?.writing())
    }

    /// Whether anybody watches `key`, or has its turn or waits for it.
    pub(crate) fn is_used(&self, key: &Key) -> bool {
        self.0.lock().contains_key(key)
    }

    fn enter(&self, key: &Key) -> Seat {
        let mut keys = self.0.lock();
        let known = keys.entry(key.clone()).or_default();
        known.seats += 1;
        let state = known.state.clone();
        drop(keys);
        Seat { fence: self.clone(), key: key.clone(), state }
    }
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fence").field("keys", &self.0.lock().len()).finish()
    }
}

/// What a read or load holds from before it began until its value was copied or given up.
#[derive(Debug)]
pub(crate) struct Watch {
    seat: Seat,
    epoch: u64,
}

impl Watch {
    /// Whether no write of the key has begun since the watch was taken.
    ///
    /// A copy to a place of its own is safe when this is asked under that place's lock, and writers clear the place
    /// after they have begun: either the copy comes first and is cleared, or the answer is no.
    pub(crate) fn is_current(&self) -> bool {
        let epoch = *self.seat.state.epoch.lock();
        epoch == self.epoch && epoch.is_multiple_of(2)
    }

    /// Whether a write of the key has ended since the watch was taken: what was read may be older than what others
    /// have been told.
    pub(crate) fn is_overtaken(&self) -> bool {
        *self.seat.state.epoch.lock() / 2 != self.epoch / 2
    }

    /// Waits for the key's turn; `None` when the key was written since the watch was taken, or others held the turn
    /// for all of `limit`.
    pub(crate) async fn claim(&self, limit: Duration) -> Option<Turn> {
        let turn = self.seat.fence.turn(&self.seat.key, limit).await.ok()?;
        self.is_current().then_some(turn)
    }
}

/// The exclusive right to change a key; dropping it ends the write, then lets the next one in.
#[derive(Debug)]
pub(crate) struct Turn {
    writing: bool,
    // Fields drop in this order, after the end of the write was announced.
    _gate: OwnedMutexGuard<()>,
    seat: Seat,
}

impl Turn {
    /// Begins a write.
    pub(crate) fn writing(mut self) -> Self {
        self.writing = true;
        *self.seat.state.epoch.lock() += 1;
        self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.writing {
            *self.seat.state.epoch.lock() += 1;
        }
    }
}

/// Keeps the state of a key.
struct Seat {
    fence: Fence,
    key: Key,
    state: Arc<State>,
}

impl Seat {
    async fn turn(self, limit: Duration) -> Result<Turn> {
        let gate = self.state.gate.get_or_init(Arc::default).clone();
        if let Ok(gate) = timeout(limit, gate.lock_owned()).await {
            return Ok(Turn { writing: false, _gate: gate, seat: self });
        }
        let message = format!("other writes of this key have not ended within {limit:?}: try again");
        Err(Error::new(ErrorKind::Timeout, message).with_key(&self.key))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut keys = self.fence.0.lock();
        if let Some(known) = keys.get_mut(&self.key) {
            known.seats -= 1;
            if known.seats == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seat").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn key() -> Key {
        Key::parse("a").unwrap()
    }

    #[tokio::test]
    async fn a_watch_is_current_until_a_write_begins() {
        let fence = Fence::default();
        let watch = fence.watch(&key());
        assert!(watch.is_current());
        let turn = fence.write(&key(), LIMIT).await.unwrap();
        assert!(!watch.is_current());
        drop(turn);
        assert!(!watch.is_current());
    }

    #[tokio::test]
    async fn a_watch_taken_during_a_write_is_never_current() {
        let fence = Fence::default();
        let turn = fence.write(&key(), LIMIT).await.unwrap();
        let watch = fence.watch(&key());
        assert!(!watch.is_current());
        drop(turn);
        assert!(!watch.is_current());
        assert!(fence.watch(&key()).is_current());
    }

    #[tokio::test]
    async fn a_watch_is_overtaken_once_a_write_has_ended() {
        let fence = Fence::default();
        let before = fence.watch(&key());
        let turn = fence.write(&key(), LIMIT).await.unwrap();
        let during = fence.watch(&key());
        assert!(!before.is_overtaken() && !during.is_overtaken());
        drop(turn);
        assert!(before.is_overtaken() && during.is_overtaken());
    }

    #[tokio::test]
    async fn a_turn_without_a_write_leaves_watches_current() {
        let fence = Fence::default();
        let watch = fence.watch(&key());
        drop(watch.claim(LIMIT).await.unwrap());
        assert!(watch.is_current());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_exclusive_and_waited_for_with_a_limit() {
        let fence = Fence::default();
        let turn = fence.turn(&key(), LIMIT).await.unwrap();
        let refused = fence.turn(&key(), LIMIT).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Timeout);
        drop(turn);
        assert!(fence.turn(&key(), LIMIT).await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_nobody_uses_is_not_remembered() {
        let fence = Fence::default();
        let watch = fence.watch(&key());
        drop(fence.write(&key(), LIMIT).await.unwrap());
        assert!(fence.is_used(&key()));
        drop(watch);
        assert!(!fence.is_used(&key()) && fence.0.lock().is_empty());
    }

    #[test]
    fn a_key_whose_last_two_users_leave_at_once_is_not_remembered() {
        const KEYS: usize = 20_000;
        let fence = Fence::default();
        let arrived = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for number in 0..KEYS {
                        let watch = fence.watch(&Key::of(number).build().unwrap());
                        arrived.fetch_add(1, Ordering::SeqCst);
                        while arrived.load(Ordering::SeqCst) < 2 * (number + 1) {
                            std::hint::spin_loop();
                        }
                        drop(watch);
                    }
                });
            }
        });
        assert_eq!(fence.0.lock().len(), 0);
    }
}
