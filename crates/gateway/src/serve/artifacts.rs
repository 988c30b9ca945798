//! `/api/process` and `/api/artifacts`: artifacts of videos, made and read.

mod told;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, Path, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache_core::ErrorKind;
use pipeline::{Artifact, Coverage, Embeddings, Fingerprint, Keyframes, Selection, Source, Stage, Transcript};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::problem::Problem;
use super::routes::Server;
use crate::jobs::JobReport;
use crate::kinds::{ArtifactKind, Kinds};
use crate::processing::{Processing, Refused, Wanted};
use crate::stages::Embeds;
use crate::subtitles;
use told::{json_of, told};

type Answer<T> = Result<T, Problem>;
/// The name of a video in addresses.
type Name = Path<String>;

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A file of this machine,
    path: Option<String>,
    /// or a link.
    url: Option<String>,
    /// Unless these, the kinds that are configured.
    kinds: Option<Vec<ArtifactKind>>,
}

/// Pictures show what strangers filmed: a browser that takes one for a page runs nothing of it.
const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");
/// What is under a fingerprint may be made otherwise one day, and is another then.
const CHECKED: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What is read.
pub(super) fn reads() -> Router<Server> {
    Router::new()
        .route("/api/artifacts/{fingerprint}", get(survey))
        .route("/api/artifacts/{fingerprint}/keyframes", get(keyframes))
        .route("/api/artifacts/{fingerprint}/frames/{frame}", get(frame))
        .route("/api/artifacts/{fingerprint}/transcript", get(transcript))
        .route("/api/artifacts/{fingerprint}/transcript.vtt", get(vtt))
        .route("/api/artifacts/{fingerprint}/transcript.srt", get(srt))
        .route("/api/artifacts/{fingerprint}/descriptions", get(descriptions))
        .route("/api/artifacts/{fingerprint}/embeddings", get(embeddings))
}

/// `POST /api/process {"path"|"url", "kinds"}`: a job that makes artifacts.
#[utoipa::path(
    post,
    path = "/api/process",
    tag = "artifacts",
    request_body = Asked,
    responses(
        (status = 202, description = "A job that runs when its turn has come; Location names it", body = JobReport),
        (status = 400, description = "What is asked for makes no sense"),
        (status = 401, description = "A token is needed"),
        (status = 403, description = "The file is in none of the folders of `pipeline.roots`, or the token only reads"),
        (status = 404, description = "There is no such file"),
        (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is no JSON"),
        (status = 422, description = "The body is not what is asked for"),
        (status = 429, description = "Enough videos wait already, or too many requests are under way"),
    )
)]
pub(super) async fn process(
    State(server): State<Server>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Answer<Response> {
    let Json(asked) = asked?;
    let wanted = match (asked.path, asked.url) {
        (Some(path), None) => Wanted::Path(path.into()),
        (None, Some(url)) => Wanted::Url(url),
        _ => return Err(Problem::bad_request("name either a path or a url")),
    };
    let none = || Problem::bad_request("kinds is empty: leave it out for those that are configured");
    let kinds = asked.kinds.map(|kinds| Kinds::of(kinds).ok_or_else(none)).transpose()?;
    let job = processing(&server)?.submit(&server.jobs, wanted, kinds).await?;
    let place = HeaderValue::try_from(format!("/api/jobs/{}", job.id)).map_err(|_| no_name())?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(job)).into_response())
}

/// `GET /api/artifacts/{fingerprint}`: what is there of each kind.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video")),
    responses(
        (status = 200, description = "What is there of each kind", body = serde_json::Value),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn survey(State(server): State<Server>, Path(name): Name) -> Answer<Json<Value>> {
    let (processing, source) = (processing(&server)?, named(&name)?);
    let (mut told, mut is_known) = (Vec::new(), false);
    for kind in ArtifactKind::ALL {
        let Some(coverage) = coverage(processing, &source, kind).await? else { continue };
        is_known |= !coverage.is_nothing();
        told.push(json!({
            "kind": kind.name(),
            "complete": coverage.complete,
            "present": coverage.present.len(),
            "partial": coverage.partial.len(),
            "segments": coverage.segments,
        }));
    }
    if !is_known {
        return Err(absent("artifact"));
    }
    Ok(Json(json!({ "fingerprint": name, "artifacts": told })))
}

/// `GET .../keyframes`: the list of the frames, each with the address of its picture.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}/keyframes",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video")),
    responses(
        (status = 200, description = "The frames, each with the address of its picture", body = serde_json::Value),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn keyframes(State(server): State<Server>, Path(name): Name) -> Answer<Response> {
    let found = keyframes_of(&server, &name).await?;
    let tell = move || {
        let frames = found.value().frames.iter().enumerate().map(|(at, frame)| {
            let picture = found.info(frame.picture);
            json!({
                "seconds": frame.pts_us as f64 / 1e6,
                "width": frame.width,
                "height": frame.height,
                "bytes": picture.map(|picture| picture.len),
                "blake3": picture.map(|picture| picture.digest.to_string()),
                "href": format!("/api/artifacts/{name}/frames/{at}.jpg"),
            })
        });
        let frames: Vec<Value> = frames.collect();
        Ok(json!({ "fingerprint": name, "complete": found.coverage().complete, "frames": frames }).to_string())
    };
    told("application/json", tell).await
}

/// `GET .../frames/{n}.jpg`: one picture.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}/frames/{frame}",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video"), ("frame" = String, Path, description = "Its number, such as 0.jpg")),
    responses(
        (status = 200, description = "One picture", body = Vec<u8>, content_type = "image/jpeg"),
        (status = 304, description = "It is the one that is known"),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn frame(
    State(server): State<Server>,
    Path((name, frame)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let number = frame.strip_suffix(".jpg").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|digits| digits.parse::<usize>().ok()).ok_or_else(|| absent("frame"))?;
    let found = keyframes_of(&server, &name).await?;
    let picture = found.value().frames.get(number).ok_or_else(|| absent("frame"))?.picture;
    let info = found.info(picture).ok_or_else(|| absent("frame"))?;
    let tag = HeaderValue::try_from(format!("\"{}\"", info.digest)).map_err(|_| no_name())?;
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // A proxy that compresses makes it a weak one, which does as well here.
    let known = known.flat_map(|tags| tags.split(',')).map(|known| known.trim().trim_start_matches("W/"));
    let is_known = known.into_iter().any(|known| known == "*" || tag == known);
    let about = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, CHECKED),
        (HeaderName::from_static("content-security-policy"), SANDBOX),
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
    ];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    match found.bodies(&[picture]).await {
        Ok(bodies) => Ok((about, bodies.into_iter().next().unwrap_or_default()).into_response()),
        Err(error) if error.kind() == ErrorKind::Corrupt => Err(absent("frame")),
        Err(error) => Err(error.into()),
    }
}

/// `GET .../transcript`.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}/transcript",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video")),
    responses(
        (status = 200, description = "What is said, and when", body = serde_json::Value),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn transcript(State(server): State<Server>, Path(name): Name) -> Answer<Response> {
    let found = transcript_of(&server, &name).await?;
    told("application/json", move || json_of(&*found)).await
}

/// `GET .../transcript.vtt`.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}/transcript.vtt",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video")),
    responses(
        (status = 200, description = "The same as WebVTT", body = String, content_type = "text/vtt"),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn vtt(State(server): State<Server>, Path(name): Name) -> Answer<Response> {
    let found = transcript_of(&server, &name).await?;
    told("text/vtt; charset=utf-8", move || Ok(subtitles::vtt(&found))).await
}

/// `GET .../transcript.srt`.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}/transcript.srt",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video")),
    responses(
        (status = 200, description = "The same as SubRip", body = String, content_type = "application/x-subrip"),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn srt(State(server): State<Server>, Path(name): Name) -> Answer<Response> {
    let found = transcript_of(&server, &name).await?;
    told("application/x-subrip; charset=utf-8", move || Ok(subtitles::srt(&found))).await
}

/// `GET .../descriptions`.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}/descriptions",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video")),
    responses(
        (status = 200, description = "What is seen in frames", body = serde_json::Value),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn descriptions(State(server): State<Server>, Path(name): Name) -> Answer<Response> {
    let processing = processing(&server)?;
    let stage = processing.stages().descriptions.as_ref().ok_or_else(|| unset("describer"))?;
    let found = found(processing, &name, stage, ArtifactKind::Descriptions).await?;
    told("application/json", move || json_of(&**found.value())).await
}

/// `GET .../embeddings`: passages with their vectors.
#[utoipa::path(
    get,
    path = "/api/artifacts/{fingerprint}/embeddings",
    tag = "artifacts",
    params(("fingerprint" = String, Path, description = "The fingerprint of the video")),
    responses(
        (status = 200, description = "Passages with their vectors", body = serde_json::Value),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It was never made, or has gone"),
        (status = 429, description = "Too many are read at a time, or too many tokens were wrong"),
    )
)]
pub(super) async fn embeddings(State(server): State<Server>, Path(name): Name) -> Answer<Response> {
    let processing = processing(&server)?;
    let kind = ArtifactKind::Embeddings;
    let found = match processing.stages().embeddings.as_ref().ok_or_else(|| unset("embedder"))? {
        Embeds::Said(stage) => found(processing, &name, stage, kind).await?,
        Embeds::Seen(stage) => found(processing, &name, stage, kind).await?,
    };
    let vectors = match Embeddings::vectors(&found).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => return Err(absent("embedding")),
        vectors => vectors?,
    };
    let tell = move || {
        let passages = found.value().passages.iter().zip(vectors).map(|(passage, vector)| {
            json!({
                "start_seconds": passage.start_us as f64 / 1e6,
                "end_seconds": passage.end_us as f64 / 1e6,
                "vector": vector,
            })
        });
        Ok(json!({ "dimensions": found.value().dimensions, "passages": passages.collect::<Vec<_>>() }).to_string())
    };
    told("application/json", tell).await
}

async fn keyframes_of(server: &Server, name: &str) -> Answer<Artifact<Keyframes>> {
    let processing = processing(server)?;
    found(processing, name, &processing.stages().keyframes, ArtifactKind::Keyframes).await
}

async fn transcript_of(server: &Server, name: &str) -> Answer<Arc<Transcript>> {
    let processing = processing(server)?;
    let stage = processing.stages().transcript.as_ref().ok_or_else(|| unset("transcriber"))?;
    Ok(found(processing, name, stage, ArtifactKind::Transcript).await?.value().clone())
}

/// What is there of `kind`; computes nothing.
async fn found<S: Stage>(
    processing: &Processing,
    name: &str,
    stage: &Arc<S>,
    kind: ArtifactKind,
) -> Answer<Artifact<S::Kind>> {
    let selection: Selection = processing.stages().selection(kind);
    let found = processing.artifacts().get(&named(name)?, stage, &selection).await?;
    found.ok_or_else(|| absent(kind.name()))
}

/// What of `kind` is there; `None` when nothing makes it.
async fn coverage(processing: &Processing, source: &Source, kind: ArtifactKind) -> Answer<Option<Coverage>> {
    let (artifacts, stages, selection) =
        (processing.artifacts(), processing.stages(), processing.stages().selection(kind));
    Ok(match kind {
        ArtifactKind::Keyframes => Some(artifacts.coverage(source, &stages.keyframes, &selection).await?),
        ArtifactKind::Transcript => match &stages.transcript {
            Some(stage) => Some(artifacts.coverage(source, stage, &selection).await?),
            None => None,
        },
        ArtifactKind::Descriptions => match &stages.descriptions {
            Some(stage) => Some(artifacts.coverage(source, stage, &selection).await?),
            None => None,
        },
        ArtifactKind::Embeddings => match &stages.embeddings {
            Some(Embeds::Said(stage)) => Some(artifacts.coverage(source, stage, &selection).await?),
            Some(Embeds::Seen(stage)) => Some(artifacts.coverage(source, stage, &selection).await?),
            None => None,
        },
    })
}

fn named(name: &str) -> Answer<Source> {
    let fingerprint: Fingerprint = name.parse().map_err(|_| absent("video"))?;
    Ok(fingerprint.into())
}

fn processing(server: &Server) -> Answer<&Processing> {
    let off = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this server has no artifacts");
    server.processing.as_ref().ok_or_else(off)
}

fn absent(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no such {what}: it was never made, or has gone"))
}

fn unset(setting: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("nothing makes this here: pipeline.{setting} is not set"))
}

fn no_name() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a name fits into no header")
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong(error) => error.into(),
            Refused::Forbidden(why) => Self::new(StatusCode::FORBIDDEN, why),
            Refused::Absent(why) => Self::new(StatusCode::NOT_FOUND, why),
            Refused::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, "enough videos wait already: ask again later"),
        }
    }
}
