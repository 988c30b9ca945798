//! A small S3 server that works, and then does not, as a test tells it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use xxhash_rust::xxh3::xxh3_64;

/// A request as a fault sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

/// What happens to an answer on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// So many bytes of the body are sent, and then nothing for ever.
    HangAfter(usize),
    /// So many bytes of the body are sent, and the connection is closed.
    CutAfter(usize),
    /// Nothing is sent for ever.
    Silent,
    /// One byte every 50 ms.
    Drip,
    /// The body again and again, in chunks, for ever.
    Endless,
}

pub(crate) type Objects = BTreeMap<String, Vec<u8>>;
type Fault = dyn Fn(&Request, Answer) -> Answer + Send + Sync;

/// The server; ends when it is dropped.
pub(crate) struct Fake {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    objects: Mutex<Objects>,
    fault: Mutex<Option<Arc<Fault>>>,
    requests: AtomicUsize,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: BTreeMap::new(), body: body.into(), end: End::Whole }
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::new(status, format!("<Error><Code>{code}</Code><AWSAccessKeyId>AKID</AWSAccessKeyId></Error>"))
    }

    pub(crate) fn header(mut self, name: &str, value: impl Display) -> Self {
        self.headers.insert(name.to_owned(), value.to_string());
        self
    }

    pub(crate) fn ends(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { objects: Mutex::default(), fault: Mutex::default(), requests: AtomicUsize::new(0) });
        let serving = tokio::spawn({
            let shared = shared.clone();
            async move {
                let mut open = tokio::task::JoinSet::new();
                while let Ok((socket, _)) = listener.accept().await {
                    let shared = shared.clone();
                    socket.set_nodelay(true).unwrap();
                    open.spawn(async move { drop(serve(socket, &shared).await) });
                }
            }
        });
        Self { addr, shared, serving }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it holds.
    pub(crate) fn objects(&self) -> Objects {
        self.shared.objects.lock().unwrap().clone()
    }

    pub(crate) fn url(&self) -> String {
        let addr = self.addr;
        format!("s3://bucket/x?endpoint=http://{addr}&region=us-east-1&access_key_id=AKID&secret_access_key=SECRET")
    }

    /// Every answer from here on goes through `fault`.
    pub(crate) fn fault(&self, fault: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) {
        *self.shared.fault.lock().unwrap() = Some(Arc::new(fault));
        self.shared.requests.store(0, Ordering::SeqCst);
    }

    /// Requests since the fault was set.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    while let Some(request) = read(&mut socket).await? {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        let answer = healthy(&request, &mut shared.objects.lock().unwrap());
        let fault = shared.fault.lock().unwrap().clone();
        let answer = fault.map_or_else(|| answer.clone(), |fault| fault(&request, answer.clone()));
        if !send(socket.get_mut(), answer).await? {
            break;
        }
    }
    Ok(())
}

async fn read(socket: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines[0].split(' ').map(str::to_owned);
    let mut request = Request { method: words.next().unwrap(), target: words.next().unwrap(), ..Request::default() };
    let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
    request.headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let len = request.headers.get("content-length").map_or(0, |len| len.parse().unwrap());
    request.body = vec![0; len];
    socket.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

/// Whether the connection goes on.
async fn send(socket: &mut TcpStream, answer: Answer) -> std::io::Result<bool> {
    let Answer { status, mut headers, body, end } = answer;
    if end == End::Silent {
        std::future::pending::<()>().await;
    }
    match end {
        End::Endless => drop(headers.insert("transfer-encoding".into(), "chunked".into())),
        _ => drop(headers.entry("content-length".into()).or_insert_with(|| body.len().to_string())),
    }
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    socket.write_all(format!("{head}\r\n").as_bytes()).await?;
    match end {
        End::Whole => socket.write_all(&body).await?,
        End::CutAfter(most) => {
            socket.write_all(&body[..most.min(body.len())]).await?;
            return Ok(false);
        }
        End::HangAfter(most) => {
            socket.write_all(&body[..most.min(body.len())]).await?;
            std::future::pending::<()>().await;
        }
        End::Drip => {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            for byte in body {
                ticks.tick().await;
                socket.write_all(&[byte]).await?;
            }
        }
        End::Endless => loop {
            socket.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await?;
            socket.write_all(&body).await?;
            socket.write_all(b"\r\n").await?;
        },
        End::Silent => {}
    }
    Ok(true)
}

/// What a server that works answers.
pub(crate) fn healthy(request: &Request, objects: &mut Objects) -> Answer {
    // As a proxy it is asked for the whole address.
    let target = request.target.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    let target = target.unwrap_or(&request.target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match request.method.as_str() {
        "GET" if query.contains("list-type=2") => list(query, objects),
        "GET" => get(path, request, objects),
        "PUT" => put(path, request, objects),
        "POST" => {
            let text = String::from_utf8(request.body.clone()).unwrap();
            let names = text.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap());
            let mut gone = String::new();
            for name in names {
                objects.remove(&format!("/bucket/{name}"));
                write!(gone, "<Deleted><Key>{name}</Key></Deleted>").unwrap();
            }
            Answer::new(200, format!("<DeleteResult>{gone}</DeleteResult>"))
        }
        _ => Answer::error(405, "MethodNotAllowed"),
    }
}

fn etag(body: &[u8]) -> String {
    format!("\"{:x}\"", xxh3_64(body))
}

fn get(path: &str, request: &Request, objects: &Objects) -> Answer {
    let Some(body) = objects.get(path) else { return Answer::error(404, "NoSuchKey") };
    let answer = |status, part: &[u8]| {
        Answer::new(status, part).header("etag", etag(body)).header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
    };
    let Some(range) = request.headers.get("range") else { return answer(200, body) };
    let end: usize = range.strip_prefix("bytes=0-").unwrap().parse().unwrap();
    let end = body.len().min(end + 1);
    answer(206, &body[..end]).header("content-range", format!("bytes 0-{}/{}", end - 1, body.len()))
}

fn put(path: &str, request: &Request, objects: &mut Objects) -> Answer {
    let present = objects.get(path).map(|body| etag(body));
    let is_refused = match (request.headers.get("if-none-match"), request.headers.get("if-match")) {
        (Some(_), _) => present.is_some(),
        (_, Some(expected)) => present.as_ref() != Some(expected),
        _ => false,
    };
    if is_refused {
        return Answer::error(412, "PreconditionFailed");
    }
    objects.insert(path.to_owned(), request.body.clone());
    Answer::new(200, "").header("etag", etag(&request.body))
}

fn list(query: &str, objects: &Objects) -> Answer {
    let of =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).map(|value| value.replace("%2F", "/"));
    let prefix = format!("/bucket/{}", of("prefix=").unwrap_or_default());
    let after = of("continuation-token=").unwrap_or_default();
    let names: Vec<_> = objects.iter().filter(|(name, _)| name.starts_with(&prefix) && **name > after).collect();
    let mut text = String::from("<ListBucketResult>");
    let page = &names[..names.len().min(1_000)];
    for (name, body) in page {
        let (name, len) = (name.strip_prefix("/bucket/").unwrap(), body.len());
        write!(text, "<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>").unwrap();
        write!(text, "<Size>{len}</Size><ETag>x</ETag></Contents>").unwrap();
    }
    let more = page.len() < names.len();
    if more {
        write!(text, "<NextContinuationToken>{}</NextContinuationToken>", page.last().unwrap().0).unwrap();
    }
    write!(text, "<IsTruncated>{more}</IsTruncated></ListBucketResult>").unwrap();
    Answer::new(200, text)
}
