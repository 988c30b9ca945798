//! The accept loop: bounded connections, a limit on slow request heads, graceful end.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use super::addresses::{Addresses, Place};
use super::metrics::Connected;
use super::outer::Outer;
use super::phase::{At, Phase};
use crate::config::Serve;
use crate::signals::Stop;

/// How long a connection that was open when the end was asked for, and asked nothing yet, has for its first request.
/// Without this, who connects at that moment is given no answer at all.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Pause after a failed accept, so that running out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections are answered by.
#[derive(Debug)]
pub(super) struct Answers {
    /// What those that come are answered by, as long as it serves.
    pub(super) current: watch::Receiver<Arc<Outer>>,
    /// What those that come while it ends are answered by.
    pub(super) waiting: Arc<Outer>,
}

/// Serves on `listener` until a signal, then lets running requests end until a limit or a second signal; who comes
/// meanwhile is told that it ends, and is not waited for.
///
/// axum's own `serve` has neither a limit on slow request heads nor one on connections.
pub(super) async fn serve(listener: TcpListener, answers: Answers, limits: Serve, phase: Phase, mut stop: Stop) {
    let most = usize::try_from(limits.max_connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let door = Door {
        listener,
        slots: Arc::new(Semaphore::new(most)),
        addresses: Addresses::new(limits.max_connections_each),
    };
    let graceful = GracefulShutdown::new();
    let unasked = Unasked::default();
    let accept = async {
        loop {
            let Some((stream, held)) = door.next().await else { return };
            let outer = answers.current.borrow().clone();
            run(graceful.watch(connection(stream, outer, &limits, Some(unasked.one_more()))), held);
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stop.received() => {}
    }
    phase.enter(At::Draining);
    let turn_away = async {
        loop {
            let Some((stream, held)) = door.next().await else { return pending().await };
            run(connection(stream, answers.waiting.clone(), &limits, None), held);
        }
    };
    let drain = limits.drain;
    let drained = async {
        unasked.none(FIRST_REQUEST).await;
        graceful.shutdown().await;
    };
    tokio::select! {
        drained = tokio::time::timeout(drain, drained) => {
            if drained.is_err() {
                tracing::warn!("connections were still open {drain:?} after the signal and are cut");
            }
        }
        _ = stop.received() => {}
        () = turn_away => {}
    }
}

/// Where connections come in.
#[derive(Debug)]
struct Door {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    addresses: Addresses,
}

/// How many open connections asked nothing yet.
#[derive(Debug, Default)]
struct Unasked(watch::Sender<usize>);

impl Unasked {
    fn one_more(&self) -> NothingAsked {
        self.0.send_modify(|count| *count += 1);
        NothingAsked(self.0.clone())
    }

    /// Waits until each asked something or is gone, and no longer than `limit`.
    async fn none(&self, limit: Duration) {
        let mut count = self.0.subscribe();
        // Neither end matters: the sender is ours, and after the limit nobody is waited for.
        _ = tokio::time::timeout(limit, count.wait_for(|count| *count == 0)).await;
    }
}

/// What a connection holds until its first request, counted by [`Unasked`].
#[derive(Debug)]
struct NothingAsked(watch::Sender<usize>);

impl Drop for NothingAsked {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// What a connection takes while it is open.
type Held = (OwnedSemaphorePermit, Place);

impl Door {
    /// The next connection, when there is a place for it. One of a machine that has its share is closed.
    async fn next(&self) -> Option<((TcpStream, IpAddr), Held)> {
        loop {
            let slot = self.slots.clone().acquire_owned().await.ok()?;
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let address = peer.ip();
                    if let Some(place) = self.addresses.take(address) {
                        return Some(((stream, address), (slot, place)));
                    }
                    tracing::debug!(%address, "has all connections that one machine may have");
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Sees a connection to its end, in a task of its own.
fn run<E: fmt::Display>(connection: impl Future<Output = Result<(), E>> + Send + 'static, held: Held) {
    let connected = Connected::count();
    tokio::spawn(async move {
        // A player that seeks leaves its connection in the middle of an answer.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop((held, connected));
    });
}

/// Who is at the other end of a connection, among the extensions of its requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

fn connection(
    (stream, peer): (TcpStream, IpAddr),
    outer: Arc<Outer>,
    limits: &Serve,
    unasked: Option<NothingAsked>,
) -> impl GracefulConnection<Error = hyper::Error> + Send + 'static {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall_timeout));
    let unasked = Mutex::new(unasked);
    let service = service_fn(move |request: Request<Incoming>| {
        drop(unasked.lock().take());
        let (outer, mut request) = (outer.clone(), request.map(Body::new));
        request.extensions_mut().insert(Peer(peer));
        async move { Ok::<_, Infallible>(outer.answer(request).await) }
    });
    // Who closes one side of a connection has left, as hyper has it: what it waits for ends.
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(usize::try_from(limits.max_head.0).unwrap_or(usize::MAX))
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
}
