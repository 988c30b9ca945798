//! `reelcache serve`: health, figures and a first page over HTTP, until a signal ends it.

mod connections;
mod cors;
mod guard;
mod naming;
mod page;
mod play;
mod routes;
mod stats;

use std::io::Write;

use cache_core::{Backend, Error, ErrorKind, Result};
use tokio::net::TcpListener;

use crate::cli::ServeArgs;
use crate::exit::Exit;
use crate::signals::Stop;
use crate::stack::Stack;

use play::Player;

/// Serves until a signal asks it to end, then lets running requests end and closes the tiers.
pub(crate) async fn run(stack: &Stack, args: &ServeArgs) -> Result<Exit> {
    let player = Player::new(stack, args.reach, &args.reach_ports)?;
    // Before the address is announced: whoever waits for that line may send a signal at once.
    let mut stop = Stop::listen()?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(args, &error))?;
    announce(&format!("serving http://{address}/ from {}", stack.places.join(", ")));
    connections::serve(listener, routes::router(stack.clone(), player, args.reach), &mut stop).await;
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
