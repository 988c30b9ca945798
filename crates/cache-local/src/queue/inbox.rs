//! `Inbox`: the requests that wait, and their end.

use std::collections::VecDeque;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Result};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{GroupWriter, closed};

/// Requests of one group at most.
const GROUP: usize = 256;
/// Unit of the bound on bodies.
const KIB: usize = 1 << 10;
/// Bytes of bodies that wait or are written at most, in KiB: twice the longest body.
const MOST_KIB: usize = 128 << 10;
/// What a request counts for at least, in KiB: so many that two groups of them have room.
const LEAST_KIB: usize = MOST_KIB / (2 * GROUP);

/// A channel of tokio would lose requests: what is sent while its receiver is dropped stays there, unanswered, until the
/// last sender goes.
#[derive(Debug)]
pub(super) struct Inbox<W: GroupWriter> {
    state: Mutex<State<W>>,
    arrived: Condvar,
    /// Closed as soon as nothing is taken any more.
    turns: Arc<Semaphore>,
    group_bytes: usize,
}

#[derive(Debug)]
struct State<W: GroupWriter> {
    waiting: VecDeque<Waiting<W>>,
    end: Option<End>,
}

/// Why nothing is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Asked,
    Gone,
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting<W: GroupWriter> {
    pub(super) request: W::Request,
    pub(super) len: usize,
    pub(super) reply: Option<oneshot::Sender<Result<W::Answer>>>,
    pub(super) turn: OwnedSemaphorePermit,
}

/// Where an answer goes.
#[derive(Debug)]
pub(super) struct Reply<A> {
    answer: Option<oneshot::Sender<Result<A>>>,
    /// Kept until the answer: bodies count while they are written.
    _turn: OwnedSemaphorePermit,
}

/// What the thread does next.
#[derive(Debug)]
pub(super) enum Next<W: GroupWriter> {
    Group(Vec<W::Request>, Vec<Reply<W::Answer>>),
    /// Nothing waits.
    Nothing,
    End,
}

impl<W: GroupWriter> Inbox<W> {
    pub(super) fn new(group_bytes: usize) -> Self {
        let state = State { waiting: VecDeque::new(), end: None };
        Self {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            turns: Arc::new(Semaphore::new(MOST_KIB)),
            group_bytes,
        }
    }

    /// Waits for the right to queue a body of `len` bytes.
    pub(super) async fn turn(&self, len: usize) -> Result<OwnedSemaphorePermit> {
        let kib = len.div_ceil(KIB).clamp(LEAST_KIB, MOST_KIB);
        self.turns.clone().acquire_many_owned(kib as u32).await.map_err(|_| self.ended())
    }

    pub(super) fn try_turn(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().try_acquire_many_owned(LEAST_KIB as u32).ok()
    }

    pub(super) fn push(&self, waiting: Waiting<W>) -> Result<()> {
        {
            let mut state = self.state.lock();
            if let Some(end) = state.end {
                return Err(end.error());
            }
            state.waiting.push_back(waiting);
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// Takes nothing from here on. After a panic what waits is dropped, and so answered; otherwise it is carried out.
    pub(super) fn end(&self, end: End) {
        let dropped = {
            let mut state = self.state.lock();
            state.end.get_or_insert(end);
            if end == End::Gone { std::mem::take(&mut state.waiting) } else { VecDeque::new() }
        };
        self.turns.close();
        self.arrived.notify_one();
        drop(dropped);
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.turns.is_closed() { Err(self.ended()) } else { Ok(()) }
    }

    /// Why a request was not taken, or not answered.
    pub(super) fn ended(&self) -> Error {
        // The answers of a group are dropped by a panic before the end is known.
        self.state.lock().end.unwrap_or(End::Gone).error()
    }

    /// One group of what waits.
    pub(super) fn next(&self) -> Next<W> {
        let mut state = self.state.lock();
        let (mut requests, mut replies, mut bytes) = (Vec::new(), Vec::new(), 0);
        while requests.len() < GROUP
            && bytes < self.group_bytes
            && let Some(waiting) = state.waiting.pop_front()
        {
            bytes += waiting.len;
            requests.push(waiting.request);
            replies.push(Reply { answer: waiting.reply, _turn: waiting.turn });
        }
        match state.end {
            _ if !requests.is_empty() => Next::Group(requests, replies),
            Some(_) => Next::End,
            None => Next::Nothing,
        }
    }

    /// Blocks until a request has arrived, or the end.
    pub(super) fn wait(&self) {
        let mut state = self.state.lock();
        while state.waiting.is_empty() && state.end.is_none() {
            self.arrived.wait(&mut state);
        }
    }
}

impl<A> Reply<A> {
    pub(super) fn send(self, answer: Result<A>) {
        if let Some(reply) = self.answer {
            // A caller that has gone does not want to know.
            let _ = reply.send(answer);
        }
    }
}

impl End {
    fn error(self) -> Error {
        match self {
            Self::Asked => closed(),
            Self::Gone => Error::new(ErrorKind::Internal, "the thread that writes panicked: open the backend again"),
        }
    }
}
