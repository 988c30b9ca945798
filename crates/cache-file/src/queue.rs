//! The queue between async callers and the one writing thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cache_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tracing::error;

use crate::engine::{Answer, Request, Writer};
use crate::error::{closed, gone};
use crate::lock::DirLock;

/// Requests that wait at most.
const QUEUE: usize = 256;
/// Requests of one group at most.
const GROUP: usize = 256;
/// Unit of the bound on queued bytes.
const KIB: usize = 1 << 10;
/// Bytes of bodies that wait at most, in KiB: twice the longest body.
const QUEUED_KIB: usize = 128 << 10;
/// Bytes of bodies in one group, in KiB, beyond which no more are added.
const GROUP_KIB: usize = 8 << 10;

/// The callers' end.
#[derive(Debug)]
pub(crate) struct Queue {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    running: watch::Receiver<()>,
    closing: Arc<AtomicBool>,
}

/// A queued request whose answer is still to come. Dropped, the request is carried out unobserved.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    queue: &'a Queue,
    answer: oneshot::Receiver<Result<Answer>>,
}

#[derive(Debug)]
enum Job {
    Write(Box<Write>),
    Close,
}

#[derive(Debug)]
struct Write {
    request: Request,
    /// Kept until the answer: bodies count as queued while they are written.
    reply: Reply,
    kib: usize,
}

#[derive(Debug)]
struct Reply {
    answer: oneshot::Sender<Result<Answer>>,
    _room: OwnedSemaphorePermit,
}

impl Queue {
    /// Starts the thread that serves `writer` until it is closed or every caller is gone; then `lock` is released.
    ///
    /// However the thread ends, the index is closed before another backend may open it.
    pub(crate) fn start(writer: Writer, lock: DirLock, name: &str) -> Result<Self> {
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let (token, running) = watch::channel(());
        let closing = Arc::new(AtomicBool::new(false));
        let (shared, asked) = (writer.shared().clone(), closing.clone());
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| serve(writer, receiver, &asked))).is_err() {
                error!("the writer of the cache directory panicked; the directory is released");
            }
            shared.close();
            drop(lock);
            drop(token);
        };
        thread::Builder::new().name(format!("{name}-writer")).spawn(run).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "no thread for writing is to be had").with_source(error)
        })?;
        Ok(Self { jobs, room: Arc::new(Semaphore::new(QUEUED_KIB)), running, closing })
    }

    /// Has `request`, with a body of `len` bytes, carried out; cancelling is as for its two steps.
    pub(crate) async fn write(&self, request: Request, len: usize) -> Result<Answer> {
        self.enqueue(request, len).await?.answer().await
    }

    /// Queues `request`, with a body of `len` bytes. What one task queues is carried out in that order.
    ///
    /// Dropping the future drops the request, unless it has been queued.
    pub(crate) async fn enqueue(&self, request: Request, len: usize) -> Result<Pending<'_>> {
        let kib = len.div_ceil(KIB).clamp(1, QUEUED_KIB);
        let room = self.room.clone().acquire_many_owned(kib as u32).await.map_err(|_| closed())?;
        let (sender, answer) = oneshot::channel();
        let reply = Reply { answer: sender, _room: room };
        self.jobs.send(Job::Write(Box::new(Write { request, reply, kib }))).await.map_err(|_| self.ended())?;
        Ok(Pending { queue: self, answer })
    }

    /// Why the thread does not answer.
    fn ended(&self) -> Error {
        if self.is_closing() { closed() } else { gone() }
    }

    /// The error to tell when there is nobody to carry requests out.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_closing() || self.jobs.is_closed() { Err(self.ended()) } else { Ok(()) }
    }

    /// Whether the end has been asked for.
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Ends the thread after everything queued before; waits for that end, the first time and every other.
    ///
    /// The thread ends also when the future is dropped.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        // Wakes a thread that waits. One with a full queue does not, and looks at the flag before it would.
        let _ = self.jobs.try_send(Job::Close);
        // Nothing is ever sent: the other end goes with the thread.
        let _ = self.running.clone().changed().await;
    }
}

impl Pending<'_> {
    /// What came of the request.
    pub(crate) async fn answer(self) -> Result<Answer> {
        self.answer.await.unwrap_or_else(|_| Err(self.queue.ended()))
    }
}

fn serve(mut writer: Writer, mut jobs: mpsc::Receiver<Job>, closing: &AtomicBool) {
    let mut open = true;
    while open {
        let next = if closing.load(Ordering::Acquire) {
            jobs.try_recv().ok()
        } else if writer.is_behind() {
            match jobs.try_recv() {
                Err(TryRecvError::Empty) => {
                    writer.catch_up();
                    continue;
                }
                received => received.ok(),
            }
        } else {
            jobs.blocking_recv()
        };
        let Some(first) = next else { break };
        let (requests, replies);
        (requests, replies, open) = gather(first, &mut jobs);
        if !requests.is_empty() {
            for (reply, answer) in replies.into_iter().zip(writer.carry_out(&requests)) {
                // A caller that has gone does not want to know.
                let _ = reply.answer.send(answer);
            }
        }
    }
    // What is queued behind the wish to close is dropped: its callers see a closed backend.
    writer.remember(true);
}

/// One group: `first` and what is queued behind it, up to a bound; and whether nobody wished to close.
fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> (Vec<Request>, Vec<Reply>, bool) {
    let (mut requests, mut replies, mut kib) = (Vec::new(), Vec::new(), 0);
    let mut next = Some(first);
    while let Some(job) = next {
        let Job::Write(write) = job else { return (requests, replies, false) };
        kib += write.kib;
        requests.push(write.request);
        replies.push(write.reply);
        let more = requests.len() < GROUP && kib < GROUP_KIB;
        next = if more { jobs.try_recv().ok() } else { None };
    }
    (requests, replies, true)
}
