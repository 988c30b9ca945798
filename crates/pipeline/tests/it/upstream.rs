//! A server of HTTP that answers as it is told, and remembers what it was asked.

use std::fmt::Write as _;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_testkit::eventually;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// How many requests came before.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    how: How,
    /// Waits a little for more open requests than these.
    unless_open: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Whole,
    /// So many bytes of the body, then the end of the connection.
    Cut(usize),
    /// For as long as somebody reads.
    Endless,
    /// A byte at a time, for ever: always alive and never done.
    Drip,
    /// Not even a status.
    HangUp,
    Silence,
}

type Answers = Box<dyn Fn(&Seen) -> Answer + Send + Sync>;

struct Shared {
    answers: Answers,
    seen: Mutex<Vec<Seen>>,
    open: AtomicUsize,
    most: AtomicUsize,
}

/// The server; it ends when this is dropped.
pub(crate) struct Upstream {
    pub(crate) url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(named, _)| named == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Answer {
    fn new(status: u16, body: Vec<u8>, how: How) -> Self {
        Self { status, headers: Vec::new(), body, how, unless_open: None }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(200, serde_json::to_vec(value).unwrap(), How::Whole)
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::new(200, text.into(), How::Whole)
    }

    pub(crate) fn bytes(body: Vec<u8>) -> Self {
        Self::new(200, body, How::Whole)
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::new(status, b"{\"error\": {\"message\": \"sk-s3cret is wrong\"}}".to_vec(), How::Whole)
    }

    pub(crate) fn endless() -> Self {
        Self::new(200, Vec::new(), How::Endless)
    }

    pub(crate) fn drip() -> Self {
        Self::new(200, Vec::new(), How::Drip)
    }

    pub(crate) fn hang_up() -> Self {
        Self::new(200, Vec::new(), How::HangUp)
    }

    pub(crate) fn silence() -> Self {
        Self::new(200, Vec::new(), How::Silence)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(named, _)| *named == name)
    }

    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.how = How::Cut(bytes);
        self
    }

    pub(crate) fn unless_open(mut self, most: usize) -> Self {
        self.unless_open = Some(most);
        self
    }
}

impl Upstream {
    pub(crate) async fn new(answers: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, open, most) = (Mutex::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let shared = Arc::new(Shared { answers: Box::new(answers), seen, open, most });
        let sharing = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sharing.clone()));
            }
        });
        Self { url, shared, accepting }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The most requests that were not answered yet at a time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::Relaxed)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(mut seen) = request(&mut stream).await {
        let open = shared.open.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most.fetch_max(open, Ordering::Relaxed);
        seen.number = {
            let mut all = shared.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        let answer = (shared.answers)(&seen);
        if let Some(most) = answer.unless_open {
            // Long enough for those to come that must not.
            _ = eventually(Duration::from_millis(300), || ready(shared.open.load(Ordering::Relaxed) > most)).await;
        }
        // Counted before the client can know of the answer and ask again.
        shared.open.fetch_sub(1, Ordering::Relaxed);
        if !respond(&mut stream, &answer, seen.method == "HEAD").await {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let mut asked = lines.first()?.split(' ').map(str::to_owned);
    let (method, target) = (asked.next()?, asked.next()?);
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.iter().skip(1).filter_map(header).collect();
    let len = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, len)| len.parse().ok());
    let mut body = vec![0; len.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { number: 0, method, target, headers, body })
}

/// Whether the connection goes on.
async fn respond(stream: &mut BufReader<TcpStream>, answer: &Answer, is_head: bool) -> bool {
    let mut head = format!("HTTP/1.1 {} Told\r\n", answer.status);
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if !matches!(answer.how, How::Endless | How::Drip) {
        write!(head, "content-length: {}\r\n", answer.body.len()).unwrap();
    }
    head.push_str("\r\n");
    match answer.how {
        How::HangUp => false,
        How::Silence => {
            // Until the client has gone.
            stream.read_u8().await.is_ok()
        }
        How::Endless => {
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(&[b' '; 4096]).await;
            }
            false
        }
        How::Drip => {
            let mut sent = stream.write_all(head.as_bytes()).await;
            let mut pace = tokio::time::interval(Duration::from_millis(50));
            while sent.is_ok() {
                pace.tick().await;
                sent = stream.write_all(b" ").await;
                sent = sent.and(stream.flush().await);
            }
            false
        }
        How::Cut(bytes) => {
            stream.write_all(head.as_bytes()).await.ok();
            stream.write_all(&answer.body[..bytes]).await.ok();
            stream.flush().await.ok();
            false
        }
        How::Whole => {
            let body = if is_head { &[] } else { &answer.body[..] };
            let whole = [head.as_bytes(), body].concat();
            stream.write_all(&whole).await.is_ok() && stream.flush().await.is_ok()
        }
    }
}
