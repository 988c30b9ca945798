//! `History`: which calls began and ended in which order.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// One call as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<O, A> {
    /// What was called.
    pub op: O,
    /// What it answered; `None` when that is not known, because it was dropped or failed.
    pub answer: Option<A>,
    /// When it began, in ticks of the history.
    pub begin: u64,
    /// When it had ended, in ticks of the history; `u64::MAX` when it may still take effect.
    pub end: u64,
}

/// Calls with the order of their begins and ends, recorded by any number of threads.
///
/// Recording costs two steps of an atomic counter and a short critical section for each call.
#[derive(Debug)]
pub struct History<O, A> {
    clock: AtomicU64,
    calls: Mutex<Vec<Call<O, A>>>,
}

impl<O, A> History<O, A> {
    /// An empty history.
    pub const fn new() -> Self {
        Self { clock: AtomicU64::new(0), calls: Mutex::new(Vec::new()) }
    }

    /// Notes that `op` begins; to be called before anything of it happens.
    ///
    /// Dropping the answer leaves the call in the history as one of unknown outcome.
    pub fn begin(&self, op: O) -> Pending<'_, O, A> {
        let begin = self.tick();
        Pending { history: self, op: Some(op), begin }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn record(&self, call: Call<O, A>) {
        self.calls.lock().push(call);
    }
}

impl<O: Clone, A: Clone> History<O, A> {
    /// The calls that have ended or were given up, in the order of their begins.
    pub fn calls(&self) -> Vec<Call<O, A>> {
        let mut calls = self.calls.lock().clone();
        calls.sort_unstable_by_key(|call| call.begin);
        calls
    }
}

impl<O, A> Default for History<O, A> {
    fn default() -> Self {
        Self::new()
    }
}

/// A call under way. Dropped, its outcome is unknown: it may take effect later or never.
#[derive(Debug)]
#[must_use = "a call whose pending part is dropped has an unknown outcome"]
pub struct Pending<'a, O, A> {
    history: &'a History<O, A>,
    /// `None` once the call is recorded.
    op: Option<O>,
    begin: u64,
}

impl<O, A> Pending<'_, O, A> {
    /// Notes that the call has answered; to be called after everything of it happened.
    pub fn answered(mut self, answer: A) {
        self.record(Some(answer));
    }

    /// Leaves the call out of the history: it had no effect and told nobody anything.
    pub fn forget(mut self) {
        self.op = None;
    }

    fn record(&mut self, answer: Option<A>) {
        if let Some(op) = self.op.take() {
            let end = if answer.is_some() { self.history.tick() } else { u64::MAX };
            self.history.record(Call { op, answer, begin: self.begin, end });
        }
    }
}

impl<O, A> Drop for Pending<'_, O, A> {
    fn drop(&mut self) {
        self.record(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_kept_in_the_order_of_their_begins() {
        let history = History::new();
        let outer = history.begin("outer");
        history.begin("inner").answered(1);
        outer.answered(2);
        let calls = history.calls();
        assert_eq!([calls[0].op, calls[1].op], ["outer", "inner"]);
        assert!(calls[0].begin < calls[1].begin && calls[1].end < calls[0].end);
    }

    #[test]
    fn a_call_that_is_dropped_has_no_answer_and_no_end() {
        let history = History::<_, ()>::new();
        drop(history.begin("dropped"));
        history.begin("forgotten").forget();
        assert_eq!(history.calls(), [Call { op: "dropped", answer: None, begin: 0, end: u64::MAX }]);
    }
}
