//! `reelcache serve`: health, figures and a first page over HTTP, until a signal ends it.

mod addresses;
mod admin;
mod artifacts;
mod connections;
mod cors;
mod dashboard;
mod framing;
mod guard;
mod metrics;
mod openapi;
mod outer;
mod page;
mod phase;
mod play;
mod problem;
mod ready;
mod recent;
mod routes;
mod search;
mod stats;
mod stream;
mod ticket;
mod videos;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use cache_core::{Backend, Error, ErrorKind, Result};
use cache_tiered::Sweeper;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::beacon::{self, Beacon};
use crate::config::{Config, Effective, Secret, Serve};
use crate::exit::Exit;
use crate::media::Media;
use crate::popular::Keeper;
use crate::processing::Processing;
use crate::signals::Stop;
use crate::stack::Stack;

use connections::Answers;
use metrics::{Recorder, Upkeep};
use outer::Outer;
use phase::{At, Phase};
use play::Player;
use routes::Parts;
pub(crate) use stats::Snapshot;

/// Connections that the system holds until they are accepted, if it holds so many: of a crowd that comes at once, it
/// forgets those beyond, who believe to be connected.
const WAITING: u32 = 16 << 10;

/// A server that listens, and says that it starts until there is something to serve. Dropping it ends it at once.
#[derive(Debug)]
pub(crate) struct Front {
    address: SocketAddr,
    phase: Phase,
    current: watch::Sender<Arc<Outer>>,
    connections: AbortOnDrop,
    recorder: Recorder,
    _upkeep: Upkeep,
}

#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Front {
    /// Listens where `effective` says, and for signals. What is opened after this is measured.
    ///
    /// # Errors
    /// `Unavailable` when the address is taken.
    pub(crate) fn open(effective: &Effective) -> Result<Self> {
        let serve = effective.config.serve.clone();
        let recorder = Recorder::install()?;
        // Before the address is announced: whoever waits for that line may send a signal at once.
        let stop = Stop::listen()?;
        let listener = listen(serve.listen).map_err(|error| cannot_listen(&serve, &error))?;
        let address = listener.local_addr().map_err(|error| cannot_listen(&serve, &error))?;
        let phase = Phase::default();
        let waiting = Arc::new(routes::while_not_serving(&serve, &phase));
        let current = watch::Sender::new(waiting.clone());
        let answers = Answers { current: current.subscribe(), waiting };
        let connections = connections::serve(listener, answers, serve, phase.clone(), stop);
        let connections = AbortOnDrop(tokio::spawn(connections));
        Ok(Self { address, phase, current, connections, _upkeep: recorder.keep_up(), recorder })
    }

    /// Waits until a signal asks the server to end.
    pub(crate) async fn told_to_end(&self) {
        self.phase.draining().await;
    }

    /// Serves until a signal asks it to end, then lets running requests end and closes the tiers.
    pub(crate) async fn run(mut self, stack: &Stack, effective: &Effective) -> Result<Exit> {
        let config = &effective.config;
        let media = match Media::open(stack, effective).await {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                crate::report(&error);
                return Ok(Exit::Usage);
            }
            media => media?,
        };
        let player = Player::new(stack, config)?;
        let processing = match Processing::open(stack, config, player.client().clone()) {
            Err(error) if error.kind() == ErrorKind::Invalid => {
                crate::report(&error);
                return Ok(Exit::Usage);
            }
            processing => processing?,
        };
        let key = beacon::fresh_key().ok();
        let sweeper = sweeper(stack, config)?;
        let server = Parts::new(stack.clone(), player, media, effective.clone())
            .in_phase(self.phase.clone())
            .measured_by(&self.recorder)
            .processing(processing.clone())
            .with_tickets(key.as_ref())
            .server();
        let popular = Keeper::start(server.popular.clone(), stack.tiers.clone());
        drop(self.current.send_replace(Arc::new(routes::while_serving(server.clone(), key.as_ref()))));
        self.phase.enter(At::Serving);
        let beacon = beacon(config, self.address, key.as_ref());
        announce(&format!("serving http://{}/ from {}", self.address, stack.places.join(", ")));
        let ended = (&mut self.connections.0).await;
        drop(beacon);
        popular.close().await;
        // What one of them fails at keeps none of the others from storing what it has.
        let closed = [
            processing.close().await,
            server.media.close().await,
            match sweeper {
                Some(sweeper) => sweeper.close().await,
                None => Ok(()),
            },
            stack.tiers.close().await,
        ];
        closed.into_iter().collect::<Result<()>>()?;
        ended.map_err(|error| Error::new(ErrorKind::Internal, "the server ended by a panic").with_source(error))?;
        announce("stopped: everything acknowledged is stored");
        Ok(Exit::Done)
    }
}

/// Listens on `address`, which a server that has just ended may have had.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
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

fn cannot_listen(serve: &Serve, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot listen on {}: {error}: choose another --listen", serve.listen))
}

/// A line on standard output. A reader that is gone is no reason to stop serving.
fn announce(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
