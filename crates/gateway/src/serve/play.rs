//! `/play?url=`: a direct link, kept as a blob and streamed from it while it is fetched.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cache_blob::{BlobError, BlobReader, Blobs, HttpClient, HttpOptions, HttpSource};
use cache_core::{Clock, Error, ErrorKind, Key, Result, ttl};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;

use super::naming;
use super::routes::Server;
use crate::config::Config;
use crate::range::{ETag, Piece, Plan, Representation};
use crate::reach::Reach;
use crate::stack::Stack;

/// What has to pass between the checks of a cached link: it is asked about again, and need not be sent again.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What is played comes from strangers: a browser that takes it for a page runs nothing of it.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// What plays links.
#[derive(Debug, Clone)]
pub(super) struct Player {
    blobs: Blobs,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Where it is.
    url: String,
    /// Whether it is to be saved, not shown.
    #[serde(default)]
    download: Option<u8>,
}

impl Player {
    /// Plays through `stack` what `config` lets it reach.
    pub(super) fn new(stack: &Stack, config: &Config) -> Result<Self> {
        let (cache, serve) = (&config.cache, &config.serve);
        let admits = match serve.reach {
            Reach::Public => |address| Reach::Public.admits(address),
            Reach::Anywhere => |_| true,
        };
        let client =
            HttpClient::new(HttpOptions::new().redirects(3).admit(admits).ports(serve.reach_ports.0.iter().cloned()))?;
        let clock = stack.tiers.clock().clone();
        // Until its end it stands in for an origin that cannot be asked.
        let lifetime = ttl(cache.recheck).stale(cache.ttl.or(Duration::MAX).saturating_sub(cache.recheck));
        let blobs = Blobs::builder().backend(stack.tiers.clone()).clock(clock.clone()).lifetime(lifetime).build()?;
        Ok(Self { blobs, client, clock })
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.clock.now().as_millis())
    }

    async fn open(&self, url: &str) -> cache_blob::Result<BlobReader> {
        let source = HttpSource::new(&self.client, url)?;
        // A digest: addresses are long, and some hold secrets.
        let key = Key::of("play").part(blake3::hash(url.as_bytes()).to_hex().as_str()).build()?;
        self.blobs.open(&key, source).await
    }
}

/// `GET` and `HEAD /play?url=`.
pub(super) async fn play(
    State(server): State<Server>,
    method: Method,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Response {
    let answer = answer(&server.player, &method, &headers, &wanted).await;
    let mut response = answer.unwrap_or_else(|error| refusal(&error));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    response
}

async fn answer(
    player: &Player,
    method: &Method,
    headers: &HeaderMap,
    wanted: &Wanted,
) -> cache_blob::Result<Response> {
    let reader = player.open(&wanted.url).await?;
    let name = naming::file_name(&wanted.url);
    let what = Representation {
        len: reader.len(),
        etag: ETag::strong(reader.etag().trim_matches('"')).ok_or_else(no_tag)?,
        modified: None,
        content_type: naming::content_type(reader.content_type(), name.as_deref()),
    };
    let plan = Plan::of(method, headers, &what, player.now());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = plan.status();
    *response.headers_mut() = plan.headers(&what);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    if let Some(disposition) = naming::disposition(name.as_deref(), wanted.download.is_some_and(|flag| flag > 0)) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    let pieces = plan.pieces(&what);
    if !pieces.is_empty() {
        *response.body_mut() = Body::from_stream(body(reader, pieces));
    }
    Ok(response)
}

/// The bytes of `pieces`, each as it arrives. An error ends the connection: a player notices, and asks for the rest.
fn body(reader: BlobReader, pieces: Vec<Piece>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::iter(pieces).flat_map(move |piece| match piece {
        Piece::Text(text) => stream::iter([Ok(text)]).boxed(),
        Piece::Span(span) => reader.read_range(span).map(|piece| piece.map_err(io::Error::from)).boxed(),
        Piece::All => reader.read_range(..).map(|piece| piece.map_err(io::Error::from)).boxed(),
    })
}

fn no_tag() -> BlobError {
    Error::new(ErrorKind::Internal, "a blob has a tag that is none").into()
}

/// Says why there is nothing to play, without the address.
fn refusal(error: &BlobError) -> Response {
    let status = match error.kind() {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Load => StatusCode::BAD_GATEWAY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    tracing::info!(%error, "a link is not played");
    (status, format!("{error}\n")).into_response()
}
