//! `Readers`: a few threads that carry out reads, in the order in which they were asked for.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use cache_core::{Error, ErrorKind, Result};
use cache_local::closed;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

/// Reads that wait or run at most.
const WAITING: usize = 1024;

/// A few threads that carry out reads. They end, after what waits, when this is dropped.
///
/// Threads of their own rather than the runtime's blocking pool: one that has more to do takes the next read without
/// having slept, and sleeping and waking is most of what a short read costs.
#[derive(Debug)]
pub(crate) struct Readers {
    line: Arc<Line>,
    room: Arc<Semaphore>,
}

/// Work that waits for a thread.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    work: VecDeque<Box<dyn FnOnce() + Send>>,
    is_closed: bool,
}

impl Readers {
    pub(crate) fn start(count: usize, name: &str) -> Result<Self> {
        let line = Arc::<Line>::default();
        // Made first: dropping it ends the threads that did start.
        let readers = Self { line: line.clone(), room: Arc::new(Semaphore::new(WAITING)) };
        for number in 0..count {
            let line = line.clone();
            let started = thread::Builder::new().name(format!("{name}-reader-{number}")).spawn(move || line.serve());
            started.map_err(|error| {
                Error::new(ErrorKind::Unavailable, "no thread for reading is to be had").with_source(error)
            })?;
        }
        Ok(readers)
    }

    /// Has `work` done. Dropping the future lets it end where it is.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let room = self.room.clone().acquire_owned().await.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        // A caller that has gone does not want to know.
        self.line.push(Box::new(move || {
            let _room = room;
            let _ = answer.send(work());
        }));
        answered.await.map_err(|_| Error::new(ErrorKind::Internal, "a read of the database panicked: see the log"))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.line.state.lock().is_closed = true;
        self.line.wake.notify_all();
    }
}

impl Line {
    fn push(&self, work: Box<dyn FnOnce() + Send>) {
        self.state.lock().work.push_back(work);
        self.wake.notify_one();
    }

    /// The next work; `None` when there will be no more.
    fn next(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let mut state = self.state.lock();
        loop {
            if let Some(work) = state.work.pop_front() {
                return Some(work);
            }
            if state.is_closed {
                return None;
            }
            self.wake.wait(&mut state);
        }
    }

    fn serve(&self) {
        while let Some(work) = self.next() {
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                tracing::error!("a read of the database panicked");
            }
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_panics_is_told_and_the_thread_goes_on() {
        let readers = Readers::start(1, "test").unwrap();
        let panicked = readers.run(|| -> u8 { panic!("on purpose") }).await;
        assert_eq!(panicked.unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(readers.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn reads_that_wait_are_done_after_the_drop() {
        let readers = Readers::start(1, "test").unwrap();
        let (sender, told) = oneshot::channel();
        {
            let mut run = std::pin::pin!(readers.run(move || sender.send(7)));
            let polled = run.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            assert!(polled.is_pending() || polled.is_ready());
        }
        drop(readers);
        assert_eq!(told.await, Ok(7));
    }
}
