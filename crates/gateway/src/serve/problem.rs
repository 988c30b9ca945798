//! `Problem`: why a request has no answer, in one shape for all (RFC 9457).

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use cache_blob::BlobError;
use cache_core::{Error, ErrorKind};
use futures_util::FutureExt;
use providers::{Failure, Reason, UnknownProvider};
use serde::Serialize;
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::metrics;
use crate::media::NoTorrents;

/// The pause that is named where the other side names none.
const PAUSE: Duration = Duration::from_secs(5);

/// Why a request has no answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Problem {
    title: &'static str,
    pub(super) status: u16,
    /// What happened and what to do about it, without secrets.
    pub(super) detail: String,
    /// The providers that there are, where another was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    providers: Vec<String>,
    /// Seconds after which to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            providers: Vec::new(),
            // Turns come and go in moments.
            retry_after: (status == StatusCode::TOO_MANY_REQUESTS).then_some(1),
        }
    }

    /// As it is, but to be asked again after `pause`.
    pub(super) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause.as_secs().max(1)), ..self }
    }

    /// The request is wrong.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// As `error` and what is behind it say.
    fn of(error: &(dyn StdError + 'static), kind: ErrorKind) -> Self {
        let detail = error.to_string();
        if let Some(unknown) = behind::<UnknownProvider>(error) {
            let problem = Self::new(StatusCode::NOT_FOUND, unknown.to_string());
            return Self { providers: unknown.known.clone(), ..problem };
        }
        if let Some(none) = behind::<NoTorrents>(error) {
            return Self::new(StatusCode::NOT_IMPLEMENTED, none.to_string());
        }
        let failure = behind::<Failure>(error);
        let status = failure.map_or_else(|| status_of_kind(kind), status_of);
        let pause = failure.and_then(Failure::retry_after).or((status == 503).then_some(PAUSE));
        let detail = failure.map_or(detail, Failure::to_string);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = pause.map(|pause| pause.as_secs().max(1));
        Self { retry_after, ..Self::new(status, detail) }
    }
}

/// As the description of the interface says it of every request.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let one = |description| {
            let response = ResponseBuilder::new().description(description);
            RefOr::T(response.content("application/problem+json", content.clone()).build())
        };
        let wrong = "The request is wrong, or is not allowed, or comes too often: the body says what, and what to do";
        let failed = "What it needs has failed, or is not there yet: the body says what";
        [("4XX", wrong), ("5XX", failed)].map(|(status, told)| (status.to_owned(), one(told))).into()
    }
}

/// What a response that is a problem says, for those that it passes.
#[derive(Debug, Clone)]
pub(super) struct Detail(pub(super) String);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::of(&error, error.kind())
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        Self::of(&error, error.kind())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        tracing::info!(status = self.status, detail = self.detail, "a request has no answer");
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (retry_after, detail) = (self.retry_after, Detail(self.detail.clone()));
        let mut response = (status, Json(self)).into_response();
        response.extensions_mut().insert(detail);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"reelcache\""));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What a handler answers, also when it panics: one request fails, and nothing else.
pub(super) async fn contained(answer: impl Future<Output = Response>) -> Response {
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    answered.unwrap_or_else(|_| {
        metrics::count_panic();
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed at this: its log says where").into_response()
    })
}

fn status_of(failure: &Failure) -> u16 {
    match failure.reason() {
        Reason::Unsupported => 422,
        Reason::NotFound => 404,
        Reason::RateLimited => 503,
        Reason::Unavailable if failure.retry_after().is_some() => 503,
        Reason::Timeout => 504,
        _ => 502,
    }
}

fn status_of_kind(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Invalid => 400,
        ErrorKind::Timeout => 504,
        ErrorKind::Load => 502,
        ErrorKind::Unavailable | ErrorKind::BreakerOpen | ErrorKind::Closed => 503,
        _ => 500,
    }
}

/// The first `E` behind `error`, however deep.
fn behind<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut causes = std::iter::successors(Some(error), |cause: &&(dyn StdError + 'static)| (*cause).source());
    causes.find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;
    use axum::middleware::Next;

    use super::*;

    fn of(reason: Reason, pause: Option<u64>) -> (u16, Option<u64>) {
        let failure = Failure::new(reason, "it says so");
        let failure = pause.map(Duration::from_secs).into_iter().fold(failure, Failure::after);
        let error = Error::new(ErrorKind::Load, "no load").with_source(failure.into_error("films", "links"));
        let problem = Problem::from(error);
        assert!(problem.detail.starts_with("it says so"));
        (problem.status, problem.retry_after)
    }

    #[test]
    fn each_reason_has_its_status_and_a_pause_is_passed_on() {
        for (reason, status) in [
            (Reason::Unsupported, 422),
            (Reason::NotFound, 404),
            (Reason::Forbidden, 502),
            (Reason::Unavailable, 502),
            (Reason::Malformed, 502),
            (Reason::TooLarge, 502),
            (Reason::Expired, 502),
            (Reason::Timeout, 504),
        ] {
            assert_eq!(of(reason, None), (status, None), "{reason:?}");
        }
        assert_eq!(of(Reason::RateLimited, None), (503, Some(5)));
        assert_eq!(of(Reason::RateLimited, Some(30)), (503, Some(30)));
        assert_eq!(of(Reason::Unavailable, Some(7)), (503, Some(7)));
    }

    #[tokio::test]
    async fn a_panic_is_one_failed_request_and_is_told_as_all_others_are() {
        let router = axum::Router::new()
            .route("/", axum::routing::get(|| async { panic!("of this test") as &'static str }))
            .layer(axum::middleware::from_fn(|request, next: Next| contained(next.run(request))));
        let service = hyper_util::service::TowerToHyperService::new(router);
        let request = || Request::get("/").body(axum::body::Body::empty()).unwrap();
        for _ in 0..2 {
            let answer = hyper::service::Service::call(&service, request()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
        }
    }

    #[test]
    fn errors_of_the_cache_have_theirs() {
        let of = |kind| Problem::from(Error::new(kind, "a")).status;
        assert_eq!([ErrorKind::Invalid, ErrorKind::Timeout, ErrorKind::Load].map(of), [400, 504, 502]);
        assert_eq!([ErrorKind::Unavailable, ErrorKind::Closed, ErrorKind::Internal].map(of), [503, 503, 500]);
        assert_eq!(Problem::from(Error::from(NoTorrents)).status, 501);
    }
}
