//! `Recovery`: what a tier has missed, done again once it works.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::{Hlc, Key, Mark, Meta, Stamp};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Inner, Tiered};

/// The most keys that wait; as many marks again.
const MOST: usize = 4096;
/// The pause before the first attempt, and the least between two.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// An operation that a tier has missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// An entry with this meta was to be stored. Its body is read again from another tier.
    Put(Box<Meta>),
    /// The key was removed, at this stamp.
    Remove(Stamp),
    /// A mark was to be stored under this key, and what it covers removed.
    Mark(Mark),
    /// A mark was to be told to other processes.
    Tell(Mark),
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Done,
    /// Done, as far as could be: no tier has the body any more.
    Lost,
    /// The tier does not work yet.
    Later,
    /// The key is being written, or another tier that may have its body does not answer.
    Busy,
}

/// The newest operation of each key that a tier has missed. No body is held.
///
/// Bounded: of too many, operations of keys are dropped and counted. Their keys stay
/// [suspect](super::suspects::Suspects), so nothing out of date is served for the want of them.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    state: Mutex<State>,
    any: AtomicBool,
    marks: AtomicBool,
    wake: Arc<Notify>,
    pub(super) replayed: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    ops: BTreeMap<Key, Op>,
    /// The marks among them.
    marks: BTreeMap<Key, Mark>,
    working: bool,
}

impl Recovery {
    /// Number of operations waiting.
    pub(super) fn len(&self) -> usize {
        self.state.lock().ops.len()
    }

    /// Whether a mark waits.
    pub(super) fn has_marks(&self) -> bool {
        self.marks.load(Ordering::Acquire)
    }

    /// Whether an entry of the tier may be one that a mark covers which waits: its stamp may be from a clock ahead of
    /// the one that the mark is from.
    pub(super) fn withholds(&self, key: &Key, meta: &Meta) -> bool {
        let may_cover = |mark: &Mark| may_precede(meta.stamp, mark) && mark.selector.selects(key, &meta.tags);
        self.has_marks() && self.state.lock().marks.values().any(may_cover)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.any.load(Ordering::Acquire) && self.state.lock().ops.contains_key(key)
    }

    /// Notes that the tier has answered: what waits is tried soon.
    pub(super) fn works(&self) {
        if self.any.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// Forgets the operation of `key`: a newer one has succeeded.
    pub(super) fn forget(&self, key: &Key) {
        if self.any.load(Ordering::Acquire) {
            self.take_off(&mut self.state.lock(), key);
        }
    }

    /// Forgets the fill of `key` that is older than `until`, unless it `stays`; whether there was one.
    pub(super) fn forget_fill(&self, key: &Key, until: Stamp, stays: impl Fn(Stamp) -> bool) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let mut state = self.state.lock();
        let goes = matches!(state.ops.get(key), Some(Op::Put(meta)) if meta.stamp < until && !stays(meta.stamp));
        if goes {
            self.take_off(&mut state, key);
        }
        goes
    }

    fn take_off(&self, state: &mut State, key: &Key) {
        state.ops.remove(key);
        state.marks.remove(key);
        self.any.store(!state.ops.is_empty(), Ordering::Release);
        self.marks.store(!state.marks.is_empty(), Ordering::Release);
    }

    /// Takes an operation in; whether a worker has to be started.
    fn push(&self, key: &Key, op: Op) -> bool {
        let mut state = self.state.lock();
        let room = if matches!(op, Op::Put(_) | Op::Remove(_)) { MOST } else { 2 * MOST };
        if state.ops.len() >= room && !state.ops.contains_key(key) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        if let Op::Mark(mark) = &op {
            state.marks.insert(key.clone(), mark.clone());
            self.marks.store(true, Ordering::Release);
        }
        state.ops.insert(key.clone(), op);
        self.any.store(true, Ordering::Release);
        !std::mem::replace(&mut state.working, true)
    }

    fn all(&self) -> Vec<(Key, Op)> {
        self.state.lock().ops.iter().map(|(key, op)| (key.clone(), op.clone())).collect()
    }

    /// Whether `op` is still what the tier has missed under `key`.
    pub(super) fn wants(&self, key: &Key, op: &Op) -> bool {
        self.state.lock().ops.get(key) == Some(op)
    }

    /// Takes an operation that was done off the list.
    fn finish(&self, key: &Key, op: &Op) {
        let mut state = self.state.lock();
        if state.ops.get(key) == Some(op) {
            self.take_off(&mut state, key);
        }
    }

    /// Ends the work if there is none.
    fn rest(&self) -> bool {
        let mut state = self.state.lock();
        state.working = !state.ops.is_empty();
        !state.working
    }
}

impl Tiered {
    /// Notes that a tier has missed an operation.
    pub(super) fn recover(&self, tier: usize, key: &Key, op: Op) {
        if self.0.tiers[tier].recovery.push(key, op) {
            self.start_recovery(tier);
        }
    }

    /// Tries what waits soon, as if each tier had answered.
    pub(super) fn urge_recovery(&self) {
        for (index, tier) in self.0.tiers.iter().enumerate() {
            tier.recovery.works();
            // A worker ends with its runtime.
            let idle = {
                let mut state = tier.recovery.state.lock();
                !state.ops.is_empty() && !std::mem::replace(&mut state.working, true)
            };
            if idle {
                self.start_recovery(index);
            }
        }
    }

    fn start_recovery(&self, tier: usize) {
        let wake = self.0.tiers[tier].recovery.wake.clone();
        let worker = Worker { stack: Arc::downgrade(&self.0), tier, wake, finished: false };
        tokio::spawn(worker.run());
    }
}

/// Does again what one tier has missed, until nothing is left, the stack is closed or gone.
struct Worker {
    stack: Weak<Inner>,
    tier: usize,
    wake: Arc<Notify>,
    finished: bool,
}

impl Worker {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            // Nothing is tried at once, so that a tier which answers reads and fails writes is not asked all the time.
            tokio::time::sleep(FIRST_PAUSE).await;
            let Some(stamp) = self.stack().map(|stack| stack.stamps().tick()) else { return };
            let _ = timeout(jittered(pause.saturating_sub(FIRST_PAUSE), stamp), self.wake.notified()).await;
            let Some(ops) = self.stack().map(|stack| stack.0.tiers[self.tier].recovery.all()) else { return };
            pause = if self.round(ops).await { FIRST_PAUSE } else { (2 * pause).min(LONGEST_PAUSE) };
            let Some(stack) = self.stack() else { return };
            if stack.0.tiers[self.tier].recovery.rest() {
                self.finished = true;
                return;
            }
        }
    }

    /// The stack, unless it is closed or gone. Whoever holds it keeps it from being dropped.
    fn stack(&self) -> Option<Tiered> {
        self.stack.upgrade().map(Tiered).filter(|stack| !stack.is_closed())
    }

    /// Tries each operation that waits, until the tier fails or the stack goes; whether any has succeeded.
    async fn round(&self, ops: Vec<(Key, Op)>) -> bool {
        let mut progress = false;
        // A tier and its backplane may fail one without the other.
        let mut fails = [false; 2];
        for (key, op) in ops {
            let part = usize::from(matches!(op, Op::Tell(_)));
            if fails[part] {
                continue;
            }
            let Some(stack) = self.stack() else { break };
            let recovery = &stack.0.tiers[self.tier].recovery;
            let counter = match stack.replay(self.tier, &key, &op).await {
                Attempt::Later => {
                    fails[part] = true;
                    continue;
                }
                Attempt::Busy => continue,
                Attempt::Done => &recovery.replayed,
                Attempt::Lost => {
                    tracing::warn!(tier = %stack.0.tiers[self.tier].name(), %key, "no tier has an entry any more");
                    &recovery.lost
                }
            };
            counter.fetch_add(1, Ordering::Relaxed);
            recovery.finish(&key, &op);
            progress = true;
            stack.unmark_key(&key).await;
        }
        progress
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // When the runtime ends: the next operation starts another one.
        if let Some(stack) = self.stack.upgrade().filter(|_| !self.finished) {
            stack.tiers[self.tier].recovery.state.lock().working = false;
        }
    }
}

/// Whether what has this stamp may be older than `mark`: another process's clock may be so far ahead that it is followed.
pub(super) fn may_precede(stamp: Stamp, mark: &Mark) -> bool {
    stamp < mark.stamp || (stamp.node() != mark.stamp.node() && stamp < latest_before(mark))
}

fn latest_before(mark: &Mark) -> Stamp {
    Stamp::first_of(mark.stamp.instant().after(Hlc::MAX_AHEAD).after(Duration::from_millis(1)))
}

/// A span between three quarters of `pause` and all of it, by the lowest bits of a stamp: they differ from process to
/// process.
fn jittered(pause: Duration, stamp: Stamp) -> Duration {
    let part = u32::try_from(stamp.as_u64() % 256).unwrap_or_default();
    pause.saturating_sub((pause / 1024) * part)
}

#[cfg(test)]
mod tests {
    use cache_core::{ManualClock, Selector, Timestamp};

    use super::*;

    #[test]
    fn a_newer_stamp_of_the_same_clock_is_newer_and_one_of_another_may_not_be() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let [one, two] = [1, 2].map(|node| Hlc::of_node(clock.clone(), node));
        let mark = Mark { selector: Selector::all(), stamp: one.tick() };
        clock.advance(Duration::from_millis(1));
        assert!(!may_precede(one.tick(), &mark) && may_precede(two.tick(), &mark));
        clock.advance(2 * Hlc::MAX_AHEAD);
        assert!(!may_precede(two.tick(), &mark));
    }
}
