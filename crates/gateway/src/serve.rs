//! `reelcache serve`: health, figures and a first page over HTTP, until a signal ends it.

mod admin;
mod connections;
mod cors;
mod guard;
mod page;
mod play;
mod problem;
mod routes;
mod search;
mod stats;
mod stream;
mod videos;

use std::io::Write;
use std::net::SocketAddr;

use cache_core::{Backend, Error, ErrorKind, Result};
use cache_tiered::Sweeper;
use tokio::net::TcpListener;

use crate::beacon::{self, Beacon};
use crate::config::{Config, Effective, Secret, Serve};
use crate::exit::Exit;
use crate::media::Media;
use crate::signals::Stop;
use crate::stack::Stack;

use play::Player;
use routes::Server;
pub(crate) use stats::Snapshot;

/// Serves until a signal asks it to end, then lets running requests end and closes the tiers.
pub(crate) async fn run(stack: &Stack, effective: &Effective) -> Result<Exit> {
    let config = &effective.config;
    let serve = &config.serve;
    let media = match Media::open(stack, effective).await {
        Err(error) if error.kind() == ErrorKind::Invalid => {
            crate::report(&error);
            return Ok(Exit::Usage);
        }
        media => media?,
    };
    let player = Player::new(stack, config)?;
    // Before the address is announced: whoever waits for that line may send a signal at once.
    let mut stop = Stop::listen()?;
    let listener = TcpListener::bind(serve.listen).await.map_err(|error| cannot_listen(serve, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(serve, &error))?;
    let key = beacon::fresh_key().ok();
    let beacon = beacon(config, address, key.as_ref());
    announce(&format!("serving http://{address}/ from {}", stack.places.join(", ")));
    let sweeper = sweeper(stack, config)?;
    let server = Server::new(stack.clone(), player, media, effective.clone());
    connections::serve(listener, routes::router(server.clone(), key.as_ref()), serve, &mut stop).await;
    drop(beacon);
    server.media.close().await?;
    if let Some(sweeper) = sweeper {
        sweeper.close().await?;
    }
    stack.tiers.close().await?;
    announce("stopped: everything acknowledged is stored");
    Ok(Exit::Done)
}

/// The file by which commands find this server. They can be told where it is, too, so it is missed by few.
fn beacon(config: &Config, address: SocketAddr, key: Option<&Secret>) -> Option<Beacon> {
    let (dir, key) = (config.cache.directory().ok()?, key?);
    let lit = Beacon::light(&dir, address, key);
    lit.inspect_err(|error| tracing::warn!(%error, "commands will need --server to find this server")).ok()
}

/// The task that drops what has expired, unless that is switched off.
fn sweeper(stack: &Stack, config: &Config) -> Result<Option<Sweeper>> {
    let start =
        |interval| Sweeper::builder(stack.tiers.clone()).clock(stack.tiers.clock().clone()).period(interval).start();
    config.cache.cleanup_interval.on().map(start).transpose()
}

fn cannot_listen(serve: &Serve, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot listen on {}: {error}: choose another --listen", serve.listen))
}

/// A line on standard output. A reader that is gone is no reason to stop serving.
fn announce(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
