//! A server that answers as it is told, byte by byte if need be, and remembers what it was asked.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    /// In place of the true length; `None` for none, which ends with the connection.
    len: Option<u64>,
}

#[derive(Debug, Clone)]
enum Body {
    Whole(Vec<u8>),
    /// One byte after the other, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// For as long as somebody reads.
    Endless,
    /// Nothing comes, not even the status.
    Silence,
}

type Answers = Box<dyn Fn(&Seen) -> Canned + Send + Sync>;

struct Shared {
    answers: Mutex<Answers>,
    seen: Mutex<Vec<Seen>>,
    open: AtomicU64,
    most_open: AtomicU64,
    sent: AtomicU64,
}

/// The server; it ends when this is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn new(answers: impl Fn(&Seen) -> Canned + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            answers: Mutex::new(Box::new(answers)),
            seen: Mutex::default(),
            open: AtomicU64::new(0),
            most_open: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        let accepting = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, shared.clone()));
                }
            }
        });
        Self { url, shared, accepting }
    }

    /// One that answers each path with a body of JSON, and others with 404.
    pub(crate) async fn of<const N: usize>(pages: [(&'static str, String); N]) -> Self {
        Self::new(move |seen| {
            let path = seen.path();
            let page = pages.iter().find(|(at, _)| *at == path);
            page.map_or_else(|| Canned::status(404), |(_, body)| Canned::json(body))
        })
        .await
    }

    /// From here on it answers so.
    pub(crate) fn answers(&self, answers: impl Fn(&Seen) -> Canned + Send + Sync + 'static) {
        *self.shared.answers.lock() = Box::new(answers);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().clone()
    }

    pub(crate) fn asked(&self) -> usize {
        self.shared.seen.lock().len()
    }

    /// The most requests that were open at once.
    pub(crate) fn most_open(&self) -> u64 {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// Bytes of bodies that were taken from it.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The decoded value of a parameter.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(&format!("http://x{}", self.target)).unwrap();
        url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

impl Canned {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Vec::new()), len: Some(0) }
    }

    pub(crate) fn bytes(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let len = Some(body.len() as u64);
        Self { body: Body::Whole(body), len, ..Self::status(200).header("content-type", content_type) }
    }

    pub(crate) fn json(body: &str) -> Self {
        Self::bytes("application/json; charset=utf-8", body)
    }

    pub(crate) fn endless() -> Self {
        Self { body: Body::Endless, len: None, ..Self::status(200) }
    }

    pub(crate) fn silence() -> Self {
        Self { body: Body::Silence, ..Self::status(200) }
    }

    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::status(302).header("location", to)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn promises(mut self, len: u64) -> Self {
        self.len = Some(len);
        self
    }

    /// Lets its body drip.
    pub(crate) fn dripping(mut self, pause: Duration) -> Self {
        if let Body::Whole(body) = self.body {
            self.body = Body::Drip(body, pause);
        }
        self
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    let Some(seen) = asked(&mut stream).await else { return };
    let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_open.fetch_max(open, Ordering::SeqCst);
    shared.seen.lock().push(seen.clone());
    let canned = (shared.answers.lock())(&seen);
    // Whoever hangs up has had enough.
    _ = answer(&mut stream, &seen, canned, &shared).await;
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

async fn asked(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut start = lines.first()?.split(' ');
    let (method, target) = (start.next()?.to_owned(), start.next()?.to_owned());
    let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Seen { method, target, headers })
}

async fn answer(
    stream: &mut BufReader<TcpStream>,
    seen: &Seen,
    canned: Canned,
    shared: &Shared,
) -> std::io::Result<()> {
    let Canned { status, headers, body, len } = canned;
    if matches!(body, Body::Silence) {
        // Until the other side has given up.
        let mut rest = String::new();
        stream.read_line(&mut rest).await?;
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n");
    for (name, value) in headers.into_iter().chain(len.map(|len| ("content-length".to_owned(), len.to_string()))) {
        // Writing to a string does not fail.
        _ = write!(head, "{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    if seen.method == "HEAD" {
        return stream.flush().await;
    }
    match body {
        Body::Whole(body) => stream.write_all(&body).await?,
        Body::Drip(body, pause) => {
            for byte in body {
                // A body that takes its time.
                _ = timeout(pause, std::future::pending::<()>()).await;
                stream.write_all(&[byte]).await?;
            }
        }
        Body::Endless => loop {
            stream.write_all(&vec![b' '; 64 << 10]).await?;
            shared.sent.fetch_add(64 << 10, Ordering::SeqCst);
        },
        Body::Silence => {}
    }
    stream.flush().await?;
    stream.shutdown().await
}
