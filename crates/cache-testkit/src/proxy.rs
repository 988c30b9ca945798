//! `Proxy`: a TCP proxy that plays a bad network between a client and a real server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

const PIECE: usize = 16 * 1024;
/// How often a second a dripping connection lets bytes through.
const DRIPS: u32 = 20;

/// How a [`Proxy`] treats connections, those that are open included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weather {
    /// Everything passes.
    Clear,
    /// Connections are accepted and stay open; nothing passes, in either direction.
    Hang,
    /// New connections are closed at once, open ones are cut.
    Refuse,
    /// Every piece passes this much later, in both directions.
    Delay(Duration),
    /// Replies pass at so many bytes a second.
    Drip(u32),
    /// Of all replies of a connection, counted from this moment on, so many bytes pass, and the connection is cut.
    CutReplies(u64),
}

/// A TCP proxy on a free loopback port. Dropped, it cuts every connection.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    weather: watch::Sender<Now>,
    accepting: JoinHandle<()>,
}

/// The weather, and how often it was set: the same weather again is news to who counts bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Now {
    weather: Weather,
    set: u64,
}

impl Proxy {
    /// A proxy before the server at `to`, in clear weather.
    ///
    /// # Errors
    /// No port is free.
    pub async fn to(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let (weather, seen) = watch::channel(Now { weather: Weather::Clear, set: 0 });
        Ok(Self { addr, weather, accepting: tokio::spawn(accept(listener, to, seen)) })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the weather, for open connections too.
    pub fn set(&self, weather: Weather) {
        self.weather.send_modify(|now| *now = Now { weather, set: now.set + 1 });
    }

    /// Cuts every open connection and goes on in clear weather.
    pub async fn cut_all(&self) {
        self.set(Weather::Refuse);
        while !self.is_idle() {
            tokio::task::yield_now().await;
        }
        self.set(Weather::Clear);
    }

    /// Whether no connection is open.
    pub fn is_idle(&self) -> bool {
        // Every connection holds receivers, and who accepts them another.
        self.weather.receiver_count() <= 1
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections live in a set that the task owns.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, weather: watch::Receiver<Now>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                if weather.borrow().weather == Weather::Refuse {
                    continue;
                }
                connections.spawn(carry(client, to, weather.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side ends it or the weather does.
async fn carry(client: TcpStream, to: SocketAddr, mut weather: watch::Receiver<Now>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    // Delays are to come from the weather alone.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asks = Way { from: from_client, to: to_server, weather: weather.clone(), carries_replies: false };
    let replies = Way { from: from_server, to: to_client, weather: weather.clone(), carries_replies: true };
    tokio::select! {
        () = asks.carry() => {}
        () = replies.carry() => {}
        _ = weather.wait_for(|now| now.weather == Weather::Refuse) => {}
    }
}

/// One direction of a connection.
struct Way {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    weather: watch::Receiver<Now>,
    carries_replies: bool,
}

impl Way {
    async fn carry(mut self) {
        let mut piece = vec![0; PIECE];
        let mut counted = Counted::default();
        while let Ok(len @ 1..) = self.from.read(&mut piece).await {
            if self.pass(&piece[..len], &mut counted).await.is_none() {
                return;
            }
        }
        // The end of one direction passes as such: the other may have bytes left.
        let _ = self.to.shutdown().await;
        if !self.carries_replies {
            std::future::pending::<()>().await;
        }
    }

    /// Hands `bytes` on as the weather allows; `None` when the connection is to be cut.
    async fn pass(&mut self, mut bytes: &[u8], counted: &mut Counted) -> Option<()> {
        while !bytes.is_empty() {
            let now = *self.weather.borrow_and_update();
            let len = match now.weather {
                Weather::Clear => bytes.len(),
                Weather::Refuse => return None,
                Weather::Hang => {
                    self.weather.changed().await.ok()?;
                    continue;
                }
                Weather::Delay(delay) => {
                    tokio::time::sleep(delay).await;
                    bytes.len()
                }
                Weather::Drip(_) | Weather::CutReplies(_) if !self.carries_replies => bytes.len(),
                Weather::Drip(rate) => {
                    tokio::time::sleep(Duration::from_secs(1) / DRIPS).await;
                    bytes.len().min((rate / DRIPS).max(1) as usize)
                }
                Weather::CutReplies(allowed) => {
                    let left = counted.left(now.set, allowed);
                    if left == 0 {
                        return None;
                    }
                    bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))
                }
            };
            let (now, later) = bytes.split_at(len);
            self.to.write_all(now).await.ok()?;
            counted.passed += len as u64;
            bytes = later;
        }
        Some(())
    }
}

/// How many bytes have passed since the weather was set.
#[derive(Default)]
struct Counted {
    since: u64,
    passed: u64,
}

impl Counted {
    fn left(&mut self, set: u64, allowed: u64) -> u64 {
        if self.since != set {
            *self = Self { since: set, passed: 0 };
        }
        allowed.saturating_sub(self.passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A server that sends back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        addr
    }

    async fn connected() -> (Proxy, TcpStream) {
        let proxy = Proxy::to(echo().await).await.unwrap();
        let client = TcpStream::connect(proxy.addr()).await.unwrap();
        (proxy, client)
    }

    /// What comes back of `said`, until the connection ends.
    async fn answer(client: &mut TcpStream, said: &[u8]) -> io::Result<Vec<u8>> {
        client.write_all(said).await?;
        let mut heard = vec![0; said.len()];
        let read = client.read_exact(&mut heard);
        tokio::time::timeout(LIMIT, read).await.map_err(io::Error::other)??;
        Ok(heard)
    }

    #[tokio::test]
    async fn in_clear_weather_everything_passes() {
        let (_proxy, mut client) = connected().await;
        let said: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let (mut from, mut to) = client.split();
        let mut heard = vec![0; said.len()];
        let (sent, read) = tokio::join!(to.write_all(&said), from.read_exact(&mut heard));
        sent.and(read.map(drop)).unwrap();
        assert!(heard == said);
    }

    #[tokio::test]
    async fn a_hanging_connection_goes_on_where_it_stopped() {
        let (proxy, mut client) = connected().await;
        proxy.set(Weather::Hang);
        client.write_all(b"late").await.unwrap();
        let mut heard = [0; 4];
        let early = tokio::time::timeout(Duration::from_millis(50), client.read_exact(&mut heard)).await;
        assert!(early.is_err(), "nothing passes");
        proxy.set(Weather::Clear);
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"late");
    }

    #[tokio::test]
    async fn replies_are_cut_at_the_byte() {
        let (proxy, mut client) = connected().await;
        assert_eq!(answer(&mut client, b"before").await.unwrap(), b"before");
        proxy.set(Weather::CutReplies(3));
        client.write_all(b"after").await.unwrap();
        let mut heard = Vec::new();
        // The cut may arrive as an end or as a reset.
        let _ = tokio::time::timeout(LIMIT, client.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"aft");
    }

    #[tokio::test]
    async fn a_dripping_server_still_answers() {
        let (proxy, mut client) = connected().await;
        proxy.set(Weather::Drip(100));
        assert_eq!(answer(&mut client, b"slow as honey").await.unwrap(), b"slow as honey");
        proxy.set(Weather::Delay(Duration::from_millis(1)));
        assert_eq!(answer(&mut client, b"late").await.unwrap(), b"late");
    }

    #[tokio::test]
    async fn who_is_refused_is_cut_and_may_come_again() {
        let (proxy, mut client) = connected().await;
        assert_eq!(answer(&mut client, b"x").await.unwrap(), b"x");
        proxy.cut_all().await;
        assert!(answer(&mut client, b"y").await.is_err());
        let mut again = TcpStream::connect(proxy.addr()).await.unwrap();
        assert_eq!(answer(&mut again, b"z").await.unwrap(), b"z");
        drop(again);
        assert!(eventually(LIMIT, || async { proxy.is_idle() }).await);
    }
}
