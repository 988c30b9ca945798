//! `Site`: an HTTP server that answers each path as it is told, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// An HTTP server, until the test ends.
pub(crate) struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What it answers.
#[derive(Clone)]
pub(crate) struct Page {
    status: u16,
    headers: String,
    body: Vec<u8>,
    pause: Duration,
}

struct Shared {
    pages: Mutex<Vec<(String, Page)>>,
    asked: Mutex<Vec<String>>,
}

impl Site {
    /// One that knows no page.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { pages: Mutex::default(), asked: Mutex::default() });
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

    /// From here on it answers `path`, with its query or, unless it has one, with any, with `page`.
    pub(crate) fn says(&self, path: &str, page: Page) -> &Self {
        let mut pages = self.shared.pages.lock().expect("no panic");
        pages.retain(|(known, _)| known != path);
        pages.push((path.to_owned(), page));
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was asked for `path`, whatever the query.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let asked = self.shared.asked.lock().expect("no panic");
        asked.iter().filter(|head| target(head).split('?').next() == Some(path)).count()
    }

    /// The heads of all requests, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.asked.lock().expect("no panic").clone()
    }
}

impl Page {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: String::new(), body: Vec::new(), pause: Duration::ZERO }
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::text(&body.to_string())
    }

    /// Something that says that it is JSON.
    pub(crate) fn text(body: &str) -> Self {
        Self { body: body.into(), ..Self::status(200).header("Content-Type", "application/json") }
    }

    /// A film, with a tag of its own.
    pub(crate) fn film(body: &[u8]) -> Self {
        let page = Self::status(200).header("Content-Type", "video/mp4").header("ETag", "\"v1\"");
        Self { body: body.to_vec(), ..page }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers = [&self.headers, name, ": ", value, "\r\n"].concat();
        self
    }

    /// It takes its time.
    pub(crate) fn after(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        for line in BufReader::new(stream).lines() {
            match line? {
                line if line.is_empty() => break,
                line => head.push(line),
            }
        }
        let start = head.first().cloned().unwrap_or_default();
        let rest: Vec<String> = head.iter().skip(1).map(|line| line.to_ascii_lowercase()).collect();
        let whole = target(&start).to_owned();
        let path = whole.split('?').next().unwrap_or_default();
        self.asked.lock().expect("no panic").push(format!("{start}\n{}", rest.join("\n")));
        let pages = self.pages.lock().expect("no panic").clone();
        let known = |target: &str| pages.iter().find(|(known, _)| known == target).map(|(_, page)| page.clone());
        let page = known(&whole).or_else(|| known(path));
        let Page { status, headers, body, pause } = page.unwrap_or_else(|| Page::status(404));
        thread::park_timeout(pause);
        let len = body.len();
        write!(stream, "HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n")?;
        if !start.starts_with("HEAD ") {
            stream.write_all(&body)?;
        }
        stream.flush()
    }
}

fn target(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
