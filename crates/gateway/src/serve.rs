//! `reelcache serve`: health, figures and a first page over HTTP, until a signal ends it.

mod connections;
mod guard;
mod page;
mod routes;
mod stats;

use std::io::Write;
use std::sync::Arc;

use cache_core::{Backend, Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::ServeArgs;
use crate::exit::Exit;
use crate::stack::Stack;

/// Serves until SIGINT or SIGTERM, then lets running requests end and closes the tiers.
pub(crate) async fn run(stack: Stack, args: &ServeArgs) -> Result<Exit> {
    if !args.listen.ip().is_loopback() {
        let error = Error::new(
            ErrorKind::Invalid,
            format!("{} is not a loopback address: the server has no access control yet", args.listen),
        );
        stack.tiers.close().await?;
        return Err(error);
    }
    // Before the address is announced: whoever waits for that line may send a signal at once.
    let stop = stop_signal()?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(args, &error))?;
    announce(&format!("serving http://{address}/ from {}", stack.dir.display()));
    let stack = Arc::new(stack);
    connections::serve(listener, routes::router(stack.clone()), stop).await;
    stack.tiers.close().await?;
    announce("stopped: everything acknowledged is stored");
    Ok(Exit::Done)
}

fn cannot_listen(args: &ServeArgs, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot listen on {}: {error}: choose another --listen", args.listen))
}

/// A line on standard output. A reader that is gone is no reason to stop serving.
fn announce(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn stop_signal() -> Result<impl Future<Output = ()>> {
    let listen = |kind| {
        signal(kind).map_err(|error| Error::new(ErrorKind::Internal, "cannot listen for signals").with_source(error))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
