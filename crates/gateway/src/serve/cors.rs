//! Which pages of other origins may read what is played (CORS, as browsers ask for it).

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::guard;
use crate::reach::Reach;

/// What a page may ask with, beyond what every page may.
const ASKED_WITH: &str = "range, if-range, if-match";
/// What a page may read of an answer, beyond what every page may.
const READ: HeaderValue = HeaderValue::from_static("content-range, content-length, accept-ranges, etag");

/// Adds to every answer who may read it: anybody, where only what is public is fetched; else pages of this machine,
/// since others would read of its network what they cannot reach themselves.
pub(super) async fn share(State(reach): State<Reach>, request: Request, next: Next) -> Response {
    let allowed = allowed(reach, request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if reach == Reach::Anywhere {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    }
    response
}

/// Answers what a browser asks before it asks for a page of another origin.
pub(super) async fn preflight() -> impl IntoResponse {
    const ALLOWED: [(HeaderName, &str); 4] = [
        (header::ALLOW, "GET, HEAD, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ASKED_WITH),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ];
    (StatusCode::NO_CONTENT, ALLOWED)
}

fn allowed(reach: Reach, headers: &HeaderMap) -> Option<HeaderValue> {
    match reach {
        Reach::Public => Some(HeaderValue::from_static("*")),
        Reach::Anywhere => headers.get(header::ORIGIN).filter(|origin| is_of_this_machine(origin)).cloned(),
    }
}

fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    uri.is_some_and(|uri| uri.scheme().is_some() && uri.authority().is_some_and(guard::is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(reach: Reach, origin: &'static str) -> Option<HeaderValue> {
        allowed(reach, &HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]))
    }

    #[test]
    fn what_is_public_anybody_reads() {
        assert_eq!(reads(Reach::Public, "https://films.example").unwrap(), "*");
        assert_eq!(allowed(Reach::Public, &HeaderMap::new()).unwrap(), "*");
    }

    #[test]
    fn what_is_of_a_private_network_pages_of_this_machine_read() {
        for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:80"] {
            assert_eq!(reads(Reach::Anywhere, origin).unwrap(), origin);
        }
        for origin in
            ["https://films.example", "null", "", "http://localhost.example", "localhost", "http://192.168.0.1"]
        {
            assert_eq!(reads(Reach::Anywhere, origin), None, "{origin}");
        }
        assert_eq!(allowed(Reach::Anywhere, &HeaderMap::new()), None);
    }
}
