//! `HttpSource`: a blob that an HTTP origin serves.

mod answer;
mod client;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Error, ErrorKind};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout};

pub use client::{HttpClient, HttpOptions};

use super::{ByteStream, Description, Source, Version, is_strong};
use crate::{BlobError, Result};
use answer::{Answer, Body};

/// How often a refused link is refreshed for one request.
const REFRESHES: u32 = 2;
/// How long the answer that described the blob stays open for the first fetch.
const PARKED: Duration = Duration::from_secs(5);

/// Finds a link anew that an origin refuses: most links of the sites that people watch end after some hours.
#[async_trait]
pub trait LinkRefresh: Send + Sync + 'static {
    /// A link to the same blob, after the origin has refused the one before with 401, 403, 404 or 410.
    ///
    /// It runs once for everybody who uses the source. The blob behind the new link has to be the same version.
    async fn refresh(&self, refused: &str) -> cache_core::Result<FreshLink>;
}

/// What takes the place of a link that is refused. Its `Debug` shows neither address nor headers.
#[derive(Clone)]
pub struct FreshLink {
    url: String,
    headers: Option<Vec<(String, String)>>,
}

impl FreshLink {
    /// `url`, to which the headers are sent that the link before was asked with.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), headers: None }
    }

    /// Sets the headers that are sent instead of those: what was for the link before is not for this one.
    #[must_use]
    pub fn with_headers(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.headers = Some(headers.into_iter().collect());
        self
    }
}

impl fmt::Debug for FreshLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshLink").finish_non_exhaustive()
    }
}

/// A blob that an HTTP origin serves; clones share the link.
///
/// The version is the `ETag`, or else the `Last-Modified`, of the origin. Each fetch asks for the range that is missing
/// with `If-Range`, and what comes is checked: its range, its length, its version. An answer that does not name the
/// version is one of another, and no byte behind the range that an answer names is taken. An origin that answers a range
/// with everything is skipped through; compressed answers are refused. Neither link nor headers are shown in errors and
/// logs.
///
/// ```no_run
/// # async fn example(blobs: cache_blob::Blobs) -> cache_blob::Result<()> {
/// use cache_blob::{HttpClient, HttpOptions, HttpSource};
///
/// let client = HttpClient::new(HttpOptions::new())?;
/// let source = HttpSource::new(&client, "https://example.org/film.mkv")?.header("referer", "https://example.org/")?;
/// let film = blobs.open(&cache_core::Key::of("film").part(42).build()?, source).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpSource {
    client: HttpClient,
    origin: Arc<str>,
    headers: HeaderMap,
    sha256: Option<[u8; 32]>,
    refresh: Option<Arc<dyn LinkRefresh>>,
    shared: Arc<Shared>,
}

struct Shared {
    link: Mutex<Link>,
    /// Held by whoever refreshes the link.
    refreshing: tokio::sync::Mutex<()>,
    /// The answer that described the blob, from its first byte on.
    parked: Mutex<Option<(Instant, Body)>>,
}

#[derive(Clone)]
struct Link {
    url: Url,
    /// Those of a link that came with its own.
    headers: Option<HeaderMap>,
    /// Counts refreshes.
    generation: u64,
}

impl HttpSource {
    /// The blob at `url`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when that is no `http` or `https` address, or one with a user name or a password in it:
    /// those belong in a [header](Self::header).
    pub fn new(client: &HttpClient, url: &str) -> cache_core::Result<Self> {
        let url = parse(url)?;
        let port = url.port_or_known_default().unwrap_or(0);
        let origin = format!("{}:{port}", url.host_str().unwrap_or_default()).into();
        let shared = Shared {
            link: Mutex::new(Link { url, headers: None, generation: 0 }),
            refreshing: tokio::sync::Mutex::default(),
            parked: Mutex::default(),
        };
        let headers = HeaderMap::new();
        Ok(Self { client: client.clone(), origin, headers, sha256: None, refresh: None, shared: Arc::new(shared) })
    }

    /// Sends a header with every request; it goes along with redirects to other hosts, unless it is one for
    /// authentication.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is no header.
    pub fn header(mut self, name: &str, value: &str) -> cache_core::Result<Self> {
        insert(&mut self.headers, name, value)?;
        Ok(self)
    }

    /// Says what the SHA-256 of the whole blob is. Otherwise it is that which the origin tells (`Repr-Digest`, `Digest`), if
    /// any.
    #[must_use]
    pub fn sha256(mut self, digest: [u8; 32]) -> Self {
        self.sha256 = Some(digest);
        self
    }

    /// Asks `refresh` for another link when the origin refuses this one.
    #[must_use]
    pub fn refreshed_by(mut self, refresh: impl LinkRefresh) -> Self {
        self.refresh = Some(Arc::new(refresh));
        self
    }

    /// Asks for the bytes from `offset` on; an answer that is not a refusal.
    async fn ask(&self, offset: u64, validator: Option<&str>) -> Result<Response> {
        let mut refreshes = 0;
        loop {
            let link = self.shared.link.lock().clone();
            let mut request = self.client.get(link.url.clone())?;
            request = request.headers(link.headers.as_ref().unwrap_or(&self.headers).clone());
            request = request.header(ACCEPT_ENCODING, "identity").header(RANGE, format!("bytes={offset}-"));
            if let Some(validator) = validator.filter(|validator| offset > 0 && is_strong(validator)) {
                request = request.header(IF_RANGE, validator);
            }
            let response = request.send().await.map_err(client::failed)?;
            let is_refused = matches!(response.status().as_u16(), 401 | 403 | 404 | 410);
            if !is_refused || self.refresh.is_none() || refreshes == REFRESHES {
                return Ok(response);
            }
            refreshes += 1;
            drop(response);
            self.refresh(&link).await?;
        }
    }

    /// Replaces a refused link, unless somebody else has done so meanwhile.
    async fn refresh(&self, refused: &Link) -> Result<()> {
        let Some(refresh) = &self.refresh else { return Ok(()) };
        let _turn = self.shared.refreshing.lock().await;
        if self.shared.link.lock().generation != refused.generation {
            return Ok(());
        }
        let fresh = refresh.refresh(refused.url.as_str()).await?;
        let (url, mut headers) = (parse(&fresh.url)?, refused.headers.clone());
        if let Some(own) = &fresh.headers {
            let mut map = HeaderMap::new();
            own.iter().try_for_each(|(name, value)| insert(&mut map, name, value))?;
            headers = Some(map);
        }
        *self.shared.link.lock() = Link { url, headers, generation: refused.generation + 1 };
        Ok(())
    }

    /// Keeps an answer open for a moment: the first fetch mostly wants just that.
    fn park(&self, body: Body) {
        *self.shared.parked.lock() = Some((Instant::now(), body));
        let shared = Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            drop(timeout(PARKED, std::future::pending::<()>()).await);
            if let Some(shared) = shared.upgrade() {
                shared.parked.lock().take_if(|(since, _)| since.elapsed() >= PARKED);
            }
        });
    }

    fn parked(&self, version: &Version) -> Option<Body> {
        let (_, body) = self.shared.parked.lock().take()?;
        body.belongs_to(version).is_ok().then_some(body)
    }

    /// The bytes of `body` from `offset` on, and what follows it: the end of a part is that of the blob only where the
    /// origin has nothing more.
    fn followed(&self, body: Body, offset: u64, version: &Version) -> ByteStream {
        let Some(end) = body.open_end() else { return body.stream(offset) };
        let (this, version) = (self.clone(), version.clone());
        let more = stream::once(async move { this.fetch(end, &version).await }).try_flatten();
        body.stream(offset).chain(more).boxed()
    }
}

#[async_trait]
impl Source for HttpSource {
    fn origin(&self) -> Arc<str> {
        self.origin.clone()
    }

    async fn describe(&self) -> Result<Description> {
        match Answer::of(self.ask(0, None).await?)? {
            Answer::Bytes(body) => {
                body.begins_by(0)?;
                let mut description = body.describe();
                description.sha256 = self.sha256.or(description.sha256);
                self.park(body);
                Ok(description)
            }
            Answer::End(None | Some(0)) => Ok(Description::new().len(0)),
            Answer::End(Some(_)) => Err(BlobError::lasting("the origin has bytes, and says that none is the first")),
        }
    }

    async fn fetch(&self, offset: u64, version: &Version) -> Result<ByteStream> {
        let parked = if offset == 0 { self.parked(version) } else { None };
        if let Some(body) = parked {
            return Ok(self.followed(body, 0, version));
        }
        match Answer::of(self.ask(offset, version.validator.as_deref()).await?)? {
            Answer::Bytes(body) => {
                body.belongs_to(version)?;
                body.begins_by(offset)?;
                Ok(self.followed(body, offset, version))
            }
            Answer::End(len) if len.is_none_or(|len| len == offset) && version.len.is_none_or(|len| len == offset) => {
                Ok(stream::empty::<Result<Bytes>>().boxed())
            }
            Answer::End(_) => Err(BlobError::changed("the origin ends before the range that is missing")),
        }
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> cache_core::Result<()> {
    let invalid = || Error::new(ErrorKind::Invalid, format!("{name:?} or its value is no HTTP header"));
    let name = HeaderName::try_from(name).map_err(|_| invalid())?;
    let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn parse(url: &str) -> cache_core::Result<Url> {
    let invalid = |why: &str| Error::new(ErrorKind::Invalid, format!("the address of a blob is {why}"));
    let url = Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(invalid("neither http nor https"));
    }
    if client::has_login(&url) {
        return Err(invalid("one with a user name or a password: give them as a header"));
    }
    Ok(url)
}
