//! `WriteQueue`: between async callers and the one thread that writes.

mod inbox;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use cache_core::{Error, ErrorKind, Result};
use tokio::sync::{oneshot, watch};
use tracing::error;

use inbox::{End, Inbox, Next, Waiting};

/// What writes. It lives on a thread of its own, so it may block.
pub trait GroupWriter: Debug + Send + 'static {
    /// One thing to be done.
    type Request: Debug + Send + 'static;
    /// What came of it.
    type Answer: Debug + Send + 'static;

    /// Carries out `requests`, which waited together, in their order; one answer for each, in that order.
    fn carry_out(&mut self, requests: &[Self::Request]) -> Vec<Result<Self::Answer>>;

    /// Does one step of work that nobody waits for, while no request does; whether there was one to do.
    fn catch_up(&mut self) -> bool {
        false
    }

    /// The end, after the last group. It is not called after a panic.
    fn finish(&mut self) {}
}

/// The callers' end of a bounded queue to a [`GroupWriter`].
///
/// Requests that wait together are carried out together. At most 512 requests, and 128 MiB of bodies, are waiting or
/// being written; further callers wait their turn, in order.
///
/// However the end comes, every request that was queued is answered: carried out before a wished end, with an error
/// after a panic. Dropping the queue is a wish to end.
#[derive(Debug)]
pub struct WriteQueue<W: GroupWriter> {
    inbox: Arc<Inbox<W>>,
    running: watch::Receiver<()>,
}

/// A queued request whose answer is still to come. Dropped, the request is carried out unobserved.
#[derive(Debug)]
pub struct Pending<'a, W: GroupWriter> {
    inbox: &'a Inbox<W>,
    answer: oneshot::Receiver<Result<W::Answer>>,
}

impl<W: GroupWriter> WriteQueue<W> {
    /// Starts the thread `<name>-writer` that serves `writer`, in groups that end with the request that brings their
    /// bodies to `group_bytes`.
    ///
    /// `at_end` runs there when `writer` is gone, after a panic as well.
    ///
    /// # Errors
    /// `Unavailable` when no thread is to be had.
    pub fn start(name: &str, group_bytes: usize, writer: W, at_end: impl FnOnce() + Send + 'static) -> Result<Self> {
        let inbox = Arc::new(Inbox::new(group_bytes));
        let (token, running) = watch::channel(());
        let served = inbox.clone();
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| serve(writer, &served))).is_err() {
                error!("the thread that writes panicked; its backend has to be opened again");
            }
            served.end(End::Gone);
            at_end();
            drop(token);
        };
        thread::Builder::new().name(format!("{name}-writer")).spawn(run).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "no thread for writing is to be had").with_source(error)
        })?;
        Ok(Self { inbox, running })
    }

    /// Has `request`, with a body of `len` bytes, carried out.
    ///
    /// # Errors
    /// What came of the request, and those of [`enqueue`](Self::enqueue).
    ///
    /// # Cancellation
    /// The request is carried out unobserved if it was queued, and dropped otherwise.
    pub async fn write(&self, request: W::Request, len: usize) -> Result<W::Answer> {
        self.enqueue(request, len).await?.answer().await
    }

    /// Queues `request`, with a body of `len` bytes. What one task queues is carried out in that order.
    ///
    /// # Errors
    /// `Closed` after a wish to end, `Internal` after a panic of the writer.
    ///
    /// # Cancellation
    /// The request is dropped.
    pub async fn enqueue(&self, request: W::Request, len: usize) -> Result<Pending<'_, W>> {
        let turn = self.inbox.turn(len).await?;
        let (reply, answer) = oneshot::channel();
        self.inbox.push(Waiting { request, len, reply: Some(reply), turn })?;
        Ok(Pending { inbox: &self.inbox, answer })
    }

    /// Queues `request`, which has no body and whose answer nobody wants, if nobody waits for a turn; otherwise it is
    /// forgotten.
    pub fn offer(&self, request: W::Request) {
        if let Some(turn) = self.inbox.try_turn() {
            // Ended meanwhile: forgotten as well.
            let _ = self.inbox.push(Waiting { request, len: 0, reply: None, turn });
        }
    }

    /// Whether requests are taken. Costs one atomic load.
    ///
    /// # Errors
    /// Why they are not, as for [`enqueue`](Self::enqueue).
    pub fn check(&self) -> Result<()> {
        self.inbox.check()
    }

    /// Ends the thread after everything queued before; waits for that end, the first time and every other.
    ///
    /// # Cancellation
    /// The thread ends all the same.
    pub async fn close(&self) {
        self.inbox.end(End::Asked);
        // Nothing is ever sent: the other end goes with the thread.
        let _ = self.running.clone().changed().await;
    }
}

impl<W: GroupWriter> Drop for WriteQueue<W> {
    fn drop(&mut self) {
        self.inbox.end(End::Asked);
    }
}

impl<W: GroupWriter> Pending<'_, W> {
    /// What came of the request.
    ///
    /// # Errors
    /// Those of the request; `Internal` when the writer panicked over it, or before.
    ///
    /// # Cancellation
    /// The request is carried out unobserved.
    pub async fn answer(self) -> Result<W::Answer> {
        self.answer.await.unwrap_or_else(|_| Err(self.inbox.ended()))
    }
}

/// The error of calls on a backend that was closed.
#[must_use]
pub fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the backend was closed: open a new one")
}

fn serve<W: GroupWriter>(mut writer: W, inbox: &Inbox<W>) {
    loop {
        match inbox.next() {
            Next::Group(requests, replies) => {
                for (reply, answer) in replies.into_iter().zip(writer.carry_out(&requests)) {
                    reply.send(answer);
                }
            }
            Next::Nothing if writer.catch_up() => {}
            Next::Nothing => inbox.wait(),
            Next::End => break,
        }
    }
    writer.finish();
}

#[cfg(test)]
mod tests;
