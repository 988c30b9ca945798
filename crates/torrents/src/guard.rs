//! `Guard`: who makes all connections of torrents, and looks at each address when it does.
//!
//! The library underneath connects to whatever peers and trackers name, now or later, by redirects and by exchange of peers.
//! It is told of one proxy, which is this: SOCKS 5 (RFC 1928, 1929) on loopback, for nobody who does not know its password.

mod socks;

use std::collections::HashSet;
use std::fs::File;
use std::future::pending;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::magnet::InfoHash;
use crate::options::{Limits, Options};
use socks::{Answer, Target};

/// How long it may take until a connection is asked for and made.
const CONNECT: Duration = Duration::from_secs(10);
/// The pause after a connection could not be taken: what is missing, descriptors most likely, comes back with time.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a tracker may take to be asked and to answer.
const TRACKER: Duration = Duration::from_mins(1);
/// What a peer says besides a description while that is asked for.
const SMALL_TALK: u64 = 1 << 20;
/// What a connection to a peer begins with: this, 8 bytes, the info hash.
const HELLO: &[u8; 20] = b"\x13BitTorrent protocol";
const HELLO_LEN: usize = 48;

/// Who makes all connections of torrents. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Guard {
    url: String,
    rules: Arc<Rules>,
    /// One task, which owns those of the connections.
    _tasks: JoinSet<()>,
}

struct Rules {
    options: Options,
    password: String,
    /// Torrents that are at work: of others, only descriptions are asked for.
    known: Mutex<HashSet<InfoHash>>,
    free: Semaphore,
}

/// A torrent that is about to be at work. Dropping it forgets the torrent.
#[derive(Debug)]
#[must_use = "dropping it forgets the torrent"]
pub(crate) struct Known<'a>(Option<(&'a Guard, InfoHash)>);

/// What a connection is for, by its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Purpose {
    Peer(InfoHash),
    Tracker,
}

impl Guard {
    /// Begins to listen.
    ///
    /// # Errors
    /// When there is no free port, or no chance to make a password of.
    pub(crate) async fn start(options: &Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let password = password()?;
        let url = format!("socks5h://torrents:{password}@{}", listener.local_addr()?);
        let free = Semaphore::new(options.connections());
        let rules = Arc::new(Rules { options: options.clone(), password, known: Mutex::default(), free });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, rules.clone()));
        Ok(Self { url, rules, _tasks: tasks })
    }

    /// Where it is, with its password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on, more is asked of peers of this torrent than its description: until the answer is dropped, unless it
    /// [stays](Known::stays).
    pub(crate) fn know(&self, hash: InfoHash) -> Known<'_> {
        self.rules.known.lock().insert(hash);
        Known(Some((self, hash)))
    }

    /// The torrent is at work no more.
    pub(crate) fn forget(&self, hash: InfoHash) {
        self.rules.known.lock().remove(&hash);
    }

    #[cfg(test)]
    pub(crate) fn knows(&self, hash: InfoHash) -> bool {
        self.rules.known.lock().contains(&hash)
    }
}

impl Known<'_> {
    /// It is known until it is forgotten.
    pub(crate) fn stays(mut self) {
        self.0 = None;
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        if let Some((guard, hash)) = self.0 {
            guard.forget(hash);
        }
    }
}

async fn accept(listener: TcpListener, rules: Arc<Rules>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < rules.options.connections().saturating_mul(2) => {
                    let rules = rules.clone();
                    connections.spawn(async move {
                        if let Err(error) = rules.serve(stream).await {
                            tracing::debug!(%error, "a connection of a torrent ended");
                        }
                    });
                }
                // Dropped: whoever asked tries again later.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "torrents cannot connect for a moment");
                    _ = timeout(PAUSE, pending::<()>()).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Rules {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let asked = timeout(CONNECT, socks::asked(&mut stream, &self.password)).await??;
        let Ok(_place) = self.free.try_acquire() else {
            return socks::answer(&mut stream, Answer::Failed).await;
        };
        let (remote, answer) = match timeout(CONNECT, self.connect(&asked)).await {
            Ok(Ok(remote)) => (Some(remote), Answer::Connected),
            Ok(Err(answer)) => (None, answer),
            Err(_) => (None, Answer::Failed),
        };
        socks::answer(&mut stream, answer).await?;
        match remote {
            Some(remote) => self.pass(stream, remote, asked.port()).await,
            None => Ok(()),
        }
    }

    /// Connects to the first address of `target` that may be reached and answers.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Answer> {
        let addresses: Vec<SocketAddr> = match target {
            Target::Address(address) => vec![*address],
            Target::Name(name, port) => {
                lookup_host((name.as_str(), *port)).await.map_err(|_| Answer::Unreachable)?.take(16).collect()
            }
        };
        let mut answer = Answer::Refused;
        for address in addresses.into_iter().filter(|address| self.options.is_admitted(address.ip())) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(_) => answer = Answer::Unreachable,
            }
        }
        Err(answer)
    }

    /// Passes bytes on in both directions, as many as what they are for takes.
    async fn pass(&self, mut near: TcpStream, mut far: TcpStream, port: u16) -> io::Result<()> {
        let mut hello = [0; HELLO_LEN];
        let (purpose, len) = timeout(CONNECT, purpose(&mut near, &mut hello)).await??;
        let (most, limit) = match purpose {
            Purpose::Peer(hash) if self.known.lock().contains(&hash) => (u64::MAX, Duration::MAX),
            Purpose::Peer(_) => (self.options.limits.metadata + SMALL_TALK, Duration::MAX),
            Purpose::Tracker if self.options.is_port_asked(port) => (Limits::TRACKER_ANSWER, TRACKER),
            Purpose::Tracker => return Err(io::Error::other("it is a tracker at a port that is not asked")),
        };
        far.write_all(&hello[..len]).await?;
        let (mut from_near, mut to_near) = near.split();
        let (from_far, mut to_far) = far.split();
        let mut from_far = from_far.take(most);
        let both = async {
            // Whichever side ends first ends both.
            tokio::select! {
                ended = copy(&mut from_near, &mut to_far) => ended,
                ended = copy(&mut from_far, &mut to_near) => ended,
            }
        };
        timeout(limit, both).await?.map(drop)
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What a connection is for, and how many of its first bytes are in `hello`.
async fn purpose(stream: &mut TcpStream, hello: &mut [u8; HELLO_LEN]) -> io::Result<(Purpose, usize)> {
    let mut len = 0;
    while len < HELLO_LEN {
        let read = stream.read(&mut hello[len..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        len += read;
        let begun = len.min(HELLO.len());
        if hello[..begun] != HELLO[..begun] {
            return Ok((Purpose::Tracker, len));
        }
    }
    let mut hash = [0; 20];
    hash.copy_from_slice(&hello[HELLO_LEN - 20..]);
    Ok((Purpose::Peer(InfoHash(hash)), len))
}

fn password() -> io::Result<String> {
    let mut bytes = [0; 20];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(InfoHash(bytes).to_string())
}

#[cfg(test)]
mod tests;
