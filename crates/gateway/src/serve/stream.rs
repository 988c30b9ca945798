//! `/play/TYPE/ID/INDEX`: one stream of a title, and playlists of all of them.

#![expect(unused_qualifications, reason = "utoipa writes parameters out in full")]

use std::fmt::Write;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use cache_blob::BlobError;
use providers::{Failure, Link, Reason};
use serde::Deserialize;
use utoipa::IntoParams;

use super::play::{Request, played, sandboxed};
use super::problem::Problem;
use super::routes::Server;
use crate::media::{Choice, Place, StreamSource, Streams, Title, Wanted, Way};
use crate::naming;

/// How it is to be played.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Manner {
    /// Whether it is to be saved, not shown.
    #[serde(default)]
    download: Option<u8>,
}

/// `GET` and `HEAD /play/TYPE/ID/INDEX[/SEASON/EPISODE]`, and playlists.
#[utoipa::path(
    get,
    path = "/play/{type}/{id}/{index}",
    tag = "play",
    params(("type" = String, Path, description = "movie or series"), ("id" = String, Path, description = "As an add-on names it"), ("index" = String, Path, description = "The number of the stream, or a name that ends in .m3u"), Manner),
    responses((status = 200, description = "The film", body = [u8], content_type = "*/*"), (status = 206, description = "The part that was asked for", body = [u8], content_type = "*/*"), (status = 302, description = "Where it is"), Problem)
)]
pub(super) async fn play_title(
    State(server): State<Server>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    manner: Result<Query<Manner>, QueryRejection>,
) -> Response {
    let answer = async {
        let Manner { download } = manner?.0;
        let path = uri.path().strip_prefix("/play/").unwrap_or_default();
        let request = Request { method: &method, headers: &headers, download: download.is_some_and(|flag| flag > 0) };
        match Wanted::parse(path).map_err(Problem::bad_request)? {
            Wanted::Stream(title, index) => play(&server, &Place::Title(title), index, &request).await,
            Wanted::Playlist(title) => {
                let streams = server.media.streams(&title).await?;
                playlist(&server, &title, &streams, &headers)
            }
        }
    };
    sandboxed(answer.await)
}

/// Plays the stream `index` of `place`.
pub(super) async fn play(
    server: &Server,
    place: &Place,
    index: usize,
    request: &Request<'_>,
) -> Result<Response, Problem> {
    let media = &server.media;
    let choice = media.choice(place, index).await?;
    let gone = match answer(server, place, &choice, request).await {
        Err(error) if is_gone(&error) => error,
        answered => return Ok(answered?),
    };
    // What has taken the place of a stream may have to be played another way.
    let anew = media.choice_anew(place, index).await?;
    if anew == choice { Err(gone.into()) } else { Ok(answer(server, place, &anew, request).await?) }
}

/// Answers with `choice`, in its way.
async fn answer(server: &Server, place: &Place, choice: &Choice, request: &Request<'_>) -> Result<Response, BlobError> {
    let media = &server.media;
    match choice.way {
        Way::Redirect => return redirect(&media.link(place, choice).await?),
        Way::Torrent => _ = media.torrents()?,
        Way::Proxy => {}
    }
    let source = StreamSource::new(media, place, choice, server.player.client());
    let response = server.player.show(&choice.key()?, source, Some(&choice.name), request).await?;
    Ok(played(response, choice.way))
}

fn redirect(link: &Link) -> Result<Response, BlobError> {
    let location = HeaderValue::try_from(link.url.as_str());
    let location = location.map_err(|_| BlobError::lasting("the link is none that a header holds"))?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// Whether the links have gone that a stream was chosen among.
fn is_gone(error: &BlobError) -> bool {
    let failure = if let BlobError::Failed(error) = error { Failure::of(error) } else { None };
    failure.is_some_and(|failure| failure.reason() == Reason::NotFound)
}

/// A playlist of `streams` as this server plays them: at its public address, or else by the name that it was asked by; with a
/// ticket for each where a token is needed, since players send none.
fn playlist(server: &Server, title: &Title, streams: &Streams, headers: &HeaderMap) -> Result<Response, Problem> {
    if streams.links.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "no add-on has a stream of it"));
    }
    let serve = &server.effective.config.serve;
    let asked = || headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let here = serve.public_url.as_ref().map_or_else(|| format!("http://{}", asked()), ToString::to_string);
    let mut text = String::from("#EXTM3U\n");
    for (index, link) in streams.links.iter().enumerate() {
        let label: String = link.quality.label.chars().filter(|c| !c.is_control()).collect();
        let path = title.path(index);
        let ticket = if serve.is_for_others() { server.tickets.issue_listed(&path) } else { None };
        // Writing into a String does not fail.
        _ = write!(text, "#EXTINF:-1,{title} {label}\n{here}{}\n", ticket.unwrap_or(path));
    }
    let name = format!("{title}.m3u");
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/x-mpegurl"));
    if let Some(disposition) = naming::disposition(Some(&name), false) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
