//! The accept loop: bounded connections, a limit on slow request heads, graceful end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::signals::Stop;

/// Connections served at once; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 256;
/// Time for the head of a request to arrive: ends connections that send a byte a minute.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Time that the other side may take to read what fits into the kernel's buffers: ends connections that do not read.
const READ_LIMIT: Duration = Duration::from_mins(1);
/// Longest request head, in bytes; the largest page of this server needs a fraction of it.
const MAX_HEAD: usize = 16 << 10;
/// Time for running requests to end after a signal.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Pause after a failed accept, so that running out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until a signal, then lets running requests end until a limit or a second signal.
///
/// axum's own `serve` has neither a limit on slow request heads nor one on connections.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: &mut Stop) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let accept = async {
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = graceful.watch(connection(stream, router.clone()));
                    tokio::spawn(async move {
                        // A player that seeks leaves its connection in the middle of an answer.
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "a connection ended early");
                        }
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stop.received() => {}
    }
    drop(listener);
    tokio::select! {
        drained = tokio::time::timeout(DRAIN_LIMIT, graceful.shutdown()) => {
            if drained.is_err() {
                tracing::warn!("connections were still open {DRAIN_LIMIT:?} after the signal and are cut");
            }
        }
        _ = stop.received() => {}
    }
}

type Connection = http1::Connection<TokioIo<Pin<Box<TimeoutStream<TcpStream>>>>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router) -> Connection {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(READ_LIMIT));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router))
}
