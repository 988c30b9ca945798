//! What every request must satisfy and every response carries.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What is not said otherwise.
const RESPONSE_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'self'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Refuses requests that do not name this machine as their host, and adds the headers above.
///
/// A web page elsewhere can point its own name at 127.0.0.1 and read what is served there (DNS rebinding); its
/// requests carry that name.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let mut response = match refusal(request.headers()) {
        None => next.run(request).await,
        Some(refusal) => refusal.into_response(),
    };
    for (name, value) in RESPONSE_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn refusal(headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let authority = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        _ => None,
    };
    match authority {
        None => Some((StatusCode::BAD_REQUEST, "a request names its host in exactly one Host header\n")),
        Some(authority) if is_loopback(&authority) => None,
        Some(_) => Some((StatusCode::MISDIRECTED_REQUEST, "this server answers to localhost only\n")),
    }
}

/// Whether an authority is this machine.
pub(super) fn is_loopback(authority: &Authority) -> bool {
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(hosts: &[&'static str]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_static(host));
        }
        refusal(&headers).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn loopback_names_pass() {
        for host in ["localhost", "LOCALHOST:7878", "127.0.0.1", "127.0.0.1:80", "[::1]:7878"] {
            assert_eq!(answer(&[host]), None, "{host}");
        }
    }

    #[test]
    fn foreign_hosts_are_misdirected() {
        for host in ["example.org", "localhost.example.org", "192.168.0.1", "127.0.0.1.example.org"] {
            assert_eq!(answer(&[host]), Some(421), "{host}");
        }
    }

    #[test]
    fn missing_double_and_malformed_hosts_are_bad_requests() {
        for hosts in [&[][..], &["localhost", "localhost"], &[""], &["local host"]] {
            assert_eq!(answer(hosts), Some(400), "{hosts:?}");
        }
    }
}
