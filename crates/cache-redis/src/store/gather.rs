//! `Gather`: calls that are under way at the same time are made in one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Questions that may wait; beyond, who asks goes alone.
const WAITING: usize = 1 << 14;

/// Calls that are under way at the same time, made in one by tasks that end when nobody waits.
#[derive(Debug)]
pub(super) struct Gather<Q, A> {
    /// Calls under way, gathered or not.
    callers: AtomicUsize,
    /// How many of them are a crowd.
    crowd: usize,
    /// Tasks at the same time.
    runners: usize,
    state: Mutex<State<Q, A>>,
}

/// A question, and where its answer goes.
pub(super) type Asked<Q, A> = (Q, oneshot::Sender<A>);

#[derive(Debug)]
struct State<Q, A> {
    waiting: VecDeque<Asked<Q, A>>,
    running: usize,
}

/// A call under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    callers: &'a AtomicUsize,
    /// Whether there are enough others to be gathered with.
    pub(super) in_crowd: bool,
}

/// What tells that a task runs, until it ends or is dropped.
#[derive(Debug)]
pub(super) struct Runner<'a, Q, A> {
    gather: &'a Gather<Q, A>,
    ended: bool,
}

impl<Q, A> Gather<Q, A> {
    pub(super) fn new(crowd: usize, runners: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), running: 0 });
        Self { callers: AtomicUsize::new(0), crowd, runners, state }
    }

    /// Announces a call.
    pub(super) fn enter(&self) -> Caller<'_> {
        let in_crowd = self.callers.fetch_add(1, Ordering::Relaxed) >= self.crowd;
        Caller { callers: &self.callers, in_crowd }
    }

    /// Hands in a question; where its answer comes, and whether the caller has to start a task that calls
    /// [`runner`](Self::runner). Nothing when too many wait.
    pub(super) fn ask(&self, question: Q) -> Option<(oneshot::Receiver<A>, bool)> {
        let (answer, answered) = oneshot::channel();
        let mut state = self.state();
        if state.waiting.len() >= WAITING {
            return None;
        }
        state.waiting.push_back((question, answer));
        let start = state.running < self.runners;
        state.running += usize::from(start);
        Some((answered, start))
    }

    /// The task that was to be started.
    pub(super) fn runner(&self) -> Runner<'_, Q, A> {
        Runner { gather: self, ended: false }
    }

    fn state(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Runner<'_, Q, A> {
    /// Up to `most` questions whose callers wait still; none when the task is to end.
    pub(super) async fn next(&mut self, most: usize) -> Vec<Asked<Q, A>> {
        // Behind the callers that are ready to run: they ask first.
        tokio::task::yield_now().await;
        let mut state = self.gather.state();
        let mut asked = Vec::with_capacity(most.min(state.waiting.len()));
        while asked.len() < most
            && let Some((question, answer)) = state.waiting.pop_front()
        {
            if !answer.is_closed() {
                asked.push((question, answer));
            }
        }
        if asked.is_empty() && !self.ended {
            // With the queue locked: who asks from here on starts another.
            self.ended = true;
            state.running -= 1;
        }
        asked
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<Q, A> Drop for Runner<'_, Q, A> {
    fn drop(&mut self) {
        if !self.ended {
            self.gather.state().running -= 1;
        }
    }
}
