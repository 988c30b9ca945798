//! `Problem`: why a request has no answer, in one shape for all (RFC 9457).

use std::error::Error as StdError;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use cache_blob::BlobError;
use cache_core::{Error, ErrorKind};
use providers::{Failure, Reason, UnknownProvider};
use serde::Serialize;

use crate::media::NoTorrents;

/// The pause that is named where the other side names none.
const PAUSE: Duration = Duration::from_secs(5);

/// Why a request has no answer.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem {
    title: &'static str,
    status: u16,
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
            retry_after: None,
        }
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
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
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

    #[test]
    fn errors_of_the_cache_have_theirs() {
        let of = |kind| Problem::from(Error::new(kind, "a")).status;
        assert_eq!([ErrorKind::Invalid, ErrorKind::Timeout, ErrorKind::Load].map(of), [400, 504, 502]);
        assert_eq!([ErrorKind::Unavailable, ErrorKind::Closed, ErrorKind::Internal].map(of), [503, 503, 500]);
        assert_eq!(Problem::from(Error::from(NoTorrents)).status, 501);
    }
}
