//! `Own`: the fetch of one reader, where nothing is kept.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::cursor::hopeful;
use crate::Result;
use crate::blob::{Blob, TURN, Upstream};
use crate::gates::{Idler, Pass};

/// How long a reader that takes no bytes keeps a place from others.
const PATIENCE: Duration = Duration::from_secs(1);

/// The fetch of one reader. It gives way to others of its origin: after its turn, and when its reader takes no bytes.
#[derive(Debug)]
pub(super) struct Own {
    blob: Arc<Blob>,
    lane: Arc<Lane>,
}

/// A fetch that whoever waits for its place may end between two reads.
#[derive(Debug)]
struct Lane {
    run: Mutex<Option<Run>>,
    /// How long it may lie idle.
    patience: Duration,
    /// How long its reader may not look for what it waits for.
    neglect: Duration,
}

struct Run {
    state: State,
    /// Bytes given since it has its place.
    given: u64,
    used: Instant,
    /// Who waits for what it gives.
    waiter: Option<Waker>,
    pass: Pass,
}

enum State {
    Idle(Upstream),
    Busy(BoxFuture<'static, (Upstream, Result<Option<Bytes>>)>),
    /// It panicked.
    Over,
}

impl Own {
    pub(super) fn new(blob: Arc<Blob>) -> Self {
        let options = &blob.shared.options;
        // Without ranges a fetch that is ended has to be read again from the start.
        let patience = if blob.ranges { PATIENCE } else { options.idle_limit };
        // Within this time something comes, or a limit ends the wait.
        let neglect = options.describe_limit.saturating_add(options.stall_limit).saturating_add(patience);
        Self { lane: Arc::new(Lane { run: Mutex::new(None), patience, neglect }), blob }
    }

    /// The next bytes from `at` on, at most `max`; `None` at the end of the blob.
    pub(super) async fn next(&mut self, at: u64, max: usize) -> Result<Option<Bytes>> {
        loop {
            self.enter().await?;
            if let Some(got) = poll_fn(|context| self.lane.poll(context, at, max)).await {
                let got = got?;
                self.lane.end_turn(&self.blob, got.as_ref().map_or(0, Bytes::len));
                return Ok(got);
            }
        }
    }

    /// Waits, in turn, for a place, unless there is one.
    async fn enter(&self) -> Result<()> {
        if self.lane.run.lock().is_some() {
            return Ok(());
        }
        let blob = &self.blob;
        let pass = hopeful(blob, blob.shared.gates.fetch(&blob.source().origin())).await?;
        let idler: Arc<dyn Idler> = self.lane.clone();
        pass.hold_idly(Arc::downgrade(&idler));
        let state = State::Idle(Upstream::new(blob.clone()));
        *self.lane.run.lock() = Some(Run { state, given: 0, used: Instant::now(), waiter: None, pass });
        Ok(())
    }
}

impl Lane {
    /// What the fetch gives; `None` when it was ended.
    fn poll(&self, context: &mut Context<'_>, at: u64, max: usize) -> Poll<Option<Result<Option<Bytes>>>> {
        let mut held = self.run.lock();
        let Some(run) = held.as_mut() else { return Poll::Ready(None) };
        run.used = Instant::now();
        let mut work = match std::mem::replace(&mut run.state, State::Over) {
            State::Busy(work) => work,
            State::Idle(mut upstream) => async move {
                upstream.go_to(at);
                let got = upstream.next(max).await;
                (upstream, got)
            }
            .boxed(),
            State::Over => {
                *held = None;
                return Poll::Ready(None);
            }
        };
        match work.poll_unpin(context) {
            Poll::Pending => {
                run.state = State::Busy(work);
                run.waiter = Some(context.waker().clone());
                Poll::Pending
            }
            Poll::Ready((upstream, got)) => {
                run.state = State::Idle(upstream);
                if got.is_err() {
                    *held = None;
                }
                Poll::Ready(Some(got))
            }
        }
    }

    /// Counts what was given; after a turn the place goes to who waits for it.
    fn end_turn(&self, blob: &Blob, given: usize) {
        let mut held = self.run.lock();
        if let Some(run) = held.as_mut() {
            run.given += given as u64;
            let is_over = run.given >= blob.segment_len.saturating_mul(u64::from(TURN));
            if is_over && blob.ranges && run.pass.is_contended() {
                *held = None;
            }
        }
    }
}

impl Idler for Lane {
    fn give_up(&self) -> bool {
        let mut held = self.run.lock();
        let limit = |run: &Run| if matches!(run.state, State::Idle(_)) { self.patience } else { self.neglect };
        let Some(run) = held.take_if(|run| run.used.elapsed() >= limit(run)) else { return false };
        drop(held);
        // Its reader waits for a place again.
        if let Some(waiter) = &run.waiter {
            waiter.wake_by_ref();
        }
        true
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("given", &self.given).field("used", &self.used).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::future::join;

    use super::*;
    use crate::gates::Gates;

    #[tokio::test]
    async fn a_reader_whose_fetch_was_given_up_is_woken() {
        let pass = Gates::new(1 << 20, 1 << 16, 1).fetch(&Arc::from("origin")).await;
        let run = Run { state: State::Busy(pending().boxed()), given: 0, used: Instant::now(), waiter: None, pass };
        let (patience, neglect) = (Duration::MAX, Duration::ZERO);
        let lane = Lane { run: Mutex::new(Some(run)), patience, neglect };
        let reader = poll_fn(|context| lane.poll(context, 0, 1));
        let (got, is_given_up) = join(tokio::time::timeout(Duration::from_secs(30), reader), async {
            tokio::task::yield_now().await;
            lane.give_up()
        })
        .await;
        assert!(is_given_up && matches!(got, Ok(None)), "it waits for a place again");
    }
}
