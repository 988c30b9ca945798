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

use crate::config::Serve;
use crate::signals::Stop;

/// Pause after a failed accept, so that running out of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until a signal, then lets running requests end until a limit or a second signal.
///
/// axum's own `serve` has neither a limit on slow request heads nor one on connections.
pub(super) async fn serve(listener: TcpListener, router: Router, limits: &Serve, stop: &mut Stop) {
    let most = usize::try_from(limits.max_connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let slots = Arc::new(Semaphore::new(most));
    let graceful = GracefulShutdown::new();
    let accept = async {
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = graceful.watch(connection(stream, router.clone(), limits));
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
    let drain = limits.drain;
    tokio::select! {
        drained = tokio::time::timeout(drain, graceful.shutdown()) => {
            if drained.is_err() {
                tracing::warn!("connections were still open {drain:?} after the signal and are cut");
            }
        }
        _ = stop.received() => {}
    }
}

type Connection = http1::Connection<TokioIo<Pin<Box<TimeoutStream<TcpStream>>>>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router, limits: &Serve) -> Connection {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall_timeout));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(usize::try_from(limits.max_head.0).unwrap_or(usize::MAX))
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router))
}
