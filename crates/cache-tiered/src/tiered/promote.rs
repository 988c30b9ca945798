//! Work behind reads: promotions and repairs, in a bounded queue.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_core::{Entry, ErrorKind, Key, Mark, Stamp};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::common::just_after;
use super::suspects::Suspects;
use super::{Forecast, Inner, Tiered};
use crate::fence::Watch;
use crate::marks::Added;

/// The most bytes of bodies that wait.
const MOST_BYTES: u64 = 256 << 20;

/// Something to do behind a read.
#[derive(Debug)]
pub(super) enum Job {
    Promote(Box<Promotion>),
    /// Removes what a tier cannot or must not serve.
    Repair {
        key: Key,
        tier: usize,
    },
    /// Does what the adding of a mark has left to do.
    Tend(Added),
    /// Removes what a mark covers, from tiers that nobody else takes care of.
    Drop(Mark),
    /// Takes a fill of this process back from the shared tiers.
    Withdraw {
        key: Key,
        stamp: Stamp,
    },
}

/// Copies an entry to the tiers above `below`, unless its key was written since it was watched.
#[derive(Debug)]
pub(super) struct Promotion {
    pub(super) key: Key,
    pub(super) entry: Entry,
    pub(super) below: usize,
    pub(super) watch: Watch,
}

/// Jobs waiting for the worker, a task that lives while there are any.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    most: usize,
    idle: Notify,
    pub(super) done: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) overtaken: AtomicU64,
    pub(super) failed: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// The repairs among the jobs: a corrupt key that is read often waits once.
    repairs: HashSet<(Key, usize)>,
    bytes: u64,
    working: bool,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self {
            state: Mutex::default(),
            most,
            idle: Notify::new(),
            done: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            overtaken: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Waits until nothing is queued or under way.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if !self.state.lock().working {
                return;
            }
            idle.await;
        }
    }

    /// Number of jobs waiting.
    pub(super) fn len(&self) -> usize {
        self.state.lock().jobs.len()
    }

    /// Takes a job in, unless it is a repair that waits already; whether a worker has to be started. `None` when there
    /// is no room.
    fn push(&self, job: Job) -> Option<bool> {
        let mut state = self.state.lock();
        let repair = job.repair();
        if repair.as_ref().is_some_and(|repair| state.repairs.contains(repair)) {
            return Some(false);
        }
        let bytes = state.bytes + job.len();
        if state.jobs.len() >= self.most || (bytes > MOST_BYTES && !state.jobs.is_empty()) {
            return None;
        }
        state.bytes = bytes;
        state.repairs.extend(repair);
        state.jobs.push_back(job);
        Some(!std::mem::replace(&mut state.working, true))
    }

    fn pop(&self) -> Option<Job> {
        let mut state = self.state.lock();
        let job = state.jobs.pop_front();
        match &job {
            Some(job) => {
                state.bytes -= job.len();
                if let Some(repair) = job.repair() {
                    state.repairs.remove(&repair);
                }
            }
            None => state.working = false,
        }
        job
    }

    /// Ends the work for want of a worker.
    fn abandon(&self) {
        let mut state = self.state.lock();
        state.working = false;
        state.bytes = 0;
        state.repairs.clear();
        // Dropped outside of the lock: jobs hold watches.
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.dropped.fetch_add(jobs.len() as u64, Ordering::Relaxed);
    }
}

impl Job {
    fn len(&self) -> u64 {
        match self {
            Self::Promote(promotion) => promotion.entry.len(),
            Self::Repair { .. } | Self::Tend(_) | Self::Drop(_) | Self::Withdraw { .. } => 0,
        }
    }

    /// What it repairs, if it is a repair.
    fn repair(&self) -> Option<(Key, usize)> {
        match self {
            Self::Promote(_) | Self::Tend(_) | Self::Drop(_) | Self::Withdraw { .. } => None,
            Self::Repair { key, tier } => Some((key.clone(), *tier)),
        }
    }
}

impl Tiered {
    pub(super) fn enqueue(&self, job: Job) {
        match self.0.queue.push(job) {
            Some(true) => {
                let worker = Worker { stack: self.0.clone(), finished: false };
                tokio::spawn(worker.run());
            }
            Some(false) => {}
            None => {
                self.0.queue.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tries again what tiers failed to remove, up to `limit` keys of each.
    pub(super) fn repair_suspects(&self, limit: usize) {
        for (tier, suspects) in self.0.tiers.iter().map(|tier| &tier.suspects).enumerate() {
            for key in suspects.some(limit.min(Suspects::MOST)) {
                self.enqueue(Job::Repair { key, tier });
            }
        }
    }
}

/// Does jobs until there are none. Whoever has a key's turn is writing it, or about to: a job of that key is given up,
/// so that it holds up no other. Dropped before that, with its runtime, it leaves the queue empty and usable.
struct Worker {
    stack: Arc<Inner>,
    finished: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(job) = self.stack.queue.pop() {
            match job {
                Job::Promote(promotion) => self.promote(*promotion).await,
                Job::Repair { key, tier } => self.repair(&key, tier).await,
                Job::Tend(added) => Tiered(self.stack.clone()).tend(added).await,
                Job::Drop(mark) => Tiered(self.stack.clone()).drop_marked(&mark).await,
                Job::Withdraw { key, stamp } => Tiered(self.stack.clone()).withdraw_doomed(&key, stamp).await,
            }
        }
        self.finished = true;
    }

    async fn promote(&self, promotion: Promotion) {
        let Promotion { key, entry, below, watch } = promotion;
        let queue = &self.stack.queue;
        let Some(turn) = watch.claim(Duration::ZERO).await else {
            queue.overtaken.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let covered = || self.stack.common.covering(&key, entry.meta.stamp, &entry.meta.tags).is_some();
        if covered() {
            queue.overtaken.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let forecast = Forecast::of(&entry);
        let above: Vec<_> = self.stack.tiers[..below].iter().filter(|tier| tier.admits(&forecast)).collect();
        let answers = join_all(above.iter().map(|tier| tier.promote(&key, &entry))).await;
        if covered() {
            // The invalidation may have passed by before the copy was there. A failure leaves the key suspect.
            join_all(above.iter().map(|tier| tier.discard(&key, just_after(entry.meta.stamp)))).await;
        }
        drop(turn);
        let counter = if answers.iter().any(Result::is_err) { &queue.failed } else { &queue.done };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    async fn repair(&self, key: &Key, tier: usize) {
        let tier = &self.stack.tiers[tier];
        let Ok(_turn) = self.stack.common.fence.turn(key, Duration::ZERO).await else { return };
        // Looked at once more: it may have been replaced since.
        let corrupt = async || {
            let look = tier.call("get", tier.patience, async { tier.backend.get(key).await }).await;
            look.is_err_and(|error| error.kind() == ErrorKind::Corrupt)
        };
        // A failure leaves the key suspect.
        if tier.suspects.contains(key) {
            let floor = tier.suspects.floor(key);
            let whole = floor == Suspects::EVERYTHING;
            let _ = if whole { tier.remove(key).await } else { tier.discard(key, floor).await };
            Tiered(self.stack.clone()).unmark_key(key).await;
        } else if corrupt().await {
            let _ = tier.remove(key).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.finished {
            self.stack.queue.abandon();
        }
        self.stack.queue.idle.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cache_core::{Meta, Stamp, Timestamp};

    use super::*;
    use crate::fence::Fence;

    fn key() -> Key {
        Key::parse("a").unwrap()
    }

    fn promotion(body: Bytes) -> Job {
        let entry = Entry::new(Meta::new(Stamp::from_u64(1), Timestamp::EPOCH), body);
        Job::Promote(Box::new(Promotion { key: key(), entry, below: 1, watch: Fence::default().watch(&key()) }))
    }

    #[test]
    fn bodies_that_wait_are_bounded_together_and_those_taken_out_do_not_count() {
        let queue = Queue::new(100);
        let half = Bytes::from(vec![0; 128 << 20]);
        for _ in 0..3 {
            assert!(queue.push(promotion(half.clone())).is_some());
            assert!(queue.push(promotion(half.clone())).is_some());
            assert!(queue.push(promotion(Bytes::from_static(b"x"))).is_none(), "no room");
            assert!(queue.pop().is_some() && queue.pop().is_some());
        }
    }

    #[test]
    fn a_repair_that_waits_is_not_queued_again() {
        let queue = Queue::new(2);
        let repair = |tier| Job::Repair { key: key(), tier };
        for _ in 0..2 {
            assert!(queue.push(repair(0)).is_some());
            assert_eq!((queue.push(repair(0)), queue.len()), (Some(false), 1));
            assert_eq!((queue.push(repair(1)), queue.len()), (Some(false), 2));
            assert_eq!((queue.push(repair(0)), queue.push(repair(2))), (Some(false), None));
            assert!(queue.pop().is_some() && queue.pop().is_some());
        }
        assert!(queue.push(repair(0)).is_some());
        queue.abandon();
        assert_eq!((queue.push(repair(0)), queue.len()), (Some(true), 1));
    }
}
