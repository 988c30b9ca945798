//! `HttpServers`: asks servers about remote sources over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, Result};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, RANGE};
use reqwest::{Client, Method, Response, StatusCode};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

use super::Servers;
use crate::Remote;

/// Asks servers over HTTP: with `HEAD`, and where that says too little, with a `GET` of one byte whose body is not read.
///
/// Redirects are followed, as ffmpeg follows them, to wherever they lead: who takes addresses from strangers looks where
/// they go, and downloads them first. A passing failure is tried again twice, within half a minute.
#[derive(Debug, Default)]
pub struct HttpServers {
    /// Made when it is first needed: most caches never see a remote source.
    client: OnceCell<Client>,
}

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For all tries together.
const LIMIT: Duration = Duration::from_secs(30);
const TRIES: u32 = 3;
/// Before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(500);

/// Why there is no answer.
enum Refusal {
    Passing(Error),
    Final(Error),
}

#[async_trait]
impl Servers for HttpServers {
    async fn ask(&self, url: &str) -> Result<Remote> {
        let late = |_| Error::new(ErrorKind::Timeout, format!("its server has not answered within {LIMIT:?}"));
        timeout(LIMIT, self.tries(url)).await.map_err(late)?
    }
}

impl HttpServers {
    async fn tries(&self, url: &str) -> Result<Remote> {
        let client = self.client.get_or_try_init(async || client()).await?;
        let mut pause = PAUSE;
        for tried in 1.. {
            match once(client, url).await {
                Ok(told) => return Ok(told),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Passing(error)) if tried == TRIES => return Err(error),
                Err(Refusal::Passing(error)) => tracing::debug!(%error, tried, "a server is asked again"),
            }
            sleep(pause).await;
            pause *= 2;
        }
        Err(Error::new(ErrorKind::Internal, "its server was not asked"))
    }
}

fn client() -> Result<Client> {
    let failed = |error| Error::new(ErrorKind::Unavailable, "no HTTP client can be made").with_source(error);
    Client::builder().connect_timeout(CONNECT_LIMIT).no_proxy().http1_only().build().map_err(failed)
}

async fn once(client: &Client, url: &str) -> Result<Remote, Refusal> {
    let head = send(client, Method::HEAD, url).await?;
    if head.status().is_success() {
        let told = told(url, &head);
        if told.identity().is_ok() {
            return Ok(told);
        }
    }
    // Some servers answer HEAD with less, or not at all.
    let answer = send(client, Method::GET, url).await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(told(url, &answer));
    }
    let error = Error::new(ErrorKind::Unavailable, format!("its server answers with {status}"));
    let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    Err(if is_passing { Refusal::Passing(error) } else { Refusal::Final(error) })
}

async fn send(client: &Client, method: Method, url: &str) -> Result<Response, Refusal> {
    let request = client.request(method.clone(), url);
    let request = if method == Method::GET { request.header(RANGE, "bytes=0-0") } else { request };
    // Its own text has the whole address, which may hold secrets.
    let failed = |error: reqwest::Error| {
        let why = if error.is_connect() { "cannot be reached" } else { "has broken off" };
        let message = format!("its server {why}");
        Refusal::Passing(Error::new(ErrorKind::Unavailable, message).with_source(error.without_url()))
    };
    request.send().await.map_err(failed)
}

/// What the headers of `answer` say.
fn told(url: &str, answer: &Response) -> Remote {
    let headers = answer.headers();
    let len = match answer.status() {
        StatusCode::PARTIAL_CONTENT => text(headers, &CONTENT_RANGE).and_then(|range| range.rsplit_once('/')),
        _ => text(headers, &CONTENT_LENGTH).map(|len| ("", len)),
    };
    let mut told = Remote::new(url);
    told.len = len.and_then(|(_, len)| len.trim().parse().ok());
    if let Some(etag) = text(headers, &ETAG) {
        told = told.etag(etag);
    }
    if let Some(modified) = text(headers, &LAST_MODIFIED) {
        told = told.modified(modified);
    }
    told
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
