//! The HTTP client under the object store: bounds what a server answers and keeps its refusals typed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Limited};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use object_store::{ClientOptions, HeaderMap};
use reqwest::{NoProxy, Proxy};

/// Longest explanation of an error that is read.
const MAX_EXPLANATION: usize = 16 << 10;

/// Makes clients that follow no redirect, so that one attempt is one request, and read no answer beyond a limit.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    /// Longest answer in bytes.
    pub(crate) max_answer: u64,
    pub(crate) connect_timeout: Duration,
    /// Idle connections kept.
    pub(crate) idle: usize,
    /// Trusted besides those of the system.
    pub(crate) authorities: Vec<reqwest::Certificate>,
}

/// An answer that says no, or that must not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The status of the answer and the code in its explanation.
    Status { status: u16, code: Option<String>, retry_after: Option<Duration> },
    /// The answer is longer than any that is asked for.
    TooLong,
    /// The answer is not one to the question.
    Malformed,
}

#[derive(Debug)]
struct Guarded {
    client: reqwest::Client,
    max_answer: u64,
}

impl Connector {
    fn client(&self, options: &ClientOptions) -> reqwest::Result<reqwest::Client> {
        let option = |key| options.get_config_value(&key);
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .https_only(option(ClientConfigKey::AllowHttp).as_deref() != Some("true"))
            .http1_only()
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(self.idle)
            .tls_certs_merge(self.authorities.iter().cloned())
            // Objects are read as they are stored, whichever decoders other users of the client have built in.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate();
        if let Some(name) = option(ClientConfigKey::UserAgent) {
            builder = builder.user_agent(name);
        }
        if let Some(url) = option(ClientConfigKey::ProxyUrl) {
            let excludes = option(ClientConfigKey::ProxyExcludes).unwrap_or_default();
            builder = builder.proxy(Proxy::all(url)?.no_proxy(NoProxy::from_string(&excludes)));
        }
        builder.build()
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self
            .client(options)
            .map_err(|error| object_store::Error::Generic { store: "HTTP client", source: error.into() })?;
        Ok(HttpClient::new(Guarded { client, max_answer: self.max_answer }))
    }
}

#[async_trait]
impl HttpService for Guarded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let asks_for_names =
            request.uri().query().is_some_and(|query| query.contains("list-type=2") || query.contains("comp=list"));
        let (parts, body) = HttpService::call(&self.client, request).await?.into_parts();
        if !parts.status.is_success() {
            // An explanation that cannot be read is no reason to forget the status.
            let text = Limited::new(body, MAX_EXPLANATION).collect().await;
            let text = text.map_or_else(|_| Bytes::new(), Collected::to_bytes);
            let refusal = Refusal::read(parts.status.as_u16(), &parts.headers, &text);
            if refusal.is_answer() {
                return Ok(HttpResponse::from_parts(parts, text.into()));
            }
            return Err(HttpError::new(HttpErrorKind::Unknown, refusal));
        }
        let max = usize::try_from(self.max_answer).unwrap_or(usize::MAX);
        if declared(&parts.headers).is_some_and(|len| len > self.max_answer) {
            return Err(HttpError::new(HttpErrorKind::Unknown, Refusal::TooLong));
        }
        if parts.status.as_u16() == 206 && !has_range(&parts.headers) {
            return Err(HttpError::new(HttpErrorKind::Unknown, Refusal::Malformed));
        }
        let body = Limited::new(body, max).map_err(beyond);
        if !asks_for_names {
            return Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)));
        }
        let text = body.collect().await?.to_bytes();
        if !is_listing(&text) {
            return Err(HttpError::new(HttpErrorKind::Unknown, Refusal::Malformed));
        }
        Ok(HttpResponse::from_parts(parts, text.into()))
    }
}

impl Refusal {
    fn read(status: u16, headers: &HeaderMap, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        // A code is one word; anything else may be what must not be repeated.
        let is_word = |code: &str| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let code = code.map(|(code, _)| code).filter(|code| is_word(code)).map(str::to_owned);
        let retry_after = headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Self::Status { status, code, retry_after: retry_after.map(Duration::from_secs) }
    }

    /// Whether it answers the question: the object is not there, or not as the request requires.
    fn is_answer(&self) -> bool {
        match self {
            Self::Status { status: 404, code, .. } => {
                !matches!(code.as_deref(), Some("NoSuchBucket" | "ContainerNotFound"))
            }
            Self::Status { status, .. } => matches!(status, 304 | 409 | 412),
            _ => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, code: Some(code), .. } => write!(f, "{status} {code}"),
            Self::Status { status, .. } => write!(f, "{status}"),
            Self::TooLong => f.write_str("the answer is longer than any entry"),
            Self::Malformed => f.write_str("no whole list of names, or a range that is none"),
        }
    }
}

impl StdError for Refusal {}

/// Whether `text` is a whole listing that can be continued if it says so: the parser of the library takes any XML for
/// an empty list.
fn is_listing(text: &Bytes) -> bool {
    let text = String::from_utf8_lossy(text);
    let is_whole = text.contains("</ListBucketResult>") || text.contains("</EnumerationResults>");
    let goes_on = text.contains("<IsTruncated>true</IsTruncated>");
    is_whole && (!goes_on || text.contains("<NextContinuationToken>"))
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get("content-length")?.to_str().ok()?.parse().ok()
}

/// Whether the range that is told is one: the library adds to its end before it looks.
fn has_range(headers: &HeaderMap) -> bool {
    let range = headers.get("content-range").and_then(|value| value.to_str().ok()?.strip_prefix("bytes "));
    let numbers = range.and_then(|range| {
        let (range, len) = range.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        Some([start, end, len].map(|number| number.parse::<u64>().ok()))
    });
    matches!(numbers, Some([Some(start), Some(end), Some(len)]) if start <= end && end < len)
}

fn beyond(error: Box<dyn StdError + Send + Sync>) -> HttpError {
    match error.downcast::<HttpError>() {
        Ok(error) => *error,
        Err(_) => HttpError::new(HttpErrorKind::Unknown, Refusal::TooLong),
    }
}

#[cfg(test)]
mod tests;
