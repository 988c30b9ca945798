//! `HttpOrigin`: an HTTP server of a few lines that answers as its test says, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request, with what the answers here depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Where the range that is asked for begins.
    pub(crate) range: Option<u64>,
    pub(crate) if_range: Option<String>,
    /// Whether it says who asks, or for whom.
    pub(crate) tells: bool,
    pub(crate) authorization: Option<String>,
}

/// An answer: status line and headers, and the bytes after them; then the connection is closed.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: Bytes) -> Self {
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Self { head: format!("HTTP/1.1 {status} x\r\n{}connection: close\r\n\r\n", headers.concat()), body }
    }

    /// The part of `all` from `start` on, of the version `etag`.
    pub(crate) fn part(all: &Bytes, start: u64, etag: &str) -> Self {
        let len = all.len() as u64;
        let range = format!("bytes {start}-{}/{len}", len - 1);
        let rest = (len - start).to_string();
        let headers = [("content-range", range.as_str()), ("content-length", &rest), ("etag", etag)];
        Self::new(206, &headers, all.slice(start as usize..))
    }
}

pub(crate) struct HttpOrigin {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    written: Arc<AtomicU64>,
    accepts: JoinHandle<()>,
}

impl HttpOrigin {
    pub(crate) async fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, written) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicU64>::default());
        let (answer, seen, count) = (Arc::new(answer), requests.clone(), written.clone());
        let accepts = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (answer, seen, count) = (answer.clone(), seen.clone(), count.clone());
                tokio::spawn(async move {
                    let mut connection = BufReader::new(connection);
                    let Some(request) = read(&mut connection).await else { return };
                    seen.lock().push(request.clone());
                    let answer = answer(&request);
                    write(connection.get_mut(), &answer, &count).await;
                });
            }
        });
        Self { port, requests, written, accepts }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    /// Bytes of bodies that were written to connections.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

impl Drop for HttpOrigin {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn read(connection: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut request = Request::default();
    let mut line = String::new();
    connection.read_line(&mut line).await.ok()?;
    request.path = line.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    loop {
        line.clear();
        connection.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { return Some(request) };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
            "if-range" => request.if_range = Some(value.to_owned()),
            "authorization" => (request.tells, request.authorization) = (true, Some(value.to_owned())),
            "referer" => request.tells = true,
            _ => {}
        }
    }
}

async fn write(connection: &mut TcpStream, answer: &Answer, count: &AtomicU64) {
    if connection.write_all(answer.head.as_bytes()).await.is_err() {
        return;
    }
    for piece in answer.body.chunks(16 << 10) {
        if connection.write_all(piece).await.is_err() {
            return;
        }
        count.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    drop(connection.shutdown().await);
}
