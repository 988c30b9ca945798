//! `Reply`: an answer of HTTP, read to its end.

use std::fmt;
use std::time::Duration;

use cache_core::Timestamp;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;
use url::Url;

use super::{authority, failed};
use crate::{Failure, Reason, validity};

/// How long a host is left alone that does not say for how long.
const UNTOLD: Duration = Duration::from_secs(5);
/// From here on, reading an answer would keep others waiting.
const LONG: usize = 256 << 10;

/// What has to come. A type that says nothing, such as `text/plain`, is taken for what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expected {
    /// Whatever comes.
    Anything,
    /// JSON, with any of its types.
    Json,
    /// XML: feeds.
    Xml,
    /// A page of HTML.
    Html,
}

/// An answer of HTTP, read to its end. Its `Debug` shows neither address nor body.
#[derive(Clone)]
pub struct Reply {
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    /// The address that has answered, behind all redirects.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The host that has answered, as errors name it.
    pub fn host(&self) -> String {
        authority(&self.url)
    }

    /// A header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What the JSON of the answer says.
    ///
    /// # Errors
    /// [`Reason::Malformed`] when it is none, or says something else.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Its own text may quote the answer.
            let place = format!("line {}, column {}", error.line(), error.column());
            let what = if error.is_eof() { "ends too early" } else { "is not the JSON that was expected" };
            Failure::new(Reason::Malformed, format!("the answer of {} {what} ({place})", self.host()))
        })
    }

    /// What `read` makes of it, and the answer; a long one is read on a thread for what takes its time.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn parsed<T, R>(self, read: R) -> Result<(T, Self), Failure>
    where
        T: Send + 'static,
        R: FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    {
        if self.body.len() <= LONG {
            return Ok((read(&self)?, self));
        }
        let parsed = spawn_blocking(move || Ok((read(&self)?, self)));
        parsed.await.unwrap_or_else(|_| Err(Failure::new(Reason::Unavailable, "the answer could not be read")))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.len();
        f.debug_struct("Reply").field("host", &self.host()).field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl Expected {
    pub(super) fn accept(self) -> &'static str {
        match self {
            Self::Anything => "*/*",
            Self::Json => "application/json",
            Self::Xml => "application/rss+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1",
            Self::Html => "text/html, application/xhtml+xml;q=0.9",
        }
    }

    /// Whether `content_type` is certainly something else.
    fn is_not(self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_media = ["image/", "audio/", "video/", "font/"].iter().any(|start| essence.starts_with(start));
        let is_html = matches!(&*essence, "text/html" | "application/xhtml+xml");
        let is_json = essence == "application/json" || essence.ends_with("+json");
        let is_xml = !is_html && (essence.ends_with("/xml") || essence.ends_with("+xml"));
        match self {
            Self::Anything => false,
            Self::Json => is_media || is_html || is_xml,
            Self::Xml => is_media || is_html || is_json,
            Self::Html => is_media || is_json,
        }
    }
}

/// What kind of failure `status` is.
pub(super) fn reason(status: u16) -> Reason {
    match status {
        401 | 402 | 403 | 407 | 451 => Reason::Forbidden,
        404 | 410 => Reason::NotFound,
        408 => Reason::Timeout,
        429 => Reason::RateLimited,
        300..=399 => Reason::Malformed,
        400..=499 => Reason::Unsupported,
        _ => Reason::Unavailable,
    }
}

/// The failure that `response` is, if it is one.
pub(super) fn refusal(response: &Response, now: Timestamp, max_pause: Duration) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let (status, host) = (status.as_u16(), authority(response.url()));
    let failure = Failure::new(reason(status), format!("{host} has refused the request")).with_status(status);
    Err(match pause(response, now, max_pause) {
        Some(pause) => failure.after(pause),
        None => failure,
    })
}

/// How long the host of `response` wants to be left alone; `max` at most.
pub(super) fn pause(response: &Response, now: Timestamp, max: Duration) -> Option<Duration> {
    let (status, headers) = (response.status().as_u16(), response.headers());
    if !matches!(status, 429 | 503) {
        return None;
    }
    // The sender's clock is the one that counts for its own dates.
    let sent = || text(headers, &DATE).and_then(validity::http_date).unwrap_or(now);
    let told = text(headers, &RETRY_AFTER).and_then(|value| match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // More than any number can say.
        Err(_) if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => Some(Duration::MAX),
        Err(_) => validity::http_date(value).map(|until| until.since(sent())),
    });
    let pause = told.or((status == 429).then_some(UNTOLD))?.min(max);
    (!pause.is_zero()).then_some(pause)
}

/// Reads `response` to its end.
pub(super) async fn read(mut response: Response, url: &Url, expected: Expected, max: u64) -> Result<Reply, Failure> {
    let host = authority(url);
    let content_type = text(response.headers(), &CONTENT_TYPE).unwrap_or_default();
    if expected.is_not(content_type) {
        let shown: String = content_type.chars().take(40).collect();
        let message = format!("{host} has answered with {shown:?} in place of {expected:?}: is it the right address?");
        return Err(Failure::new(Reason::Malformed, message));
    }
    let encoding = text(response.headers(), &CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        let message = format!("{host} compresses its answer although it was asked not to");
        return Err(Failure::new(Reason::Malformed, message));
    }
    let too_long = || Failure::new(Reason::TooLarge, format!("the answer of {host} is longer than {max} bytes"));
    if response.content_length().is_some_and(|promised| promised > max) {
        return Err(too_long());
    }
    // A promised length is not room that is made ahead: it may be a lie.
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failed(&host, error))? {
        if (body.len() + piece.len()) as u64 > max {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
    }
    Ok(Reply { url: url.clone(), headers: std::mem::take(response.headers_mut()), body })
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
