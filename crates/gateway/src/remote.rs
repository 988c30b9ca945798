//! A running server, asked over HTTP.

use std::time::Duration;

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::response::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Secret;

/// Time for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Time for one answer: a sweep of a slow disk, a clear of a large cache.
const ANSWER_LIMIT: Duration = Duration::from_mins(10);
/// The longest answer of JSON, in bytes: a page of entries with the longest keys.
const LONGEST_JSON: usize = 64 << 20;

/// A server and what allows to ask it.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    /// Host and port.
    authority: String,
    token: Option<Secret>,
}

/// An answer that is no failure.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Remote {
    /// The server at `url`, such as `http://127.0.0.1:7878`.
    ///
    /// # Errors
    /// `Invalid` for anything else than HTTP with a host and nothing behind it.
    pub(crate) fn new(url: &str, token: Option<Secret>) -> Result<Self> {
        let wrong =
            || Error::new(ErrorKind::Invalid, "not the address of a server: write for example http://127.0.0.1:7878");
        if url.starts_with("https://") {
            let message =
                "commands speak plain HTTP: ask the server itself, behind its proxy, such as http://127.0.0.1:7878";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let authority = url.strip_prefix("http://").ok_or_else(wrong)?.trim_end_matches('/');
        let parsed: http::uri::Authority = authority.parse().map_err(|_| wrong())?;
        if authority.contains('@') {
            return Err(wrong());
        }
        let port = parsed.port_u16().unwrap_or(80);
        Ok(Self { authority: format!("{}:{port}", parsed.host()), token })
    }

    /// Asks and reads the JSON of the answer.
    ///
    /// # Errors
    /// As [`ask`](Self::ask); `Internal` for an answer that is not what this version knows.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T> {
        let answer = self.ask(method, path, query, LONGEST_JSON).await?;
        self.read(&answer)
    }

    /// Sends `body` as JSON and reads that of the answer.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub(crate) async fn send<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        let request = serde_json::to_vec(body).map_err(|error| self.failed(error)).and_then(|body| {
            let request = self.request(Method::POST, path, &[], body.into());
            request.map_err(|error| self.failed(error))
        })?;
        self.read(&self.exchange(request, LONGEST_JSON).await?)
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let message = format!("the server at {} answers what this version does not know", self.authority);
            Error::new(ErrorKind::Internal, message).with_source(error)
        })
    }

    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let message = format!("the server at {} cannot be asked", self.authority);
        Error::new(ErrorKind::Unavailable, message).with_source(error)
    }

    /// Asks for `path`; the answer has at most `longest` bytes.
    ///
    /// # Errors
    /// `Unavailable` when there is no server, `Timeout` when it does not answer, and what it says is wrong.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        longest: usize,
    ) -> Result<Answer> {
        let request = self.request(method, path, query, Bytes::new()).map_err(|error| self.failed(error))?;
        self.exchange(request, longest).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, longest: usize) -> Result<Answer> {
        let late = |_| Error::new(ErrorKind::Timeout, format!("the server at {} does not answer", self.authority));
        let (head, body) = timeout(ANSWER_LIMIT, self.converse(request, longest)).await.map_err(late)??;
        if head.status.is_success() {
            return Ok(Answer { headers: head.headers, body });
        }
        Err(self.refusal(head.status, &body))
    }

    async fn converse(&self, request: Request<Full<Bytes>>, longest: usize) -> Result<(Parts, Bytes)> {
        let connected = timeout(CONNECT_LIMIT, TcpStream::connect(&self.authority)).await;
        let stream = connected.map_err(|error| self.failed(error))?.map_err(|error| self.failed(error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.failed(error))?;
        let answer = async {
            let (head, body) = sender.send_request(request).await.map_err(|error| self.failed(error))?.into_parts();
            let body = Limited::new(body, longest).collect().await.map_err(|error| self.failed(error))?;
            Ok((head, body.to_bytes()))
        };
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            // All of the answer has arrived, or none will.
            _ended = &mut connection => answer.await,
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> http::Result<Request<Full<Bytes>>> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(method).uri(target).header(HOST, &self.authority);
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.header(CONNECTION, "close").body(Full::new(body))
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> Error {
        let said = serde_json::from_slice::<serde_json::Value>(body).ok();
        let said = said.as_ref().and_then(|said| said["detail"].as_str()).map(crate::text::one_line);
        let kind = match status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::Invalid,
            StatusCode::GATEWAY_TIMEOUT => ErrorKind::Timeout,
            StatusCode::INTERNAL_SERVER_ERROR => ErrorKind::Internal,
            _ => ErrorKind::Unavailable,
        };
        let why = said.unwrap_or_else(|| format!("it answers {status}"));
        let advice = match status {
            StatusCode::UNAUTHORIZED => {
                "; commands send that of REELCACHE_ADMIN_TOKEN_FILE or REELCACHE_READ_TOKEN_FILE"
            }
            _ => "",
        };
        Error::new(kind, format!("the server at {}: {why}{advice}", self.authority))
    }
}
