//! Requests whose end or target two readers could take for different things: they are refused, and their connection ends.

use axum::extract::Request;
use axum::http::header::{self, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::naming;

/// The longest target of a request, in bytes.
const LONGEST_TARGET: usize = 8 << 10;

/// The answer to a request whose body has no length that comes first, and to one with two targets or a long one.
///
/// hyper refuses what does not parse. It takes chunks, and drops a length that stands beside them, so that nobody behind it
/// sees that there were both; a proxy in front may have gone by the other. No body that is sent here is of unknown length.
pub(super) fn refusal(request: &Request) -> Option<Response> {
    let (status, why) = reason(request)?;
    let mut response = Problem::new(status, why).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

fn reason(request: &Request) -> Option<(StatusCode, &'static str)> {
    let target = request.uri();
    if request.method() == Method::CONNECT {
        return Some((StatusCode::NOT_IMPLEMENTED, "this is no proxy: ask for a path"));
    }
    if target.path_and_query().is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        return Some((StatusCode::URI_TOO_LONG, "the target is too long: it has 8192 bytes at most"));
    }
    if !naming::is_text(target.path()) {
        return Some((StatusCode::BAD_REQUEST, "the path is no text: its escapes are no UTF-8"));
    }
    if target.authority().is_some_and(|authority| !is_host(request.headers(), authority)) {
        return Some((StatusCode::BAD_REQUEST, "the target names another host than the Host header"));
    }
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Some((StatusCode::LENGTH_REQUIRED, "a body has to be sent with Content-Length, and not in chunks"));
    }
    None
}

fn is_host(headers: &HeaderMap, authority: &Authority) -> bool {
    headers.get(header::HOST).is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn answer(method: &str, target: &str, lines: &[(&str, &str)]) -> Option<u16> {
        let request = Request::builder().method(method).uri(target);
        let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        reason(&request.body(Body::empty()).unwrap()).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_target_is_short_and_names_the_host_that_the_request_names() {
        let host = [("host", "localhost:1")];
        for target in ["/", "http://localhost:1/", "http://LOCALHOST:1/a?b", &format!("/{}", "a".repeat(8191))] {
            assert_eq!(answer("GET", target, &host), None, "{target}");
        }
        assert_eq!(answer("GET", &format!("/{}", "a".repeat(8192)), &host), Some(414));
        for target in ["http://localhost:2/", "http://evil.example/", "http://localhost/"] {
            assert_eq!(answer("GET", target, &host), Some(400), "{target}");
        }
        assert_eq!(answer("GET", "http://localhost:1/", &[]), Some(400));
        for target in ["/%ff", "/a/%c3%28?b", "/%C3"] {
            assert_eq!(answer("GET", target, &host), Some(400), "{target}");
        }
        for target in ["/%c3%a9", "/%", "/%2", "/%zz", "/a?b=%ff"] {
            assert_eq!(answer("GET", target, &host), None, "{target}");
        }
        assert_eq!(answer("CONNECT", "localhost:1", &host), Some(501));
    }

    #[test]
    fn a_body_comes_with_its_length() {
        assert_eq!(answer("POST", "/", &[("host", "localhost"), ("content-length", "3")]), None);
        for coding in ["chunked", "xchunked", "gzip, chunked", "identity", ""] {
            let lines = [("host", "localhost"), ("transfer-encoding", coding)];
            assert_eq!(answer("POST", "/", &lines), Some(411), "{coding}");
        }
    }
}
