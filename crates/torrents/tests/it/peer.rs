//! A peer that gives any description (BEP 9, 10), and a tracker of HTTP that names any peers (BEP 3, 23).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a part of a description is.
const PART: usize = 16 << 10;

/// Something that listens; ended when dropped.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    /// Connections that were made to it.
    pub(crate) seen: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Listening {
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

async fn listening<W>(at: &str, serve: impl Fn(TcpStream) -> W + Send + 'static) -> Listening
where
    W: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let serving = serve(stream);
            connections.spawn(async move { drop(serving.await) });
        }
    });
    Listening { address, seen, _tasks: tasks }
}

/// A peer of the torrent `hash` that describes it by `info`, and says that this has `told` bytes.
pub(crate) async fn liar(hash: [u8; 20], info: Vec<u8>, told: usize) -> Listening {
    let info = Arc::new(info);
    listening("127.0.0.1:0", move |stream| lie(stream, hash, info.clone(), told)).await
}

/// What notes connections and says nothing.
pub(crate) async fn silent(at: &str) -> Listening {
    listening(at, |stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await
}

/// A tracker of HTTP that names `peers`.
pub(crate) async fn tracker(peers: Vec<SocketAddr>) -> Listening {
    listening("127.0.0.1:0", move |mut stream| {
        let compact: Vec<u8> = peers
            .iter()
            .flat_map(|peer| {
                let SocketAddr::V4(peer) = peer else { unreachable!("tests listen on IPv4") };
                [&peer.ip().octets()[..], &peer.port().to_be_bytes()].concat()
            })
            .collect();
        let body = [format!("d8:intervali60e5:peers{}:", compact.len()).as_bytes(), &compact, b"e"].concat();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(answer.as_bytes()).await?;
            stream.write_all(&body).await
        }
    })
    .await
}

async fn lie(mut stream: TcpStream, hash: [u8; 20], info: Arc<Vec<u8>>, told: usize) -> std::io::Result<()> {
    let mut hello = [0; 68];
    stream.read_exact(&mut hello).await?;
    let reserved = [0, 0, 0, 0, 0, 0x10, 0, 0];
    stream.write_all(&[b"\x13BitTorrent protocol", &reserved[..], &hash, b"-LI0001-abcdefghijkl"].concat()).await?;
    let about = format!("d1:md11:ut_metadatai7ee13:metadata_sizei{told}ee");
    say(&mut stream, 0, about.as_bytes()).await?;
    let mut theirs = 1;
    loop {
        let len = stream.read_u32().await? as usize;
        let mut message = vec![0; len];
        stream.read_exact(&mut message).await?;
        match message.split_first() {
            Some((20, [0, about @ ..])) => theirs = number(about, b"11:ut_metadatai").unwrap_or(1) as u8,
            Some((20, [7, request @ ..])) => {
                let part = number(request, b"5:piecei").unwrap_or(0);
                let bytes = info.chunks(PART).nth(part).unwrap_or_default();
                let head = format!("d8:msg_typei1e5:piecei{part}e10:total_sizei{told}ee");
                say(&mut stream, theirs, &[head.as_bytes(), bytes].concat()).await?;
            }
            _ => {}
        }
    }
}

/// An extended message.
async fn say(stream: &mut TcpStream, id: u8, text: &[u8]) -> std::io::Result<()> {
    let len = (text.len() + 2) as u32;
    stream.write_all(&[&len.to_be_bytes()[..], &[20, id], text].concat()).await
}

/// The number behind `name`.
fn number(text: &[u8], name: &[u8]) -> Option<usize> {
    let at = text.windows(name.len()).position(|window| window == name)? + name.len();
    let digits: String = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| *byte as char).collect();
    digits.parse().ok()
}
