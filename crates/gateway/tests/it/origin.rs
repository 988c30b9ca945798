//! `Origin`: an HTTP server with one file, slow or broken as told, that counts the bytes that it sends.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes written at once.
const PIECE: usize = 16 << 10;

/// An HTTP server with one file, until the test ends.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    file: Vec<u8>,
    sent: AtomicUsize,
    /// Where each answer began.
    starts: std::sync::Mutex<Vec<usize>>,
    manner: std::sync::Mutex<Manner>,
}

#[derive(Clone)]
struct Manner {
    content_type: &'static str,
    /// Bytes a second, of all connections together.
    rate: Option<usize>,
    ranges: bool,
    length: bool,
    /// Every connection ends when it gets here.
    breaks_at: usize,
}

impl Origin {
    pub(crate) fn of(file: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let manner =
            Manner { content_type: "video/mp4", rate: None, ranges: true, length: true, breaks_at: usize::MAX };
        let shared =
            Arc::new(Shared { file, sent: AtomicUsize::new(0), starts: Vec::new().into(), manner: manner.into() });
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                // A client that leaves is no failure.
                thread::spawn(move || serving.serve(&stream).ok());
            }
        });
        Self { address, shared }
    }

    fn manner(self, change: impl FnOnce(&mut Manner)) -> Self {
        change(&mut self.shared.manner.lock().expect("no panic"));
        self
    }

    pub(crate) fn throttled(self, bytes_per_second: usize) -> Self {
        self.manner(|manner| manner.rate = Some(bytes_per_second))
    }

    pub(crate) fn without_ranges(self) -> Self {
        self.manner(|manner| manner.ranges = false)
    }

    pub(crate) fn without_length(self) -> Self {
        self.manner(|manner| (manner.ranges, manner.length) = (false, false))
    }

    pub(crate) fn breaking_at(self, at: usize) -> Self {
        self.manner(|manner| manner.breaks_at = at)
    }

    pub(crate) fn with_type(self, content_type: &'static str) -> Self {
        self.manner(|manner| manner.content_type = content_type)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the answers began.
    pub(crate) fn starts(&self) -> Vec<usize> {
        self.shared.starts.lock().expect("no panic").clone()
    }

    /// Bytes of bodies sent so far, as far as the kernel took them.
    pub(crate) fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut path, mut from) = (None, None);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                let line = line.trim_end();
                if line.is_empty() {
                    break;
                }
                path = path.or_else(|| line.split(' ').nth(1).map(str::to_owned));
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("range")
                {
                    from = value.trim().strip_prefix("bytes=").and_then(|range| range.split('-').next()?.parse().ok());
                }
            }
            self.answer(stream, path.as_deref().unwrap_or("/"), from)?;
        }
    }

    fn answer(&self, mut stream: &TcpStream, path: &str, from: Option<usize>) -> std::io::Result<()> {
        let manner = self.manner.lock().expect("no panic").clone();
        if path.starts_with("/missing") {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
        let len = self.file.len();
        let from = from.filter(|_| manner.ranges);
        if from.is_some_and(|from| from >= len) {
            let head = format!("HTTP/1.1 416 x\r\nContent-Range: bytes */{len}\r\nContent-Length: 0\r\n\r\n");
            return stream.write_all(head.as_bytes());
        }
        let start = from.unwrap_or(0);
        self.starts.lock().expect("no panic").push(start);
        let status = if from.is_some() { "206 x" } else { "200 x" };
        let range = from.map(|from| format!("Content-Range: bytes {from}-{}/{len}\r\n", len - 1)).unwrap_or_default();
        let length =
            if manner.length { format!("Content-Length: {}", len - start) } else { "Connection: close".to_owned() };
        let content_type = manner.content_type;
        let head =
            format!("HTTP/1.1 {status}\r\nETag: \"v1\"\r\nContent-Type: {content_type}\r\n{range}{length}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let begun = Instant::now();
        let mut at = start;
        while at < len {
            if at >= manner.breaks_at {
                return stream.shutdown(std::net::Shutdown::Both);
            }
            let end = (at + PIECE).min(len).min(manner.breaks_at);
            stream.write_all(&self.file[at..end])?;
            self.sent.fetch_add(end - at, Ordering::SeqCst);
            at = end;
            if let Some(rate) = manner.rate {
                let due = Duration::from_secs_f64((at - start) as f64 / rate as f64);
                thread::park_timeout(due.saturating_sub(begun.elapsed()));
            }
        }
        if manner.length { Ok(()) } else { stream.shutdown(std::net::Shutdown::Both) }
    }
}

/// An origin that sends `answer` to whatever it is asked, and leaves the connection open for a while; the port, and the
/// heads that it was sent.
pub(crate) fn saying(answer: String) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (told, heads) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (told, answer) = (told.clone(), answer.clone());
            thread::spawn(move || {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                // A test that has seen enough, and a client that leaves, are no failures.
                let _ = told.send(head.join("\n"));
                let _ = stream.write_all(answer.as_bytes());
                thread::park_timeout(Duration::from_secs(5));
            });
        }
    });
    (port, heads)
}
