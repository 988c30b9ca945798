//! `/play?url=`: a direct link, kept as a blob and streamed from it while it is fetched.

#![expect(unused_qualifications, reason = "utoipa writes parameters out in full")]

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::Method;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_blob::{BlobActivity, BlobError, BlobReader, Blobs, HttpClient, HttpOptions, HttpSource, Source};
use cache_core::{Clock, Error, ErrorKind, Key};
use futures_util::stream::{Stream, StreamExt, iter};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use super::recent::Recent;
use super::routes::Server;
use super::{stream, videos};
use crate::config::Config;
use crate::media::{self, Place, TorrentSource, Way};
use crate::naming;
use crate::range::{ETag, Piece, Plan, Representation};
use crate::reach::Reach;
use crate::stack::Stack;

/// What has to pass between the checks of a cached link: it is asked about again, and need not be sent again.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What is played comes from strangers: a browser that takes it for a page runs nothing of it.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// In which way something is played; the dashboard shows it.
const WAY: HeaderName = HeaderName::from_static("reelcache-way");

/// How long it may take to find out about what is played, and how much longer than for a torrent, which says so itself.
const DESCRIBE_LIMIT: Duration = Duration::from_secs(30);
const SPARE: Duration = Duration::from_secs(5);

/// What plays links.
#[derive(Debug, Clone)]
pub(super) struct Player {
    blobs: Blobs,
    client: HttpClient,
    clock: Arc<dyn Clock>,
    recent: Recent,
}

/// How something is asked for.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    /// Whether it is to be saved, not shown.
    pub(super) download: bool,
}

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Where it is.
    url: Option<String>,
    /// Who knows where it is,
    provider: Option<String>,
    /// on this page,
    page: Option<String>,
    /// which of its streams.
    index: Option<usize>,
    /// Whether it is to be saved, not shown.
    #[serde(default)]
    download: Option<u8>,
}

impl Player {
    /// Plays through `stack` what `config` lets it reach.
    pub(super) fn new(stack: &Stack, config: &Config) -> cache_core::Result<Self> {
        let serve = &config.serve;
        let admits = match serve.reach {
            Reach::Public => |address| Reach::Public.admits(address),
            Reach::Anywhere => |_| true,
        };
        let client =
            HttpClient::new(HttpOptions::new().redirects(3).admit(admits).ports(serve.reach_ports.0.iter().cloned()))?;
        let clock = stack.tiers.clock().clone();
        let blobs = Blobs::builder().backend(stack.tiers.clone()).clock(clock.clone());
        let limit = DESCRIBE_LIMIT.max(config.torrents.patience).saturating_add(SPARE);
        let blobs = blobs.lifetime(media::played(config)).describe_limit(limit).build()?;
        let recent = Recent::new(clock.clone());
        Ok(Self { blobs, client, clock, recent })
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().as_millis())
    }

    async fn play(&self, url: &str, request: &Request<'_>) -> Result<Response, Problem> {
        let source = HttpSource::new(&self.client, url)?;
        // A digest: addresses are long, and some hold secrets.
        let key = Key::of("play").part(blake3::hash(url.as_bytes()).to_hex().as_str()).build()?;
        Ok(self.show(&key, source, naming::file_name(url).as_deref(), request).await?)
    }

    /// What is read and fetched of films at this moment.
    pub(super) fn activity(&self) -> Vec<BlobActivity> {
        self.blobs.activity()
    }

    /// What was asked of it, and what happened meanwhile.
    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// What fetches links.
    pub(super) fn client(&self) -> &HttpClient {
        &self.client
    }

    /// Answers `request` with the blob of `key`, whose file is called `name`.
    ///
    /// # Errors
    /// As [`Blobs::open`].
    pub(super) async fn show(
        &self,
        key: &Key,
        source: impl Source,
        name: Option<&str>,
        request: &Request<'_>,
    ) -> Result<Response, BlobError> {
        self.recent.asked_for(key);
        let reader = self.blobs.open(key, source).await?;
        let what = Representation {
            len: reader.len(),
            etag: ETag::strong(reader.etag().trim_matches('"')).ok_or_else(no_tag)?,
            modified: None,
            content_type: naming::content_type(reader.content_type(), name),
        };
        let plan = Plan::of(request.method, request.headers, &what, self.now());
        let mut response = Response::new(Body::empty());
        *response.status_mut() = plan.status();
        *response.headers_mut() = plan.headers(&what);
        response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
        if let Some(disposition) = naming::disposition(name, request.download) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
        }
        let pieces = plan.pieces(&what);
        if !pieces.is_empty() {
            *response.body_mut() = Body::from_stream(body(reader, pieces));
        }
        Ok(response)
    }
}

/// `GET` and `HEAD /play?url=` and `/play?provider=&page=&index=`.
#[utoipa::path(
    get,
    path = "/play",
    tag = "play",
    params(Wanted),
    responses((status = 200, description = "The film", body = [u8], content_type = "*/*"), (status = 206, description = "The part that was asked for", body = [u8], content_type = "*/*"), (status = 302, description = "Where it is"), Problem)
)]
pub(super) async fn play(
    State(server): State<Server>,
    method: Method,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let answer = async {
        let Wanted { url, provider, page, index, download } = wanted?.0;
        let request = Request { method: &method, headers: &headers, download: download.is_some_and(|flag| flag > 0) };
        match (url, provider, page, index) {
            (Some(url), None, None, None) => link(&server, &url, &request).await,
            (None, Some(provider), Some(page), Some(index)) => {
                let place = Place::Page { request: videos::request(&page, None)?, provider };
                stream::play(&server, &place, index, &request).await
            }
            _ => Err(Problem::bad_request(
                "give the url of a link; or a provider, the page of one and the index of a stream",
            )),
        }
    };
    sandboxed(answer.await)
}

/// Plays what is behind `url`.
async fn link(server: &Server, url: &str, request: &Request<'_>) -> Result<Response, Problem> {
    let player = &server.player;
    match TorrentSource::of(url, &server.media, player.client())? {
        Some((key, source)) => {
            server.media.torrents()?;
            Ok(played(player.show(&key, source, media::display_name(url).as_deref(), request).await?, Way::Torrent))
        }
        None => Ok(played(player.play(url, request).await?, Way::Proxy)),
    }
}

/// `response`, which says in which way it is played.
pub(super) fn played(mut response: Response, way: Way) -> Response {
    response.headers_mut().insert(WAY, HeaderValue::from_static(way.name()));
    response
}

/// `answer` with the header that keeps a browser from running it.
pub(super) fn sandboxed(answer: Result<Response, Problem>) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    response
}

/// The bytes of `pieces`, each as it arrives. An error ends the connection: a player notices, and asks for the rest.
fn body(reader: BlobReader, pieces: Vec<Piece>) -> impl Stream<Item = io::Result<Bytes>> {
    iter(pieces).flat_map(move |piece| match piece {
        Piece::Text(text) => iter([Ok(text)]).boxed(),
        Piece::Span(span) => reader.read_range(span).map(|piece| piece.map_err(io::Error::from)).boxed(),
        Piece::All => reader.read_range(..).map(|piece| piece.map_err(io::Error::from)).boxed(),
    })
}

fn no_tag() -> BlobError {
    Error::new(ErrorKind::Internal, "a blob has a tag that is none").into()
}
